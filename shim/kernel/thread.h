/* SPDX-License-Identifier: MIT */
/*
 * A thread that libc does not know, with a descriptor table of its own: whatever it
 * opens never shows in the program's table, and what it closes does not drop the
 * program's record locks. It inherits the caller's credentials.
 *
 * Code on it has no TLS: no errno, no stack protector, no libc function that uses
 * them. Raw system calls only.
 */
#ifndef MMFENCE_KERNEL_THREAD_H
#define MMFENCE_KERNEL_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define THREAD_STACK_BYTES 65536

typedef void thread_body(void *argument);

struct thread {
	atomic_int tid; /* cleared by the kernel when the stack is no longer used */
	pid_t number;
	long stack;
	thread_body *body;
	void *argument;
};

/* Starts body on such a thread. The caller has all signals blocked, and so has the thread. 0, or
 * -errno. The struct must live as long as the thread, and be zero at first. */
int thread_start(struct thread *thread, thread_body *body, void *argument);

/* Waits until the thread is gone altogether: a call that wants a process of one thread finds one
 * afterwards. */
void thread_join(struct thread *thread);

/* In a forked child, where the thread does not exist: the next one starts on its stack. */
void thread_forget(struct thread *thread);

/* Start and join. */
int thread_run(thread_body *body, void *argument);

/* The same on a stack of THREAD_STACK_BYTES that is there already: a process at vm.max_map_count
 * has no room for another. */
int thread_run_on(void *stack, thread_body *body, void *argument);

/* Opens anew what fd is open on, in the table of that thread (0: the calling one, which has a table
 * of its own). self is a descriptor of /proc/self, or -1: then /proc must be in sight. */
int thread_open_again(int self, pid_t thread, int fd, int flags);

/* The same open file as in that thread's table (0: the process's), close-on-exec: what may not be
 * opened anew. Since Linux 5.6; of a thread that is not the first one since 6.9. */
int thread_fetch(pid_t thread, int fd);
/* From now on there are none to be had: valgrind complains, on the program's standard error, of
 * calls that it does not know. */
void thread_fetch_none(void);

/* What the kernel tells of a descriptor of the calling thread's own table. */
int thread_open_info(int self, int fd);

/* The first thing in a body: leaves the program's descriptor table for an empty one; before Linux
 * 5.9, which cannot have it fetched later, with this one in it (-1: none). */
int thread_own_table(int kept);

/* ---- home.c ---- */

/* The calling process's, from now on. */
void home_settle(void);
pid_t home_process(void);
bool home_is_here(void);

#endif
