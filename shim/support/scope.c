/* SPDX-License-Identifier: MIT */
/*
 * The re-entry guard: see scope.h. Raw system calls only, since this runs under
 * async-signal-safe wrappers.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "support/sys.h"
#include "support/scope.h"

/* Initial-exec, because the dynamic model may allocate at a thread's first touch. */
static __thread int depth __attribute__((tls_model("initial-exec")));

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
	unsigned long all[SIGSET_WORDS];

	for (unsigned int i = 0; i < sizeof(all) / sizeof(*all); i++)
		all[i] = ~0UL;
	sys_rt_sigprocmask(SIG_BLOCK, all, scope->mask, SIGSET_BYTES);
}

void signals_restore(const struct scope *scope)
{
	sys_rt_sigprocmask(SIG_SETMASK, scope->mask, NULL, SIGSET_BYTES);
}

static unsigned long mask_of(int signal, unsigned int *word)
{
	*word = (unsigned int)(signal - 1) / (8 * sizeof(long));
	return 1UL << (unsigned int)(signal - 1) % (8 * sizeof(long));
}

bool signal_pending(int signal)
{
	unsigned long set[SIGSET_WORDS] = { 0 };
	unsigned int word;
	unsigned long bit = mask_of(signal, &word);

	sys_rt_sigpending(set, SIGSET_BYTES);
	return set[word] & bit;
}

void signal_consume(int signal)
{
	unsigned long set[SIGSET_WORDS] = { 0 };
	struct timespec now = { 0, 0 };
	unsigned int word;
	unsigned long bit = mask_of(signal, &word);

	set[word] = bit;
	sys_rt_sigtimedwait(set, NULL, &now, SIGSET_BYTES);
}
