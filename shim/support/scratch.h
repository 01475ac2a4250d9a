/* SPDX-License-Identifier: MIT */
/*
 * Large buffers that may not live on the program's stack, which can be a signal
 * stack of 2 KiB. A fixed pool, taken without a lock. Call with signals blocked:
 * then whoever holds a buffer is running, and waiting for one ends. Hold one at a
 * time: threads that wait for a second would wait for each other.
 */
#ifndef MMFENCE_SUPPORT_SCRATCH_H
#define MMFENCE_SUPPORT_SCRATCH_H

#include <stddef.h>

#define SCRATCH_BYTES 32768

void *scratch_take(void);
void scratch_put(void *buffer);
void scratch_reset(void);

#endif
