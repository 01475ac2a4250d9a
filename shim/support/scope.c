/* SPDX-License-Identifier: MIT */
/*
 * The re-entry guard: see scope.h. Raw system calls only, since this runs under
 * async-signal-safe wrappers.
 */
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "support/sys.h"
#include "support/scope.h"

/* Initial-exec, because the dynamic model may allocate at a thread's first touch. */
static __thread int depth __attribute__((tls_model("initial-exec")));

/* It is one of those inside. Still, after its scope, where a handler came at the end of that and
 * jumped out: then until its next one. */
static __thread bool counted __attribute__((tls_model("initial-exec")));

/* The child of vfork that is silent, whose thread this is as well. */
static __thread pid_t muted __attribute__((tls_model("initial-exec")));

enum silence { SILENT_NOBODY, SILENT_SOME, SILENT_ALL };
static atomic_int silent; /* enum silence */
static atomic_int inside; /* threads in a scope */

#define LEAVE_TURNS 2000 /* how long they are waited for */

void scope_silence_at_once(void)
{
	atomic_store(&silent, SILENT_ALL);
}

void scope_silence(void)
{
	scope_silence_at_once();
	for (int i = 0; i < LEAVE_TURNS && atomic_load(&inside) > (depth != 0); i++)
		sys_wait_turn(i);
}

void scope_mute(void)
{
	int nobody = SILENT_NOBODY;

	muted = sys_getpid();
	atomic_compare_exchange_strong(&silent, &nobody, SILENT_SOME);
}

void scope_speak(void)
{
	if (muted)
		muted = 0;
	else
		atomic_store(&silent, SILENT_SOME); /* children of vfork may be */
}

void scope_after_fork(void)
{
	atomic_store(&inside, counted);
}

bool scope_silent(void)
{
	int who = atomic_load_explicit(&silent, memory_order_relaxed);

	if (__builtin_expect(who, SILENT_NOBODY) != SILENT_SOME || !muted)
		return who == SILENT_ALL;
	if (muted != sys_getpid()) /* it is gone */
		muted = 0;
	return muted;
}

/* In one step: a handler may come in between, and has scopes of its own. */
static void count(bool is_inside)
{
	if (__atomic_exchange_n(&counted, is_inside, __ATOMIC_RELAXED) != is_inside)
		atomic_fetch_add(&inside, is_inside ? 1 : -1);
}

bool scope_enter(struct scope *scope)
{
	if (depth || scope_silent())
		return false;
	signals_block(scope);
	depth = 1;
	count(true);
	if (__builtin_expect(atomic_load(&silent) == SILENT_ALL, 0)) { /* since the first look */
		scope_leave(scope);
		return false;
	}
	return true;
}

void scope_leave(const struct scope *scope)
{
	depth = 0;
	signals_restore(scope);
	count(false);
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

void signal_add(unsigned long set[], int signal)
{
	set[(unsigned int)(signal - 1) / (8 * sizeof(long))] |=
		1UL << (unsigned int)(signal - 1) % (8 * sizeof(long));
}

bool signal_pending(int signal)
{
	unsigned long set[SIGSET_WORDS] = { 0 }, one[SIGSET_WORDS] = { 0 };

	signal_add(one, signal);
	sys_rt_sigpending(set, SIGSET_BYTES);
	for (size_t i = 0; i < SIGSET_WORDS; i++)
		if (set[i] & one[i])
			return true;
	return false;
}

void signal_consume(int signal)
{
	unsigned long set[SIGSET_WORDS] = { 0 };
	struct timespec now = { 0, 0 };

	signal_add(set, signal);
	sys_rt_sigtimedwait(set, NULL, &now, SIGSET_BYTES);
}
