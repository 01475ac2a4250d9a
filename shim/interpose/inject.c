/* SPDX-License-Identifier: MIT */
/*
 * The way from the wrappers to fault injection. A call that the shim itself, or libc on
 * its behalf, makes is never failed; nor is one in a process that has fallen silent.
 */
#include "interpose/interpose.h"

long injected(const struct call *call, const struct inject_request *request)
{
	struct scope scope;

	if (!enter(&scope))
		return 0;
	long r = inject_decide(call, request);
	scope_leave(&scope);
	return r;
}
