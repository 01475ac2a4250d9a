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

#include <stddef.h>
#include <sys/types.h>

#define THREAD_STACK_BYTES 65536

typedef void thread_body(void *argument);

/* Runs body on such a thread and waits until the thread is gone: a call that wants a
 * process of one thread finds one afterwards. 0, or -errno when none could be started. */
int thread_run(thread_body *body, void *argument);

/* The first thing in a body: leaves the program's descriptor table for an empty one. */
int thread_own_table(void);

#endif
