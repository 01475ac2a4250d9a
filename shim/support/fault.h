/* SPDX-License-Identifier: MIT */
/*
 * Where a test build (-DMMFENCE_TEST_FAULTS, tests/faults) can make a call of ours fail or hold a
 * thread. In the library that is shipped nothing of it is left.
 */
#ifndef MMFENCE_SUPPORT_FAULT_H
#define MMFENCE_SUPPORT_FAULT_H

#ifdef MMFENCE_TEST_FAULTS

#include <stdbool.h>

enum fault_kind {
	FAULT_ARENA,
	FAULT_OPEN,
	FAULT_MAP,
	FAULT_LEASE,
	FAULT_SEND,
	FAULT_THREAD,
	FAULT_SHORT
};

/* Whether this one is to fail. */
bool fault_here(enum fault_kind kind);
/* Waits here if a test wants it to. */
void fault_point(const char *name);
/* Around each raw system call. True: it is not made, and this is its result. */
bool fault_before(long nr, const long *arguments, long *result);
void fault_after(long nr, const long *arguments, long result);

/* Whether no signal can reach this thread. */
bool fault_signals_blocked(void);

/* Ends the process. */
void fault_broken(const char *what);

#define FAULT(kind)		    fault_here(kind)
#define TEST_POINT(name)	    fault_point(name)
#define TEST_CHECK(condition, what) ((condition) ? (void)0 : fault_broken(what))

#else

#define FAULT(kind)	 0
#define TEST_POINT(name) ((void)0)
#ifdef MMFENCE_TEST_TRAPS /* a build that only looks: tests/sanitize, tests/mutate */
#define fault_signals_blocked()	    1
#define TEST_CHECK(condition, what) ((condition) ? (void)0 : __builtin_trap())
#else
#define TEST_CHECK(condition, what) ((void)0)
#endif

#endif

#endif
