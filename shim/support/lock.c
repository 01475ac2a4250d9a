/* SPDX-License-Identifier: MIT */
/*
 * The futex mutex of lock.h, in the three-state form: a lock without waiters is
 * taken and dropped without a system call.
 */
#include <linux/futex.h>
#include <stddef.h>

#include "support/sys.h"
#include "support/fault.h"
#include "support/lock.h"

void futex_wait(atomic_int *word, int value)
{
	sys_futex(word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, NULL);
}

void futex_wake(atomic_int *word, int count)
{
	sys_futex(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL);
}

bool lock_try(struct lock *lock)
{
	int expected = 0;
	return atomic_compare_exchange_strong(&lock->state, &expected, 1);
}

void lock_take(struct lock *lock)
{
	if (!lock_try(lock))
		while (atomic_exchange(&lock->state, 2) != 0)
			futex_wait(&lock->state, 2);
	TEST_POINT("lock");
}

void lock_drop(struct lock *lock)
{
	int before = atomic_exchange(&lock->state, 0);

	TEST_CHECK(before, "a lock is dropped that nobody holds");
	if (before == 2)
		futex_wake(&lock->state, 1);
}

void lock_reset(struct lock *lock)
{
	atomic_store(&lock->state, 0);
}
