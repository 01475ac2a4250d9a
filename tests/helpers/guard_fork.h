/* SPDX-License-Identifier: MIT */
/*
 * What the helpers about fork and the guard share: how the file is spoilt, and a process that
 * outlives its parent.
 */
#ifndef MMFENCE_TESTS_GUARD_FORK_H
#define MMFENCE_TESTS_GUARD_FORK_H

#include "guard_file.h"

/* Overwritten and cut. */
static inline void spoil(void)
{
	change();
	must(truncate(FILE_NAME, BYTES / 2) == 0);
}

static inline void spoil_by_other(const void *unused)
{
	spoil();
}

/* The orphan is guarded although nobody of those before it lives; and is told the word. */
struct orphan {
	struct gate changed, result;
};

static _Noreturn void orphan_serve(const char *view, const struct orphan *orphan)
{
	close(orphan->changed.out);
	inherited_check(view, "the orphan");
	gate_open(&orphan->result);
	gate_wait(&orphan->changed);
	check(view, "the orphan");
	gate_open(&orphan->result);
	_exit(0);
}

#endif
