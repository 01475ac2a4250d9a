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

static int thread_main(void *argument)
{
	struct thread *thread = argument;

	thread->body(thread->argument);
	return 0;
}

static int clone_thread(struct thread *thread)
{
	struct scope signals;

	signals_block(&signals);
	int saved = errno;
	thread->number = clone(thread_main, (char *)thread->stack + THREAD_STACK_BYTES,
			       THREAD_FLAGS, thread, &thread->tid, NULL, &thread->tid);
	int result = thread->number < 0 ? -errno : 0;
	errno = saved;
	signals_restore(&signals);
	return result;
}

int thread_start(struct thread *thread, thread_body *body, void *argument)
{
	thread->body = body;
	thread->argument = argument;
	atomic_store(&thread->tid, 1);
	thread->stack = raw_mmap(0, THREAD_STACK_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (raw_failed(thread->stack))
		return (int)thread->stack;
	int r = clone_thread(thread);
	if (r)
		thread_forget(thread);
	return r;
}

/* The kernel clears the word and wakes it when the stack is no longer used; the thread counts as
 * one of the process a moment longer, until nobody can signal it. */
void thread_join(struct thread *thread)
{
	pid_t process = (pid_t)raw(SYS_getpid);
	int seen;

	while ((seen = atomic_load(&thread->tid)) != 0)
		raw(SYS_futex, &thread->tid, FUTEX_WAIT, seen, 0, 0, 0);
	while (raw(SYS_tgkill, process, thread->number, 0) == 0)
		raw(SYS_sched_yield);
	thread_forget(thread);
}

void thread_forget(struct thread *thread)
{
	if (thread->stack)
		raw(SYS_munmap, thread->stack, THREAD_STACK_BYTES);
	thread->stack = 0;
	thread->number = 0;
}

int thread_run(thread_body *body, void *argument)
{
	struct thread thread;
	int r = thread_start(&thread, body, argument);

	if (!r)
		thread_join(&thread);
	return r;
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
