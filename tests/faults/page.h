/* SPDX-License-Identifier: MIT */
/*
 * The page by which a test and the library's test build (support/fault.h) speak: a file that both
 * map, named by FENCE_TEST_PAGE. It is shared by all processes of the test, over fork and exec.
 *
 * Calls that fail: the test sets first and, at last, kinds; each eligible call counts, and the
 * one with number first fails, with onward also all after it.
 *
 * A thread that is held: the test describes the place and sets state to HOLD_ARMED. The first
 * thread that comes there sets HOLD_REACHED and waits until the test sets HOLD_OVER.
 */
#ifndef MMFENCE_TESTS_FAULTS_PAGE_H
#define MMFENCE_TESTS_FAULTS_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hold_state { HOLD_NONE, HOLD_ARMED, HOLD_REACHED, HOLD_OVER };

struct hold {
	atomic_int state;
	atomic_int reached_by; /* thread */
	char point[32];	       /* the name of a TEST_POINT; empty: a system call, as follows */
	bool anywhere;	       /* any point, any system call */
	bool spin;	       /* do not sleep meanwhile */
	atomic_int pass;       /* so many go by first */
	long number;
	bool after;   /* once it is made, not before */
	int argument; /* (this argument & mask) == value; mask 0: any */
	long mask, value;
	int only, but; /* threads; 0: any */
};

#define HOLDS 4

struct fault_page {
	atomic_uint kinds; /* the first member; 1 << enum fault_kind; 0: none */
	atomic_bool onward;
	atomic_ulong first, count, fired;
	atomic_int last_kind;
	struct hold holds[HOLDS];
	/* The library's arena_in_use and budget_charged, in the process that attached last. */
	size_t (*in_use)(void);
	uint64_t (*charged)(void);
};

#endif
