/* SPDX-License-Identifier: MIT */
/*
 * Starting and joining the bare threads of thread.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "kernel/vma.h"
#include "kernel/thread.h"
#include "support/fault.h"
#include "support/arena.h"
#include "support/text.h"

#define THREAD_FLAGS                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* By name, for the assembler below. */
__attribute__((used)) void thread_main(struct thread *thread) __asm__("mmfence_thread_main");
void thread_main(struct thread *thread)
{
	thread->number = atomic_load(&thread->tid); /* before clone has returned */
	thread->body(thread->argument);
	sys_exit(0);
}

/* Not libc's clone: that keeps errno, and a thread of ours that starts another has none. The
 * child's first and only frame is thread_main's, at the top of its stack. */
static long clone_onto(struct thread *thread)
{
	uintptr_t top = (uintptr_t)thread->stack + THREAD_STACK_BYTES;
	long result;

#ifdef __x86_64__
	register long r10 __asm__("r10") = (long)&thread->tid;

	top -= sizeof(thread);
	*(struct thread **)top = thread;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rdi\n\t"
			 "call mmfence_thread_main\n"
			 "1:"
			 : "=a"(result)
			 : "a"(SYS_clone), "D"(THREAD_FLAGS), "S"(top), "d"(&thread->tid), "r"(r10)
			 : "rcx", "r11", "memory");
#else
	top -= 4 * sizeof(thread);
	*(struct thread **)top = thread;
	__asm__ volatile("int $0x80\n\t"
			 "test %%eax, %%eax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call mmfence_thread_main\n"
			 "1:"
			 : "=a"(result)
			 : "a"(SYS_clone), "b"(THREAD_FLAGS), "c"(top), "d"(&thread->tid), "S"(0),
			   "D"(&thread->tid)
			 : "memory");
#endif
	return result;
}

static int clone_thread(struct thread *thread)
{
	TEST_CHECK(fault_signals_blocked(), "a thread is started that signals can reach");
	long result = FAULT(FAULT_THREAD) ? -EAGAIN : clone_onto(thread);

	thread->number = result < 0 ? 0 : (pid_t)result;
	return result < 0 ? (int)result : 0;
}

static void prepare(struct thread *thread, thread_body *body, void *argument)
{
	thread->body = body;
	thread->argument = argument;
	atomic_store(&thread->tid, 1);
}

static void release_stack(struct thread *thread)
{
	place_unmap(thread->stack, THREAD_STACK_BYTES);
	thread->stack = 0;
	thread->number = 0;
}

int thread_start(struct thread *thread, thread_body *body, void *argument)
{
	long stack = thread->stack;

	if (!stack)
		stack = place_map(THREAD_STACK_BYTES, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (sys_failed(stack))
		return (int)stack;
	thread->stack = stack;
	prepare(thread, body, argument);
	int r = clone_thread(thread);
	if (r)
		release_stack(thread);
	return r;
}

/* The kernel clears the word and wakes it when the stack is no longer used; the thread counts as
 * one of the process a moment longer, until nobody can signal it. */
static void wait_for(struct thread *thread)
{
	pid_t process = sys_getpid();
	int seen;

	while ((seen = atomic_load(&thread->tid)) != 0)
		sys_futex(&thread->tid, FUTEX_WAIT, seen, NULL);
	while (sys_tgkill(process, thread->number, 0) == 0)
		sys_sched_yield();
}

void thread_join(struct thread *thread)
{
	wait_for(thread);
	release_stack(thread);
}

void thread_forget(struct thread *thread)
{
	thread->number = 0;
}

int thread_run(thread_body *body, void *argument)
{
	struct thread thread = { .stack = 0 };
	int r = thread_start(&thread, body, argument);

	if (!r)
		thread_join(&thread);
	return r;
}

/* Most threads have the process's table: see proc_text.c for why their own directories are left
 * alone. */
static bool has_process_table(pid_t thread)
{
	pid_t process = sys_getpid();

	return thread == process || !sys_kcmp(process, thread, KCMP_FILES, 0, 0);
}

static int open_in_table(int self, pid_t thread, const char *directory, int fd, int flags)
{
	char name[32];

	if (!thread)
		thread = sys_gettid();
	else if (has_process_table(thread))
		thread = 0;
	text_make(name, sizeof(name), "%s%u", directory, (unsigned int)fd);
	return proc_open_of(self, thread, name, flags);
}

int thread_open_again(int self, pid_t thread, int fd, int flags)
{
	return open_in_table(self, thread, "fd/", fd, flags);
}

#define PIDFD_OF_THREAD O_EXCL

static bool fetch_none;

void thread_fetch_none(void)
{
	fetch_none = true;
}

int thread_fetch(pid_t thread, int fd)
{
	if (fetch_none)
		return -ENOSYS;
	int table =
		thread ? sys_pidfd_open(thread, PIDFD_OF_THREAD) : sys_pidfd_open(sys_getpid(), 0);
	if (table < 0)
		return table;
	int copy = sys_pidfd_getfd(table, fd, 0);
	sys_close(table);
	return copy;
}

int thread_open_info(int self, int fd)
{
	return open_in_table(self, 0, "fdinfo/", fd, O_RDONLY);
}

int thread_run_on(void *stack, thread_body *body, void *argument)
{
	struct thread thread = { .stack = (long)stack };

	prepare(&thread, body, argument);
	int r = clone_thread(&thread);
	if (!r)
		wait_for(&thread);
	return r;
}

#define MOST_DESCRIPTORS 65536

/* Where the process's table ends: no copy of it is larger. Thousands of closes that find nothing
 * take milliseconds. */
static int table_end(void)
{
	char status[1024];
	uint64_t end;

	if (sys_read_file("/proc/self/status", status, sizeof(status)) > 0 &&
	    text_find_number(status, "\nFDSize:", &end) && end)
		return (int)end; /* 0: of a first thread that is gone */
	return MOST_DESCRIPTORS;
}

int thread_own_table(int kept)
{
	/* Leaves without copying what would be closed at once: closing copies could make a
	 * network file system write back. */
	long r = sys_close_range(0, ~0U, CLOSE_RANGE_UNSHARE);

	if (!sys_is_missing(r) && r != -EINVAL)
		return (int)r;
	bool of_process = has_process_table(sys_gettid());
	r = sys_unshare(CLONE_FILES);
	int end = !r && of_process ? table_end() : MOST_DESCRIPTORS;
	for (int fd = 0; !r && fd < end; fd++)
		if (fd != kept)
			sys_close(fd);
	return (int)r;
}
