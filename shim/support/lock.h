/* SPDX-License-Identifier: MIT */
/*
 * A futex mutex that needs no libc and no TLS. Taken only with signals blocked
 * (see scope.h), so that a handler never waits for the thread it interrupted.
 */
#ifndef MMFENCE_SUPPORT_LOCK_H
#define MMFENCE_SUPPORT_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>

struct lock {
	atomic_int state; /* 0 free, 1 taken, 2 taken and somebody waits */
};

void lock_take(struct lock *lock);
void lock_drop(struct lock *lock);
bool lock_try(struct lock *lock);

/* In a forked child, where the holder does not exist any more. */
void lock_reset(struct lock *lock);

/* Sleep while *word == value, or until woken; spurious returns are possible. */
void futex_wait(atomic_int *word, int value);
void futex_wake(atomic_int *word, int count);

/* ---- gate.c ---- */

/* Waits while another thread forks; not for ever: once that thread is seen waiting for a lock,
 * which may be one that this thread holds, it cannot be copying memory, and the caller goes on.
 * Then takes lock, which gate_close is given too: nobody forks while it is held. */
void gate_take(struct lock *lock);

/* Forking threads wait for each other to the end, here: before they hold anything that others want,
 * and before they are in libc's locks. */
void gate_queue(void);
/* Closes the gate and waits until nobody is inside lock. */
void gate_close(struct lock *lock);
void gate_open(void);
/* In a child. */
void gate_reset(void);

#endif
