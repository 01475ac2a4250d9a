/* SPDX-License-Identifier: MIT */
/*
 * The re-entry guard: see scope.h. Raw system calls only, since this runs under
 * async-signal-safe wrappers.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "kernel/raw.h"
#include "support/scope.h"

/* Initial-exec, because the dynamic model may allocate at a thread's first touch. */
static __thread int depth __attribute__((tls_model("initial-exec")));

#define SIGSET_BYTES 8

static atomic_bool silent;

void scope_silence(void)
{
	atomic_store(&silent, true);
}

bool scope_silent(void)
{
	return atomic_load_explicit(&silent, memory_order_relaxed);
}

bool scope_enter(struct scope *scope)
{
	if (depth || scope_silent())
		return false;
	signals_block(scope);
	depth = 1;
	return true;
}

void scope_leave(const struct scope *scope)
{
	depth = 0;
	signals_restore(scope);
}

bool scope_inside(void)
{
	return depth != 0;
}

void signals_block(struct scope *scope)
{
	unsigned long all[SIGSET_BYTES / sizeof(long)];

	for (unsigned int i = 0; i < sizeof(all) / sizeof(*all); i++)
		all[i] = ~0UL;
	raw(SYS_rt_sigprocmask, SIG_BLOCK, all, scope->mask, SIGSET_BYTES);
}

void signals_restore(const struct scope *scope)
{
	raw(SYS_rt_sigprocmask, SIG_SETMASK, scope->mask, 0, SIGSET_BYTES);
}

static unsigned long mask_of(int signal, unsigned int *word)
{
	*word = (unsigned int)(signal - 1) / (8 * sizeof(long));
	return 1UL << (unsigned int)(signal - 1) % (8 * sizeof(long));
}

bool signal_pending(int signal)
{
	unsigned long set[SIGSET_BYTES / sizeof(long)] = { 0 };
	unsigned int word;
	unsigned long bit = mask_of(signal, &word);

	raw(SYS_rt_sigpending, set, SIGSET_BYTES);
	return set[word] & bit;
}

void signal_consume(int signal)
{
	unsigned long set[SIGSET_BYTES / sizeof(long)] = { 0 };
	struct timespec now = { 0, 0 };
	unsigned int word;
	unsigned long bit = mask_of(signal, &word);

	set[word] = bit;
	raw(SYS_rt_sigtimedwait, set, 0, &now, SIGSET_BYTES);
}
