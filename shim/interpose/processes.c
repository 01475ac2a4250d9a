/* SPDX-License-Identifier: MIT */
/*
 * Calls that reach into other processes (selfmem/processes.h): made, and then recorded.
 */
#include <sys/ptrace.h>

#include "audit/event.h"
#include "interpose/interpose.h"
#include "selfmem/selfmem.h"

static __attribute__((noinline)) void note(const struct call *call, const char *name, pid_t owner,
					   int pidfd, long result)
{
	DO_IN_SCOPE(
		processes_reached(call, name, pidfd < 0 ? owner : processes_owner(pidfd), result));
}

static bool unheard(void)
{
	return scope_silent() || !audit_enabled();
}

long processes_memory(const struct call *call, bool writes, pid_t pid, long a, long b, long c,
		      long d, long flags)
{
	long r = sys_call(writes ? SYS_process_vm_writev : SYS_process_vm_readv, pid, a, b, c, d,
			  flags);

	if (!unheard())
		note(call, writes ? "process_vm_writev" : "process_vm_readv", pid, -1, r);
	return r;
}

long processes_descriptor(const struct call *call, int pidfd, int fd, unsigned int flags)
{
	long r = sys_pidfd_getfd(pidfd, fd, flags);

	if (!unheard())
		note(call, "pidfd_getfd", -1, pidfd, r);
	return r;
}

/* Without it nothing else can be traced. */
bool processes_traces(long request)
{
	return (request == PTRACE_ATTACH || request == PTRACE_SEIZE) && !unheard();
}

long processes_trace(const struct call *call, long request, pid_t pid, long address, long data)
{
	long r = sys_call(SYS_ptrace, request, pid, address, data, 0, 0);

	note(call, request == PTRACE_SEIZE ? "PTRACE_SEIZE" : "PTRACE_ATTACH", pid, -1, r);
	return r;
}

/* Declared with all its arguments: see rawcall.c. */
EXPORT long ptrace_wrapper(long request, long pid, long address, long data) __asm__("ptrace");
EXPORT long ptrace_wrapper(long request, long pid, long address, long data)
{
	if (processes_traces(request))
		return libc_result(
			processes_trace(CALL_HERE("ptrace"), request, (pid_t)pid, address, data));
	return NEXT_OF(ptrace)(request, pid, address, data);
}
