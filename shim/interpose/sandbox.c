/* SPDX-License-Identifier: MIT */
/*
 * Seccomp. A filter that the program puts itself under may kill it for any system call
 * that it does not make itself, and so, unless it spares ours, mmfence falls silent: what is
 * guarded is preserved, the lease thread ends, no signal is handled, the log says that there is a
 * gap from here on, and no further call is made. A filter that was there when the program started
 * is that of a container, and stands for nothing.
 */
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "interpose/interpose.h"
#include "kernel/capability.h"
#include "kernel/program.h"
#include "kernel/thread.h"
#include "snapshot/guard.h"
#include "support/user.h"

static const struct gap filter_gap = { "seccomp", "the program puts itself under a seccomp filter: "
						  "mmfence falls silent in this process" };

/* A child of vfork that may ask who it is leaves its parent alone. */
static void fall_silent(const struct call *call, const struct sock_fprog *program)
{
	if (!home_is_here() && program && seccomp_lets_through(program, SYS_getpid)) {
		process_report_gap(call, NULL, &filter_gap);
		scope_mute();
		return;
	}
	scope_silence(); /* all other threads may be under the filter too (TSYNC) */
	guard_preserve_all_and_stop("seccomp");
	process_tell_totals();
	process_report_gap(call, NULL, &filter_gap);
	signals_withdraw();
}

/* As the kernel asks before it takes one. */
static bool may_install(void)
{
	struct credentials mine;

	return sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
	       (!credentials_get(&mine) && mine.effective & 1ULL << CAP_SYS_ADMIN);
}

/* A filter that spares our calls disturbs nobody, nor does a program that asks whether there are
 * filters, with an address that the kernel cannot read. */
static bool may_refuse(const struct sock_fprog *program)
{
	return user_readable(program, sizeof(*program)) &&
	       user_readable(program->filter, program->len * sizeof(*program->filter)) &&
	       !seccomp_spares_us(program) && may_install();
}

/* The call itself; in silence, if it may put a filter over ours. */
static long under_filter(const struct call *call, bool matters, const struct sock_fprog *program,
			 long nr, long a, long b, long c, long d, long e)
{
	if (matters)
		DO_IN_SCOPE(fall_silent(call, program));
	long r = sys_call(nr, a, b, c, d, e, 0);
	/* A child that is silent alone may not ask any more who it is: then all are. */
	if (!matters && !r && program && !seccomp_lets_through(program, SYS_getpid))
		scope_silence_at_once();
	if (matters && sys_failed(r)) {
		scope_speak();
		signals_stand_in();
	}
	return r;
}

long sandbox_seccomp(const struct call *call, long operation, long flags, long program)
{
	const void *filter = operation == SECCOMP_SET_MODE_FILTER ? (const void *)program : NULL;
	bool matters =
		!scope_silent() && (operation == SECCOMP_SET_MODE_STRICT || may_refuse(filter));

	return under_filter(call, matters, filter, SYS_seccomp, operation, flags, program, 0, 0);
}

long sandbox_prctl(const struct call *call, long option, long a, long b, long c, long d)
{
	const void *filter = a == SECCOMP_MODE_FILTER ? (const void *)b : NULL;
	bool matters = option == PR_SET_SECCOMP && !scope_silent() &&
		       (a == SECCOMP_MODE_STRICT || may_refuse(filter));

	return under_filter(call, matters, filter, SYS_prctl, option, a, b, c, d);
}

/* Declared with all its arguments: see rawcall.c. */
typedef int plain_prctl(int, unsigned long, unsigned long, unsigned long, unsigned long);
EXPORT int prctl_wrapper(int option, unsigned long a, unsigned long b, unsigned long c,
			 unsigned long d) __asm__("prctl");
EXPORT int prctl_wrapper(int option, unsigned long a, unsigned long b, unsigned long c,
			 unsigned long d)
{
	plain_prctl *onward = (plain_prctl *)NEXT_OF(prctl);

	if (unlikely(option == PR_SET_SECCOMP || !onward))
		return (int)libc_result(sandbox_prctl(CALL_HERE("prctl"), option, (long)a, (long)b,
						      (long)c, (long)d));
	return onward(option, a, b, c, d);
}
