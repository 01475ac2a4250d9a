/* SPDX-License-Identifier: MIT */
/*
 * Starting and joining the bare threads of thread.h.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "kernel/raw.h"
#include "kernel/thread.h"
#include "support/scope.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2U
#endif

#define THREAD_FLAGS                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

struct start {
	thread_body *body;
	void *argument;
};

static int thread_main(void *argument)
{
	const struct start *start = argument;

	start->body(start->argument);
	return 0;
}

/* The kernel clears the word and wakes it when the stack is no longer used; the thread
 * counts as one of the process a moment longer, until nobody can signal it. */
static void thread_join(atomic_int *tid, pid_t number)
{
	pid_t process = (pid_t)raw(SYS_getpid);
	int seen;

	while ((seen = atomic_load(tid)) != 0)
		raw(SYS_futex, tid, FUTEX_WAIT, seen, 0, 0, 0);
	while (raw(SYS_tgkill, process, number, 0) == 0)
		raw(SYS_sched_yield);
}

int thread_run(thread_body *body, void *argument)
{
	struct start start = { body, argument };
	atomic_int tid = 1;
	struct scope signals;
	long stack = raw_mmap(0, THREAD_STACK_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (raw_failed(stack))
		return (int)stack;
	signals_block(&signals);
	int saved = errno;
	int number = clone(thread_main, (char *)stack + THREAD_STACK_BYTES, THREAD_FLAGS, &start,
			   &tid, NULL, &tid);
	int result = number < 0 ? -errno : 0;
	errno = saved;
	if (!result)
		thread_join(&tid, number);
	signals_restore(&signals);
	raw(SYS_munmap, stack, THREAD_STACK_BYTES);
	return result;
}

int thread_own_table(void)
{
	/* Leaves without copying what would be closed at once: closing copies could make a
	 * network file system write back. */
	long r = raw(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE);

	if (r != -ENOSYS && r != -EINVAL)
		return (int)r;
	r = raw(SYS_unshare, CLONE_FILES);
	for (int fd = 0; !r && fd < 65536; fd++)
		raw_close(fd);
	return (int)r;
}
