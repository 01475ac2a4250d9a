/* SPDX-License-Identifier: MIT */
/*
 * The re-entry guard. Slow paths of the shim run inside a scope: all signals
 * blocked, and the thread marked, so that a wrapped function which libc, the
 * loader or an allocator calls underneath passes straight through.
 *
 * A scope is never held around a call that can block for the program's sake:
 * a signal handler may leave such a call with siglongjmp.
 */
#ifndef MMFENCE_SUPPORT_SCOPE_H
#define MMFENCE_SUPPORT_SCOPE_H

#include <stdbool.h>

struct scope {
	unsigned long mask[8 / sizeof(long)];
};

/* False, and nothing done, when this thread is inside the shim already. */
bool scope_enter(struct scope *scope);
void scope_leave(const struct scope *scope);

/* From now on no scope is entered in this process, and no system call made that the program did not
 * ask for: it has put itself under a seccomp filter, which may kill for any. */
void scope_silence(void); /* waits until the other threads are out of theirs */
void scope_silence_at_once(void);
void scope_mute(void);	/* in a child of vfork, not in the memory's own process */
void scope_speak(void); /* it could not */
/* In a child the other threads are gone. */
void scope_after_fork(void);
bool scope_silent(void);

/* The two halves without the mark, for code that runs on the lease thread (which has no TLS). */
void signals_block(struct scope *scope);
void signals_restore(const struct scope *scope);

/* Takes back the SIGPIPE, SIGXFSZ, … that a failed call of ours raised in this thread. Call with
 * signals blocked, and only if signal_pending(signal) said no before that call. */
bool signal_pending(int signal);
void signal_consume(int signal);
/* To a set of the kernel's. */
void signal_add(unsigned long set[], int signal);

#endif
