/* SPDX-License-Identifier: MIT */
/*
 * Getting ready, once: by the constructor, or by the first slow path before it (from
 * another library's constructor).
 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "audit/sink.h"
#include "audit/trace.h"
#include "interpose/interpose.h"
#include "kernel/symbol.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "snapshot/family.h"
#include "snapshot/preserve.h"
#include "support/sys.h"
#include "support/user.h"

enum { NOT_READY, GETTING_READY, READY };
static atomic_int readiness;

static void complain(const char *sentence)
{
	static const char prefix[] = "mmfence: ";

	sys_write(2, prefix, sizeof(prefix) - 1);
	sys_write(2, sentence, strlen(sentence));
	sys_write(2, "\n", 1);
}

/* It puts libraries of its own first. */
static bool is_under_valgrind(void)
{
	const char *preload = environment_get(environ, "LD_PRELOAD");

	return preload && strstr(preload, "/vgpreload_");
}

/* `mmfence run' has read every setting. A log tells it that a process could write one. */
static bool is_run_by_command(void)
{
	const char *config = environment_get(environ, "MMFENCE_CONFIG");

	return config && !*config;
}

static void get_ready(void)
{
	int expected = NOT_READY;

	if (!atomic_compare_exchange_strong(&readiness, &expected, GETTING_READY)) {
		while (atomic_load(&readiness) != READY)
			sys_sched_yield();
		return;
	}
	/* In a set-uid program the environment is somebody else's. */
	bool secure = auxiliary(AT_SECURE);
	const char *log = environment_take_log();
	if (secure)
		environment_take_options();
	process_settle();
	if (is_under_valgrind()) {
		thread_fetch_none();
		user_believe();
	}
	policy_from_sources(&the_policy, NULL, secure ? NULL : environ, complain);
	inject_prepare(the_policy.process_inject);
	if (!secure) {
		clone_places_settle(environment_get(environ, "TMPDIR"),
				    environment_get(environ, "XDG_CACHE_HOME"),
				    environment_get(environ, "HOME"));
		family_is_at(environment_get(environ, "MMFENCE_FAMILY"));
	}
	if (is_run_by_command())
		sink_keep_empty();
	if (the_policy.audit_log[0])
		sink_configure(the_policy.audit_log);
	if (log && !secure)
		sink_adopt(log);
	if (log || the_policy.audit_log[0])
		trace_prepare();
	opens_settle(log || the_policy.audit_log[0]);
	atomic_store(&readiness, READY);
}

bool enter(struct scope *scope)
{
	if (!scope_enter(scope))
		return false;
	if (unlikely(atomic_load_explicit(&readiness, memory_order_acquire) != READY))
		get_ready();
	if (unlikely(process_is_copy()))
		process_was_copied();
	return true;
}

/* What pthread_atfork is made of: that is in libpthread, which no glibc before 2.34 has loaded for
 * every program. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
		      void *module);
extern void *__dso_handle __attribute__((visibility("hidden")));

static __attribute__((constructor)) void constructor(void)
{
	struct scope scope;

	symbols_settle();
	if (!enter(&scope))
		return;
	environment_remember(environ);
	if (sink_open() == -EPERM)
		complain("audit.log: nothing is recorded: the file belongs to another user, has "
			 "another name too, or others may write to it");
	process_look_at_itself();
	signals_stand_in();
	__register_atfork(fork_before, fork_in_parent, fork_in_child, &__dso_handle);
	scope_leave(&scope);
}

static __attribute__((destructor)) void destructor(void)
{
	process_ends(-1);
}
