/* SPDX-License-Identifier: MIT */
/*
 * Descriptor calls, only for the few descriptors of ours in the program's table
 * (kernel/guarded.h): these are the program's to close and to replace, but not while
 * a record is on its way there. Async-signal-safe, no locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

#include "audit/sink.h"
#include "interpose/interpose.h"
#include "kernel/guarded.h"
#include "kernel/thread.h"
#include "kernel/program.h"

/* The log goes into the lease thread's table first if there is no other way back to it. */
static long give_up_open(int fd)
{
	static const struct gap gap = {
		"log", "the program closed the log where it cannot be opened again: "
		       "nothing more is recorded in this process"
	};

	if (home_is_here() && guarded_get(GUARDED_LOG) == fd && !sink_has_name() &&
	    !sink_hand_over(fd))
		process_report_gap(NULL, NULL, &gap);
	return guarded_give_up(fd);
}

static long give_up(int fd)
{
	return IN_SCOPE(give_up_open(fd), guarded_give_up(fd));
}

/* Where the number was ours a moment ago, the program may have a file there already. */
static long close_ours(int fd)
{
	long r = give_up(fd);

	if (r != -ENOENT)
		return r;
	return sys_fcntl(fd, F_GETFD, 0) < 0 ? 0 : sys_close(fd);
}

/* In silence nobody has a use for ours, and no more may be asked than the call itself. */
long descriptors_close(int fd)
{
	return guarded_may_be(fd) && !scope_silent() && guarded_is(fd) ? close_ours(fd)
								       : sys_close(fd);
}

/* Before a call that closes these. */
static void range_closes(unsigned int first, unsigned int last)
{
	if (scope_silent())
		return;
	guarded_settle();
	for (int i = 0; i < GUARDED_COUNT; i++) {
		int fd = guarded_number(i);
		if (fd >= 0 && (unsigned int)fd >= first && (unsigned int)fd <= last)
			give_up(fd);
	}
	guarded_settle(); /* another thread may be closing one of them */
}

static void range_may_close(unsigned int first, unsigned int last, unsigned int flags)
{
	/* With another flag, now or in the future, nothing is closed. */
	if (!(flags & ~CLOSE_RANGE_UNSHARE))
		range_closes(first, last);
}

long descriptors_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	range_may_close(first, last, flags);
	return sys_close_range(first, last, flags);
}

long descriptors_dup(duplicate_call *call, int from, int onto, int flags)
{
	int turn = 0;
	long r;

	if (unlikely(scope_silent()))
		return call(from, onto, flags);
	if (unlikely(guarded_take_begin(onto)) && from != onto && sys_fcntl(from, F_GETFD, 0) >= 0)
		give_up(onto);
	do
		r = call(from, onto, flags);
	while (unlikely(r < 0) && guarded_take_again((int)-r, turn++));
	guarded_take_end(onto, r >= 0);
	return r;
}

EXPORT int close(int fd)
{
	if (unlikely(!NEXT_OF(close) || guarded_may_be(fd)))
		return (int)libc_result(descriptors_close(fd));
	return next.close(fd);
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	if (!NEXT_OF(close_range))
		return (int)libc_result(descriptors_close_range(first, last, (unsigned int)flags));
	range_may_close(first, last, (unsigned int)flags);
	return next.close_range(first, last, flags);
}

EXPORT void closefrom(int first)
{
	unsigned int from = first > 0 ? (unsigned int)first : 0;

	range_closes(from, ~0U);
	if (NEXT_OF(closefrom))
		next.closefrom(first);
	else
		sys_close_range(from, ~0U, 0);
}

static long dup_onto(int from, int onto, int flags)
{
	if (NEXT_OF(dup2)) {
		int r = next.dup2(from, onto);
		return r < 0 ? -errno : r;
	}
	if (from != onto)
		return sys_dup3(from, onto, flags);
	long r = sys_fcntl(from, F_GETFD, 0);
	return r < 0 ? r : onto;
}

EXPORT int dup2(int from, int onto)
{
	return (int)libc_result(descriptors_dup(dup_onto, from, onto, 0));
}

ALIAS(__close, close);
ALIAS(__dup2, dup2);

static long dup_with_flags(int from, int onto, int flags)
{
	if (!NEXT_OF(dup3))
		return sys_dup3(from, onto, flags);
	int r = next.dup3(from, onto, flags);
	return r < 0 ? -errno : r;
}

EXPORT int dup3(int from, int onto, int flags)
{
	bool fails = flags & ~O_CLOEXEC; /* and nothing is closed */

	return (int)libc_result(fails ? dup_with_flags(from, onto, flags)
				      : descriptors_dup(dup_with_flags, from, onto, flags));
}
