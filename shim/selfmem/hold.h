/* SPDX-License-Identifier: MIT */
/*
 * Threads that touch memory whose pages are away wait until they are back: userfaultfd,
 * as much of it as this process may have. On bare threads: raw calls only.
 */
#ifndef MMFENCE_SELFMEM_HOLD_H
#define MMFENCE_SELFMEM_HOLD_H

#include <stdbool.h>
#include <stdint.h>

struct hold {
	int fd;
	bool user_only; /* system calls do not wait: they fail with EFAULT */
};

/* 0, or -errno when there is none to be had. */
int hold_open(struct hold *hold);
/* From now on touching a page of the range that is not there waits. */
int hold_range(const struct hold *hold, uintptr_t start, uintptr_t end);
/* Another mapping is there, or the old one again: whoever waits goes on. */
void hold_release(const struct hold *hold, uintptr_t start, uintptr_t end);
void hold_close(struct hold *hold);

/* A system call that touches a hole of shared memory in the range fails with EFAULT, and the hole
 * stays one, until the descriptor is closed. It, or -errno. */
int hold_refuse_missing(uintptr_t start, uintptr_t end);

#endif
