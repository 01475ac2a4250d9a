/* SPDX-License-Identifier: MIT */
/*
 * P9: what the program left free on purpose stays free, whatever the library needs memory for.
 */
#include "guard_helper.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define FILE_NAME "holes.data"
#define PAGES	  16
#define BYTES	  (PAGES * PAGE)
#define VIEWS	  250
#define HOLE	  (1UL << 20)

/* What is smaller than a huge page lies right below the last mapping. */
static char *nothing(size_t size)
{
	return sure(
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

/* Views where the program had set room aside; the first starts the lease thread. */
static void fill(char *room, size_t count)
{
	int fd = file_open(FILE_NAME);

	for (size_t i = 0; i < count; i++) {
		char *at = room + i * 2 * PAGE;

		must(mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == at);
	}
	must(close(fd) == 0);
	guarded_check(room, "a view");
}

static bool take(char *at, size_t size)
{
	return mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		    0) == at;
}

static void is_free(char *at, size_t size, const char *what)
{
	promise(take(at, size), "%s: something is there", what);
}

/* What the child needs is not put where the parent's memory was. */
static void in_a_child(const void *guarded_before)
{
	file_make(FILE_NAME, 1, PAGES);
	char *room = nothing(VIEWS * 2 * PAGE);
	char *hole = nothing(HOLE);
	if (guarded_before)
		fill(room, 1);
	must(madvise(hole, HOLE, MADV_DONTFORK) == 0);
	IN_CHILD {
		fill(room, VIEWS);
		is_free(hole, HOLE, "the child's hole");
	}
}

/* The next mapping is to lie right below the last one: in a process of one thread nobody else can
 * have been there. */
CASE(below_the_last_mapping, HOLDS_BARE)
{
	file_make(FILE_NAME, 1, PAGES);
	char *room = nothing(VIEWS * 2 * PAGE);
	char *last = nothing(HOLE);
	/* Between large libraries there may be room for it, and nothing free below. */
	while (!take(last - HOLE, HOLE))
		last = nothing(HOLE);
	must(munmap(last - HOLE, HOLE) == 0);
	fill(room, VIEWS);
	is_free(last - HOLE, HOLE, "the place below the last mapping");
}

/* It was unmapped to be mapped again. */
CASE(where_memory_was, HOLDS_BARE)
{
	file_make(FILE_NAME, 1, PAGES);
	char *room = nothing(VIEWS * 2 * PAGE);
	char *hole = nothing(HOLE);
	must(munmap(hole, HOLE) == 0);
	fill(room, VIEWS);
	is_free(hole, HOLE, "what was unmapped");
}

CASE_OF("in_a_child/first", in_a_child, NULL, HOLDS_BARE)
CASE_OF("in_a_child/inherited", in_a_child, "", HOLDS_BARE)

CASES_MAIN
