/* SPDX-License-Identifier: MIT */
/*
 * What the helpers about guarded mappings share: the ways to change the file, by whom, and what
 * smaps says of an area.
 */
#ifndef MMFENCE_TESTS_GUARD_VIEW_H
#define MMFENCE_TESTS_GUARD_VIEW_H

#include "guard_file.h"

/* --- ways to change the file --- */

static inline int open_for_writing(int flags)
{
	return sure(open(FILE_NAME, O_RDWR | O_CLOEXEC | flags));
}

ACTS(way, void, void)
#define WAY(name)	  ACT(way, #name, way_##name) static void way_##name(void)
#define WAY_IS(name, ...) WAY(name) DOES(__VA_ARGS__)

WAY_IS(write, file_overwrite(FILE_NAME, 2, 0, PAGES))
WAY_IS(o_trunc, must(close(open_for_writing(O_TRUNC)) == 0))

WAY_IS(truncate, must(truncate(FILE_NAME, 10) == 0))

WAY(shared)
{
	int fd = open_for_writing(0);
	char *shared = mmap(NULL, BYTES, RW, MAP_SHARED, fd, 0);

	must(shared != MAP_FAILED && close(fd) == 0);
	for (size_t i = 0; i < PAGES; i++)
		pattern_fill(shared + i * PAGE, 2, i);
	must(munmap(shared, BYTES) == 0);
}

WAY(punch)
{
	int fd = open_for_writing(0);

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES))
		skip("no holes on this file system");
	must(close(fd) == 0);
}

WAY(cut_twice)
{
	int fd = open_for_writing(0);

	must(ftruncate(fd, 0) == 0 && ftruncate(fd, BYTES) == 0);
	file_fill(fd, 3, 0, PAGES / 2);
	must(close(fd) == 0);
}

struct area {
	char flags[200];
	long locked, key;
};

/* The VMA at this address, as smaps has it; its permissions are among the flags. */
static inline void area_get(const void *address, struct area *area)
{
	char line[4608];

	snprintf(area->flags, sizeof(area->flags), "%.190s",
		 smaps_line(address, "VmFlags:", line, sizeof(line)));
	/* Soft-dirty says that it is new, not what it is. */
	for (char *at; (at = strstr(area->flags, " sd"));)
		memmove(at, at + 3, strlen(at + 3) + 1);
	area->key = atol(smaps_line(address, "ProtectionKey:", line, sizeof(line)));
	area->locked = atol(smaps_line(address, "Locked:", line, sizeof(line))) > 0;
}

static inline void same_flags(const struct area *before, const struct area *now, const char *what)
{
	promise(!strcmp(before->flags, now->flags), "%s: VmFlags%s, were%s", what, now->flags,
		before->flags);
}

/* --- each way, by each who may come, before and after the mapping was touched --- */

enum { OTHER, THREAD, SELF, DOERS };

struct trial {
	const struct way *way;
	unsigned int who;
	bool touched;
};

static void act_in_other(const void *way)
{
	((const struct way *)way)->act();
}

static void *act_in_thread(void *way)
{
	((const struct way *)way)->act();
	return NULL;
}

/* A mapping that is made so shows what it did, in an area that is as it was. */
static inline char *survives(const struct trial *trial, char *(*make)(void))
{
	struct other other = { 0 };
	struct area before, after;

	if (trial->who == OTHER)
		other = other_start(act_in_other, trial->way);
	unlink(FILE_NAME);
	char *view = make();
	if (trial->touched)
		check(view, "before the change");
	area_get(view, &before);
	if (trial->who == OTHER)
		other_go(&other);
	else if (trial->who == THREAD)
		in_thread(act_in_thread, (void *)(uintptr_t)trial->way);
	else
		trial->way->act();
	preserved_check(view, "after the change");
	check(view, "after the change");
	area_get(view, &after);
	same_flags(&before, &after, "after the change");
	if (trial->who == OTHER)
		other_end(&other);
	return view;
}

static inline void add_ways(const char *kind, void (*run)(const void *))
{
	static const char *const doers[] = { "other", "thread", "self" };
	static struct trial trials[COUNT(ways) * DOERS * 2];

	for (unsigned int i = 0; i < way_count * DOERS * 2; i++) {
		unsigned int who = i / 2 % DOERS;
		trials[i] = (struct trial){ &ways[i / 2 / DOERS], who, i % 2 };
		case_make(run, &trials[i], false, "%s/%s/%s/%s", kind, trials[i].way->name,
			  doers[who], i % 2 ? "touched" : "untouched");
	}
}

#endif
