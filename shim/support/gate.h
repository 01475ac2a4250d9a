/* SPDX-License-Identifier: MIT */
/*
 * Closed while a thread forks, so that the child finds the tables whole. Whoever wants
 * to change them waits here; a lock held over fork would not do: the forking thread
 * waits in libc for the allocator's locks, and a thread that holds one of these may
 * be on its way to us, in a signal handler or in an allocator that unmaps.
 */
#ifndef MMFENCE_SUPPORT_GATE_H
#define MMFENCE_SUPPORT_GATE_H

#include "support/lock.h"

/* Waits while another thread forks; not for ever: once that thread is seen waiting for a lock,
 * which may be one that this thread holds, it cannot be copying memory, and the caller goes on. */
void gate_wait(void);
/* The same, then takes lock, which gate_close is given too: nobody forks while it is held. */
void gate_take(struct lock *lock);

/* Closes the gate and waits until nobody is inside lock. */
void gate_close(struct lock *lock);
void gate_open(void);

#endif
