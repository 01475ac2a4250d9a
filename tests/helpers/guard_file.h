/* SPDX-License-Identifier: MIT */
/*
 * The file that the helpers about the guard map, and those who change it.
 */
#ifndef MMFENCE_TESTS_GUARD_FILE_H
#define MMFENCE_TESTS_GUARD_FILE_H

#include "guard_helper.h"

#define FILE_NAME "guard.data"
#define SECOND	  "guard.second"
#ifndef PAGES
#define PAGES 16
#endif
#define BYTES (PAGES * PAGE)

static inline char *fresh(void)
{
	return guarded_make(FILE_NAME, is_copied() ? RW : PROT_READ, PAGES);
}

static inline void change(void)
{
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

static inline void change_by_other(const void *unused)
{
	change();
}

/* All of it is as it was mapped. */
static inline void check(const volatile void *view, const char *when)
{
	view_check(view, 1, 0, PAGES, when);
}

/* The guard works, for what was mapped and for what is mapped now. */
static inline void guard_works(const struct other *other, const char *view, const char *when)
{
	if (other)
		other_go(other);
	else
		change();
	check(view, when);
	file_make(SECOND, 3, PAGES);
	char *more = view_make(SECOND, PROT_READ, 0, PAGES);
	must(truncate(SECOND, PAGE) == 0);
	view_check(more, 3, 0, PAGES, when);
	must(munmap(more, BYTES) == 0);
}

static inline void root_only(void)
{
	if (geteuid())
		skip("only root can become somebody else");
	must(chmod(".", 0777) == 0);
}

#endif
