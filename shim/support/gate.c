/* SPDX-License-Identifier: MIT */
/*
 * Closed while a thread forks, so that the child finds the tables whole. Whoever wants to change
 * them waits here; a lock held over fork would not do: the forking thread waits in libc for the
 * allocator's locks, and a thread that holds one of these may be on its way to us, in a signal
 * handler or in an allocator that unmaps. It is a word that holds the forking thread's number. No
 * TLS: the lease thread waits here too.
 */
#include <linux/futex.h>
#include <stdbool.h>
#include <time.h>

#include "support/sys.h"
#include "support/fault.h"
#include "support/lock.h"
#include "support/text.h"

#define PATIENCE_NANOSECONDS 20000000
#define MOST_TURNS	     50 /* a second, where /proc does not tell */

static atomic_int forking;
static struct lock queue; /* of threads that are about to fork */

/* The kernel tells in which system call a thread sleeps. In another than a fork it waits for
 * somebody: for a lock of libc's, or, in a handler of another library's, perhaps for us. */
static bool waits(int thread, int turn)
{
	char path[48], line[16];
	uint64_t number;

	text_make(path, sizeof(path), "/proc/self/task/%u/syscall", (unsigned int)thread);
	if (sys_read_file(path, line, sizeof(line)) <= 0)
		return turn >= MOST_TURNS;
	return text_find_number(line, "", &number) && number != SYS_fork && number != SYS_clone &&
	       number != SYS_clone3;
}

/* False when it goes on though another thread forks. */
static bool wait_for_others(void)
{
	struct timespec patience = { 0, PATIENCE_NANOSECONDS };
	int thread;

	if (!atomic_load_explicit(&forking, memory_order_acquire))
		return true;
	int self = sys_gettid();
	for (int turn = 0; (thread = atomic_load(&forking)) && thread != self; turn++) {
		sys_futex(&forking, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, thread, &patience);
		if (atomic_load(&forking) == thread && waits(thread, turn))
			return false;
	}
	return true;
}

/* Whoever closes the gate looks into the lock afterwards: one of the two sees the other. */
void gate_take(struct lock *lock)
{
	for (;;) {
		bool in_order = wait_for_others();
		TEST_POINT("gate");
		lock_take(lock);
		int thread = atomic_load(&forking);
		if (!in_order || !thread || thread == sys_gettid())
			return;
		lock_drop(lock);
	}
}

void gate_queue(void)
{
	lock_take(&queue);
}

void gate_close(struct lock *lock)
{
	atomic_store(&forking, sys_gettid());
	lock_take(lock);
	lock_drop(lock);
}

static void open_for_all(void)
{
	atomic_store(&forking, 0);
	futex_wake(&forking, INT32_MAX);
}

void gate_open(void)
{
	open_for_all();
	lock_drop(&queue);
}

void gate_reset(void)
{
	open_for_all();
	lock_reset(&queue);
}
