/* SPDX-License-Identifier: MIT */
/*
 * The way from the wrappers to fault injection. A call that the shim itself, or libc on
 * its behalf, makes is never failed; nor is one in a process that has fallen silent.
 */
#include <sys/mman.h>

#include "interpose/interpose.h"

long injected(const struct call *call, enum inject_call kind, long a, long b, long c, long d,
	      long e, int64_t offset)
{
	struct inject_request request = { .call = kind, .fd = -1 };
	struct scope scope;

	if (!enter(&scope))
		return 0;
	if (kind <= INJECT_REMAP_FILE_PAGES) {
		request.address = (uintptr_t)a;
		request.length = (size_t)b;
		request.protection = (int)c;
	}
	if (kind == INJECT_MMAP) {
		request.flags = (int)d;
		request.fd = d & MAP_ANONYMOUS ? -1 : (int)e;
		request.offset = offset;
	}
	if (kind == INJECT_MREMAP) {
		request.new_length = (size_t)c;
		request.flags = (int)d;
		request.new_address = (uintptr_t)e;
	}
	long r = inject_decide(call, &request);
	scope_leave(&scope);
	return r;
}
