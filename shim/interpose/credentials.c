/* SPDX-License-Identifier: MIT */
/*
 * Changes of identity and of namespaces. Libc passes a change of credentials on to
 * the threads that it knows; the lease thread is none of them and is told here. Calls that
 * want a process of one thread find one: the lease thread ends before them, and starts anew
 * when it is needed.
 */
#include "audit/sink.h"
#include "interpose/interpose.h"
#include "kernel/unnamed.h"
#include "snapshot/guard.h"

void credentials_change(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	sink_stay();
	sink_share();
	scope_leave(&scope);
}

void credentials_changed(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	guard_follow_credentials();
	scope_leave(&scope);
}

void credentials_alone(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	sink_stay();
	guard_preserve_all_and_stop("namespace");
	scope_leave(&scope);
}

/* What is guarded is copied before, if copies in memory may have no place there. */
void credentials_change_root(void)
{
	if (unnamed_memory_is_in_shm())
		credentials_alone();
	else
		credentials_change();
}
