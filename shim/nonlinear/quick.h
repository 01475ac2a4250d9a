/* SPDX-License-Identifier: MIT */
/*
 * The short way of emulation: a call within one area of a window that is known, into which
 * its mapping (reserve.h) is doubled without a lock and with no signal blocked. What is at
 * the address is asked of the kernel here too. Async-signal-safe.
 */
#ifndef MMFENCE_NONLINEAR_QUICK_H
#define MMFENCE_NONLINEAR_QUICK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "nonlinear/nonlinear.h"

/* A mapping of ours: pages of a file from first on, with this protection, for windows in a range.
 */
struct quick {
	uint64_t device, inode;
	uintptr_t start, end;
	uint64_t first, pages;
	uintptr_t reserve;
	int protection;
};

/* True, and done with this result; false: the long way is to be taken. */
bool quick_remap(const struct remap_request *request, long *result);

/* Under the lock of the windows. */
void quick_publish(const struct quick *quick);
/* Nobody finds what was published from now on. False: somebody may still use it. */
bool quick_withdraw(void);
void quick_after_fork(void);

/* Whoever uses an address in a reserve counts as a reader meanwhile: quick_withdraw waits. */
atomic_uint *quick_enter(void);
void quick_leave(atomic_uint *counter);

#endif
