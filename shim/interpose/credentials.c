/* SPDX-License-Identifier: MIT */
/*
 * Changes of identity and of namespaces. Libc passes a change of credentials on to
 * the threads that it knows; the keeper is none of them and is told here. Calls that
 * want a process of one thread find one: the keeper ends before them, and starts anew
 * when it is needed.
 */
#include <grp.h>
#include <sched.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "audit/sink.h"
#include "interpose/interpose.h"
#include "kernel/next.h"
#include "kernel/unnamed.h"
#include "snapshot/guard.h"
#include "snapshot/keeper.h"

void credentials_change(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	sink_stay();
	keeper_share_log();
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

/* errno is libc's: the scope leaves it alone. */
#define DEFINE_CHANGE(name, parameters, arguments) \
	EXPORT int name parameters                 \
	{                                          \
		if (unlikely(!next.name))          \
			next_resolve();            \
		credentials_change();              \
		int result = next.name arguments;  \
		if (result != -1)                  \
			credentials_changed();     \
		return result;                     \
	}

DEFINE_CHANGE(setuid, (uid_t uid), (uid))
DEFINE_CHANGE(setgid, (gid_t gid), (gid))
DEFINE_CHANGE(seteuid, (uid_t uid), (uid))
DEFINE_CHANGE(setegid, (gid_t gid), (gid))
DEFINE_CHANGE(setreuid, (uid_t real, uid_t effective), (real, effective))
DEFINE_CHANGE(setregid, (gid_t real, gid_t effective), (real, effective))
DEFINE_CHANGE(setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))
DEFINE_CHANGE(setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved))
DEFINE_CHANGE(setgroups, (size_t count, const gid_t *groups), (count, groups))
DEFINE_CHANGE(initgroups, (const char *user, gid_t group), (user, group))
DEFINE_CHANGE(setfsuid, (uid_t uid), (uid))
DEFINE_CHANGE(setfsgid, (gid_t gid), (gid))
EXPORT int capset(struct __user_cap_header_struct *header,
		  const struct __user_cap_data_struct *data);
DEFINE_CHANGE(capset,
	      (struct __user_cap_header_struct * header, const struct __user_cap_data_struct *data),
	      (header, data))

EXPORT int chroot(const char *path)
{
	credentials_change_root();
	if (next.chroot)
		return next.chroot(path);
	return (int)libc_result(sys_chroot(path));
}

EXPORT int unshare(int flags)
{
	credentials_alone();
	if (next.unshare)
		return next.unshare(flags);
	return (int)libc_result(sys_unshare(flags));
}

EXPORT int setns(int fd, int type)
{
	credentials_alone();
	if (next.setns)
		return next.setns(fd, type);
	return (int)libc_result(sys_setns(fd, type));
}
