/* SPDX-License-Identifier: MIT */
/*
 * Seccomp. A filter that the program puts itself under may kill it for any system call
 * that it does not make itself, and so mmfence falls silent: what is guarded is
 * preserved, the lease thread ends, no signal is handled, the log says that there is a gap from
 * here on, and no further call is made. A filter that was there when the program started is that of
 * a container, and stands for nothing.
 */
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "interpose/interpose.h"
#include "interpose/signals.h"
#include "kernel/next.h"
#include "nonlinear/nonlinear.h"
#include "snapshot/guard.h"

static void report(const struct call *call)
{
	struct trace trace;

	if (!audit_enabled())
		return;
	trace_capture(&trace, call->ip, call->cfa);
	struct record *record = record_begin(EVENT_COVERAGE_GAP, OUTCOME_UNKNOWN, &trace);
	record_error(record, 0,
		     "the program puts itself under a seccomp filter: mmfence falls "
		     "silent in this process");
	record_str(record, "mmfence.call", call->name);
	record_str(record, "mmfence.gap.reason", "seccomp");
	record_emit(record);
}

static void prepare(const struct call *call)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	guard_preserve_all_and_stop("seccomp");
	nonlinear_totals();
	inject_totals();
	report(call);
	signals_withdraw();
	scope_leave(&scope);
}

static void settle(long result)
{
	if (sys_failed(result))
		signals_stand_in();
	else
		scope_silence();
}

static bool is_filter(long operation)
{
	return operation == SECCOMP_SET_MODE_STRICT || operation == SECCOMP_SET_MODE_FILTER;
}

long sandbox_seccomp(const struct call *call, long operation, long flags, long arguments)
{
	if (is_filter(operation))
		prepare(call);
	long r = sys_call(SYS_seccomp, operation, flags, arguments, 0, 0, 0);
	if (is_filter(operation))
		settle(r);
	return r;
}

long sandbox_prctl(const struct call *call, long option, long a, long b, long c, long d)
{
	if (option == PR_SET_SECCOMP)
		prepare(call);
	long r = sys_prctl(option, a, b, c, d);
	if (option == PR_SET_SECCOMP)
		settle(r);
	return r;
}

/* Declared with all its arguments: see rawcall.c. */
typedef int plain_prctl(int, unsigned long, unsigned long, unsigned long, unsigned long);
EXPORT int prctl_wrapper(int option, unsigned long a, unsigned long b, unsigned long c,
			 unsigned long d) __asm__("prctl");
EXPORT int prctl_wrapper(int option, unsigned long a, unsigned long b, unsigned long c,
			 unsigned long d)
{
	plain_prctl *onward = (plain_prctl *)next.prctl;

	if (unlikely(option == PR_SET_SECCOMP || !onward))
		return (int)libc_result(sandbox_prctl(CALL_HERE("prctl"), option, (long)a, (long)b,
						      (long)c, (long)d));
	return onward(option, a, b, c, d);
}
