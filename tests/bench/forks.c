/* SPDX-License-Identifier: MIT */
/*
 *	forks bare|fenced COUNT ROUNDS DIRECTORY
 *
 * Maps COUNT files of DIRECTORY, and prints the median ns of a fork as the parent sees it.
 * `fenced`: with all of them guarded. `bare`: the fork, and before it an open and F_SETLEASE
 * of every file, which is what the child has to have in any case.
 */
#include <sys/wait.h>
#include "guarded.h"

#define MOST 1000

static struct view views[MOST];
static char paths[MOST][256];
static int leased[MOST];
static double spent[MOST];

static void map_all(const char *directory, size_t count, bool fenced)
{
	for (size_t i = 0; i < count; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%zu", directory, i);
		view_open(&views[i], paths[i]);
		view_map(&views[i]);
		if (fenced)
			view_expect_guard(&views[i]);
	}
}

static double fork_ns(size_t leases)
{
	double begin = now_ns(), took;
	int status;
	pid_t child;

	for (size_t i = 0; i < leases; i++)
		leased[i] = lease_bare(paths[i]);
	child = fork();
	if (child == 0)
		_exit(0);
	took = now_ns() - begin;
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		die("fork");
	for (size_t i = 0; i < leases; i++)
		close(leased[i]);
	return took;
}

int main(int argc, char **argv)
{
	size_t count = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
	size_t rounds = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
	bool fenced;

	if (count > MOST || !rounds || rounds > MOST) {
		fprintf(stderr, "usage: forks bare|fenced COUNT ROUNDS DIRECTORY\n");
		return 2;
	}
	fenced = strcmp(argv[1], "fenced") == 0;
	map_all(argv[4], count, fenced);
	fork_ns(fenced ? 0 : count);
	for (size_t i = 0; i < rounds; i++)
		spent[i] = fork_ns(fenced ? 0 : count);
	for (size_t i = 0; fenced && i < count; i++)
		view_expect_guard(&views[i]);
	printf("%.0f\n", median(spent, rounds));
	return 0;
}
