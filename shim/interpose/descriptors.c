/* SPDX-License-Identifier: MIT */
/*
 * Descriptor calls, only to keep the program off the few descriptors that are ours
 * (kernel/guarded.h): to the program these numbers are free. Async-signal-safe, no
 * locks.
 */
#include <fcntl.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "kernel/guarded.h"
#include "kernel/next.h"

long descriptors_close(int fd)
{
	if (guarded_is(fd))
		return -EBADF;
	return raw(SYS_close, fd);
}

static long close_some(unsigned int first, unsigned int last, unsigned int flags)
{
	return raw(SYS_close_range, first, last, flags);
}

long descriptors_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	int ours;

	while (first <= last && (ours = guarded_in_range(first, last)) >= 0) {
		long r = (unsigned int)ours > first
				 ? close_some(first, (unsigned int)ours - 1, flags)
				 : 0;
		if (r || (unsigned int)ours == last)
			return r;
		first = (unsigned int)ours + 1;
	}
	return close_some(first, last, flags);
}

/* Ours moves when the program wants its number; it is not there to be copied. */
int descriptors_dup_onto(int from, int onto)
{
	if (unlikely(guarded_is(from)))
		return -EBADF;
	if (unlikely(guarded_is(onto)) && raw(SYS_fcntl, from, F_GETFD) >= 0)
		guarded_yield(onto);
	return 0;
}

EXPORT int close(int fd)
{
	if (unlikely(!next.close || guarded_is(fd)))
		return (int)libc_result(descriptors_close(fd));
	return next.close(fd);
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	if (!next.close_range || (first <= last && guarded_in_range(first, last) >= 0))
		return (int)libc_result(descriptors_close_range(first, last, (unsigned int)flags));
	return next.close_range(first, last, flags);
}

EXPORT void closefrom(int first)
{
	unsigned int from = first > 0 ? (unsigned int)first : 0;
	int ours;

	while ((ours = guarded_in_range(from, ~0U)) >= 0) {
		for (unsigned int fd = from; ours > 0 && fd < (unsigned int)ours; fd++)
			if (close_some(fd, (unsigned int)ours - 1, 0) == 0)
				break;
			else
				raw(SYS_close, fd);
		from = (unsigned int)ours + 1;
	}
	if (next.closefrom)
		next.closefrom((int)from);
	else
		close_some(from, ~0U, 0);
}

EXPORT int dup2(int from, int onto)
{
	int r = descriptors_dup_onto(from, onto);

	if (r)
		return (int)libc_result(r);
	if (next.dup2)
		return next.dup2(from, onto);
	if (from == onto)
		return libc_result(raw(SYS_fcntl, from, F_GETFD)) < 0 ? -1 : onto;
	return (int)libc_result(raw(SYS_dup3, from, onto, 0));
}

ALIAS(__close, close);
ALIAS(__dup2, dup2);

EXPORT int dup3(int from, int onto, int flags)
{
	int r = descriptors_dup_onto(from, onto);

	if (r)
		return (int)libc_result(r);
	if (next.dup3)
		return next.dup3(from, onto, flags);
	return (int)libc_result(raw(SYS_dup3, from, onto, flags));
}
