/* SPDX-License-Identifier: MIT */
/*
 *	first bare|fenced ROUNDS FILE
 *
 * What a child costs its parent that maps FILE and ends. Prints the median ns from the fork to the
 * end of the wait, and the median ns that the parent's processor worked in the wait. `fenced`
 * checks that such a mapping is guarded: it is the first of its process.
 */
#include <sys/wait.h>
#include "guarded.h"

#define MOST 1000

static double worked_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double child(struct view *view, bool check, double *waiting)
{
	double begin = now_ns(), worked;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		view_map(view);
		if (check)
			view_expect_guard(view);
		_exit(0);
	}
	worked = worked_ns();
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("child");
	*waiting = worked_ns() - worked;
	return now_ns() - begin;
}

int main(int argc, char **argv)
{
	static double took[MOST], waiting[MOST];
	size_t rounds = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	struct view view;

	if (!rounds || rounds > MOST) {
		fprintf(stderr, "usage: first bare|fenced ROUNDS FILE\n");
		return 2;
	}
	view_open(&view, argv[3]);
	child(&view, strcmp(argv[1], "fenced") == 0, waiting);
	for (size_t i = 0; i < rounds; i++)
		took[i] = child(&view, false, &waiting[i]);
	printf("%.0f %.0f\n", median(took, rounds), median(waiting, rounds));
	return 0;
}
