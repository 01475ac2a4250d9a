/* SPDX-License-Identifier: MIT */
/*
 * Calls that our own open files would be in the way of: unmounting, and being told of (or asked
 * about) every open of a file, which would leave a program waiting for itself.
 */
#include <sys/fanotify.h>
#include <sys/mount.h>

#include "interpose/interpose.h"
#include "kernel/next.h"
#include "snapshot/guard.h"

void files_let_go(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	guard_drop_now();
	scope_leave(&scope);
}

void files_watched(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	guard_open_no_more();
	scope_leave(&scope);
}

EXPORT int umount(const char *target)
{
	files_let_go();
	return (int)libc_result(sys_umount2(target, 0));
}

EXPORT int umount2(const char *target, int flags)
{
	files_let_go();
	return (int)libc_result(sys_umount2(target, flags));
}

EXPORT int fanotify_init(unsigned int flags, unsigned int event_flags)
{
	long group = sys_fanotify_init(flags, event_flags);

	if (!sys_failed(group))
		files_watched();
	return (int)libc_result(group);
}
