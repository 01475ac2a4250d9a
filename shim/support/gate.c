/* SPDX-License-Identifier: MIT */
/*
 * The gate of gate.h: a word that holds the forking thread's number. No TLS: the
 * lease thread waits here too.
 */
#include <linux/futex.h>
#include <stdbool.h>
#include <time.h>

#include "support/sys.h"
#include "support/fault.h"
#include "support/gate.h"
#include "support/text.h"

#define PATIENCE_NANOSECONDS 20000000
#define MOST_TURNS	     50 /* a second, where /proc does not tell */

static atomic_int forking;

/* The kernel tells in which system call a thread sleeps. In another than a fork it waits for
 * somebody: for a lock of libc's, or, in a handler of another library's, perhaps for us. */
static bool waits(int thread, int turn)
{
	char path[48], line[16];
	struct text text;

	text_init(&text, path, sizeof(path));
	text_add(&text, "/proc/self/task/");
	text_add_uint(&text, (unsigned int)thread);
	text_add(&text, "/syscall");
	if (sys_read_file(path, line, sizeof(line)) <= 0)
		return turn >= MOST_TURNS;
	int number = 0;
	for (const char *at = line; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (*at - '0');
	return line[0] >= '0' && line[0] <= '9' && number != SYS_fork && number != SYS_clone &&
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

void gate_wait(void)
{
	wait_for_others();
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

/* Forking threads wait for each other to the end: none of them is in libc's locks yet. */
void gate_close(struct lock *lock)
{
	int self = sys_gettid();
	int thread = 0;

	while (!atomic_compare_exchange_strong(&forking, &thread, self)) {
		futex_wait(&forking, thread);
		thread = 0;
	}
	lock_take(lock);
	lock_drop(lock);
}

void gate_open(void)
{
	atomic_store(&forking, 0);
	futex_wake(&forking, INT32_MAX);
}
