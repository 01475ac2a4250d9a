/* SPDX-License-Identifier: MIT */
/*
 * The pool of scratch.h. In BSS, so that a process which needs none pays nothing.
 */
#include <stdatomic.h>
#include <sched.h>

#include "support/sys.h"
#include "support/scratch.h"

#define SCRATCH_COUNT 8

static char buffers[SCRATCH_COUNT][SCRATCH_BYTES] __attribute__((aligned(64)));
static atomic_flag taken[SCRATCH_COUNT];

void *scratch_take(void)
{
	for (;;) {
		for (int i = 0; i < SCRATCH_COUNT; i++)
			if (!atomic_flag_test_and_set(&taken[i]))
				return buffers[i];
		sys_sched_yield();
	}
}

void scratch_put(void *buffer)
{
	long i = ((char *)buffer - buffers[0]) / SCRATCH_BYTES;

	atomic_flag_clear(&taken[i]);
}

void scratch_reset(void)
{
	for (int i = 0; i < SCRATCH_COUNT; i++)
		atomic_flag_clear(&taken[i]);
}
