/* SPDX-License-Identifier: MIT */
/*
 *	whole snapshot|populate|cp|reflink FILE
 *
 * Prints the ns that it takes to have a private mapping of the whole FILE that shows its
 * content of this moment for good. `snapshot` is one mmap under the library, the first of the
 * process. The others are what one does without: `populate` a writable MAP_POPULATE (which a
 * truncation undoes all the same), `cp` and `reflink` a cp to FILE.copy and its mmap.
 */
#include <spawn.h>
#include <sys/wait.h>
#include "guarded.h"

extern char **environ;

static void copy(const char *path, const char *target, bool reflink)
{
	char *arguments[] = { "cp", reflink ? "--reflink=always" : "--reflink=never", (char *)path,
			      (char *)target, NULL };
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, "cp", NULL, NULL, arguments, environ) ||
	    waitpid(pid, &status, 0) != pid)
		die("cp");
	if (status)
		exit(1);
}

static void populate(struct view *view)
{
	view->map = mmap(NULL, view->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE,
			 view->fd, 0);
	if (view->map == MAP_FAILED)
		die("mmap");
}

static double copied_ns(const char *path, bool reflink)
{
	char target[4096];
	struct view view;
	double took;

	snprintf(target, sizeof(target), "%s.copy", path);
	double begin = now_ns();
	copy(path, target, reflink);
	view_open(&view, target);
	view_map(&view);
	took = now_ns() - begin;
	unlink(target);
	return took;
}

int main(int argc, char **argv)
{
	struct view view;
	double begin;

	if (argc != 3) {
		fprintf(stderr, "usage: whole snapshot|populate|cp|reflink FILE\n");
		return 2;
	}
	if (strcmp(argv[1], "cp") == 0 || strcmp(argv[1], "reflink") == 0) {
		printf("%.0f\n", copied_ns(argv[2], strcmp(argv[1], "reflink") == 0));
		return 0;
	}
	view_open(&view, argv[2]);
	begin = now_ns();
	if (strcmp(argv[1], "populate") == 0)
		populate(&view);
	else
		view_map(&view);
	printf("%.0f\n", now_ns() - begin);
	if (strcmp(argv[1], "snapshot") == 0)
		view_expect_guard(&view);
	return 0;
}
