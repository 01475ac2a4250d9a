/* SPDX-License-Identifier: MIT */
/*
 *	many plain|shared|new LIVE DIRECTORY
 *
 * With LIVE guarded snapshots standing, ten of each file of DIRECTORY, prints the median ns of
 * a munmap and an mmap: `shared` of one of these files, which stays under its lease; `new` of
 * a file that nobody else has mapped, so that a lease is taken and another given back; `plain`
 * as `shared`, without the library. The lease thread has a descriptor for each distinct file,
 * and so RLIMIT_NOFILE is raised.
 */
#include <stdint.h>
#include <sys/resource.h>
#include "guarded.h"

#define MOST	    10000
#define OF_A_FILE   10
#define DESCRIPTORS 4096
#define TURNS	    4000
#define NEW	    16 /* files behind the others */

static struct view views[MOST + NEW];
static bool plain;
static double spent[TURNS];

static size_t random_below(size_t limit)
{
	static uint32_t state = 1998;

	state = state * 1664525 + 1013904223;
	return (state >> 8) % limit;
}

static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < DESCRIPTORS)
		limit.rlim_cur = DESCRIPTORS;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE of 4096");
}

static void expect_guard(const struct view *view)
{
	if (!plain)
		view_expect_guard(view);
}

/* File i of the directory for views i, i + files, ... and their one descriptor. */
static void open_all(const char *directory, size_t live)
{
	size_t files = live / OF_A_FILE;

	for (size_t i = 0; i < live; i++)
		if (i < files)
			view_open_numbered(&views[i], directory, i);
		else
			views[i] = views[i % files];
	for (size_t i = 0; i < NEW; i++)
		view_open_numbered(&views[live + i], directory, MOST / OF_A_FILE + i);
}

static double renew_ns(struct view *old, struct view *new)
{
	double begin = now_ns();

	view_unmap(old);
	view_map(new);
	return now_ns() - begin;
}

static double turn(bool shared, size_t live, size_t number)
{
	struct view *old = &views[shared ? random_below(live) : live + number % NEW];
	struct view *new = shared ? old : &views[live + (number + 1) % NEW];
	double took = renew_ns(old, new);

	expect_guard(new);
	return took;
}

int main(int argc, char **argv)
{
	size_t live = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	bool shared = argc == 4 && strcmp(argv[1], "new") != 0;

	if (live < OF_A_FILE || live > MOST) {
		fprintf(stderr, "usage: many plain|shared|new LIVE DIRECTORY\n");
		return 2;
	}
	plain = strcmp(argv[1], "plain") == 0;
	raise_limit();
	open_all(argv[3], live);
	for (size_t i = 0; i <= live; i++) {
		view_map(&views[i]);
		expect_guard(&views[i]);
	}
	for (size_t i = 0; i < TURNS; i++)
		spent[i] = turn(shared, live, i);
	printf("%.0f\n", median(spent, TURNS));
	return 0;
}
