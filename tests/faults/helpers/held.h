/* SPDX-License-Identifier: MIT */
/*
 * Races on purpose: a thread of the library's or of the program's is held between its look and
 * its act (../page.h), another one does what must not come in between, and then both go on. What
 * the programs named held* share.
 */
#ifndef MMFENCE_TESTS_FAULTS_HELD_H
#define MMFENCE_TESTS_FAULTS_HELD_H

#include "control.h"
#include "views.h"

#ifndef MADV_DONTFORK
#define MADV_DONTFORK 10
#endif

#define NAME  "data"
#define PAGES 8UL

static struct fault_page *page;
static struct hold *hold; /* the first, which most cases need alone */

static inline int self(void)
{
	return (int)syscall(SYS_gettid);
}

/* ---- a writer in another process ---- */

static inline void overwrite(const void *pages)
{
	file_overwrite(NAME, 2, 0, *(const size_t *)pages);
}

/* Forked before there is anything to inherit. */
static inline struct other writer(const size_t *pages)
{
	file_make(NAME, 1, *pages);
	return other_start(overwrite, pages);
}

static const size_t few = PAGES, many = (6UL << 20) / PAGE;

static inline char *guarded(size_t pages)
{
	char *view = view_make(NAME, PROT_READ, 0, pages);

	guarded_check(view, "a new mapping");
	return view;
}

/* ---- where the lease thread is held ---- */

static inline void hold_call(long number)
{
	hold->number = number;
	hold->but = self();
}

/* It knows what to copy, and has copied nothing yet. */
static inline void hold_before_copy(void)
{
	hold_call(SYS_sendfile);
	hold_arm(hold);
}

static inline char *while_copied(struct other *other, const size_t *pages, size_t mapped)
{
	*other = writer(pages);
	char *view = guarded(mapped);
	hold_before_copy();
	other_begin(other);
	hold_wait(hold);
	return view;
}

static inline void go_on(const struct other *other)
{
	hold_end(hold);
	other_wait(other);
}

static inline void unmap(void *view)
{
	must(!munmap(view, PAGES * PAGE));
}

#define HELD_MAIN                              \
	int main(int argc, char **argv)        \
	{                                      \
		page = page_attach();          \
		hold = &page->holds[0];        \
		return cases_main(argc, argv); \
	}

#endif
