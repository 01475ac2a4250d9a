/* SPDX-License-Identifier: MIT */
/*
 * Calls that our own open files would be in the way of: unmounting, and being told of (or asked
 * about) every open of a file, which would leave a program waiting for itself.
 */
#include <sys/mount.h>

#include "interpose/interpose.h"
#include "snapshot/guard.h"

static void let_go(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	guard_drop_now();
	scope_leave(&scope);
}

long files_unmount(const char *target, int flags)
{
	let_go();
	return sys_umount2(target, flags);
}

EXPORT int umount(const char *target)
{
	return (int)libc_result(files_unmount(target, 0));
}

long files_watched(unsigned int flags, unsigned int event_flags)
{
	struct scope scope;
	int group = sys_fanotify_init(flags, event_flags);

	if (group >= 0 && enter(&scope)) {
		guard_open_no_more();
		scope_leave(&scope);
	}
	return group;
}
