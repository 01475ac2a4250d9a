/* SPDX-License-Identifier: MIT */
/*
 * Getting ready, once: by the constructor, or by the first slow path before it (from
 * another library's constructor). And noticing that this is another process than a
 * moment ago: by fork handlers, or after a raw clone by a page that the kernel wipes.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/identity.h"
#include "audit/sink.h"
#include "interpose/environment.h"
#include "interpose/interpose.h"
#include "kernel/guarded.h"
#include "kernel/home.h"
#include "kernel/loaded.h"
#include "kernel/next.h"
#include "nonlinear/nonlinear.h"
#include "policy/policy.h"
#include "selfmem/selfmem.h"
#include "snapshot/guard.h"
#include "snapshot/places.h"
#include "support/arena.h"
#include "support/fault.h"
#include "support/auxiliary.h"
#include "support/place.h"
#include "support/scratch.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

enum { NOT_READY, GETTING_READY, READY };
static atomic_int readiness;

/* One word on a page of its own: 1, and 0 in a process that was copied from this one. Before Linux
 * 4.14 the page is not there in that process. */
static atomic_int *same_process;
static bool page_goes;

static bool page_is_there(void)
{
	unsigned char resident;

	return same_process && !sys_mincore((uintptr_t)same_process, PAGE_BYTES, &resident);
}

static void mark_process(void)
{
	if (!same_process || (page_goes && !page_is_there())) {
		long page = place_map(PAGE_BYTES, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (sys_failed(page))
			return;
		page_goes = sys_madvise(page, PAGE_BYTES, MADV_WIPEONFORK) != 0;
		if (page_goes)
			sys_madvise(page, PAGE_BYTES, MADV_DONTFORK);
		same_process = (atomic_int *)page;
	}
	atomic_store(same_process, 1);
}

static bool is_copy(void)
{
	if (unlikely(page_goes))
		return !page_is_there();
	return same_process && !atomic_load_explicit(same_process, memory_order_relaxed);
}

static void new_process(void)
{
	mark_process();
	home_settle();
	identity_settle();
	loaded_after_fork();
	arena_after_fork();
	scratch_reset();
	guarded_after_fork();
	snapshot_after_fork();
	nonlinear_after_fork();
	inject_after_fork();
	selfmem_new_process();
	sink_after_fork();
}

static void complain(const char *sentence)
{
	static const char prefix[] = "mmfence: ";

	sys_write(2, prefix, sizeof(prefix) - 1);
	size_t length = 0;
	while (sentence[length])
		length++;
	sys_write(2, sentence, length);
	sys_write(2, "\n", 1);
}

/* In a set-uid program the environment is somebody else's. */
static void load_policy(void)
{
	policy_from_sources(&the_policy, NULL, auxiliary(AT_SECURE) ? NULL : environ, complain);
}

static void get_ready(void)
{
	int expected = NOT_READY;

	if (!atomic_compare_exchange_strong(&readiness, &expected, GETTING_READY)) {
		while (atomic_load(&readiness) != READY)
			sys_sched_yield();
		return;
	}
	mark_process();
	home_settle();
	identity_settle();
	load_policy();
	inject_prepare(the_policy.process_inject);
	if (!auxiliary(AT_SECURE))
		clone_places_settle(environment_get(environ, "TMPDIR"),
				    environment_get(environ, "XDG_CACHE_HOME"),
				    environment_get(environ, "HOME"));
	if (the_policy.audit_log[0])
		sink_configure(the_policy.audit_log);
	atomic_store(&readiness, READY);
}

bool same_process_as_before(void)
{
	return same_process && !is_copy();
}

bool enter(struct scope *scope)
{
	if (!scope_enter(scope))
		return false;
	if (unlikely(atomic_load_explicit(&readiness, memory_order_acquire) != READY))
		get_ready();
	if (unlikely(is_copy())) {
		new_process();
		guard_after_raw_clone();
	}
	return true;
}

/* Around fork nobody changes the tables (support/gate.h), and the thread is in a scope, so that
 * handlers of other libraries pass through and no signal handler gets in between. */
static __thread struct scope fork_scope;
static __thread bool fork_entered;

static void before_fork(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	sink_take_back();
	selfmem_hold();
	guard_before_fork();
	nonlinear_before_fork();
	selfmem_before_fork();
	fork_scope = scope;
	fork_entered = true;
	TEST_POINT("fork");
}

static void after_fork_in_parent(void)
{
	if (!fork_entered)
		return;
	struct scope scope = fork_scope;
	fork_entered = false;
	selfmem_after_fork_in_parent();
	guard_after_fork_in_parent();
	scope_leave(&scope);
}

static void after_fork_in_child(void)
{
	if (!fork_entered)
		return;
	struct scope scope = fork_scope;
	fork_entered = false;
	new_process();
	guard_after_fork_in_child();
	selfmem_after_fork_in_child();
	scope_leave(&scope);
}

long process_fork(long nr, long a, long b, long c, long d, long e)
{
	before_fork();
	long r = sys_call(nr, a, b, c, d, e, 0);
	if (r == 0)
		after_fork_in_child();
	else
		after_fork_in_parent();
	return r;
}

/* What pthread_atfork is made of: that is in libpthread, which no glibc before 2.34 has loaded for
 * every program. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
		      void *module);
extern void *__dso_handle __attribute__((visibility("hidden")));

static __attribute__((constructor)) void constructor(void)
{
	struct scope scope;

	next_resolve();
	environment_remember(environ);
	if (!enter(&scope))
		return;
	sink_open();
	__register_atfork(before_fork, after_fork_in_parent, after_fork_in_child, &__dso_handle);
	scope_leave(&scope);
}

static __attribute__((destructor)) void destructor(void)
{
	process_ends(-1);
}
