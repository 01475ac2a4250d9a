/* SPDX-License-Identifier: MIT */
/*
 * A mount namespace of the caller's own: what is mounted there nobody else sees.
 *
 * In a root that is no mount point (a plain chroot) the mounts cannot be made private from "/". A
 * child, which has the namespace in common, goes to the namespace's own root for that. It does so
 * without libc, since the library under test may be in the caller.
 */
#ifndef MMFENCE_TESTS_MOUNTS_H
#define MMFENCE_TESTS_MOUNTS_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/by_hand.h"

/* MS_PRIVATE for all mounts below the root that the caller has: 0, or an error number. */
static inline long mounts_made_private(void)
{
	return -by_hand(SYS_mount, 0, (long)"/", 0, MS_REC | MS_PRIVATE, 0);
}

static inline long mounts_made_private_from_above(void)
{
	int status;
	long child = by_hand(SYS_fork, 0, 0, 0, 0, 0);

	if (!child) {
		long fd = by_hand(SYS_open, (long)"/proc/self/ns/mnt", O_RDONLY, 0, 0, 0);
		long error = fd < 0 ? -fd : -by_hand(SYS_setns, fd, CLONE_NEWNS, 0, 0, 0);

		by_hand(SYS_exit_group, error ?: mounts_made_private(), 0, 0, 0, 0);
	}
	if (child < 0)
		return -child;
	if (waitpid((pid_t)child, &status, 0) != child || !WIFEXITED(status))
		return ECHILD;
	return WEXITSTATUS(status);
}

/* FLAGS are further namespaces' (CLONE_NEWIPC). False with errno where it cannot be had. */
static inline bool own_mounts(int flags)
{
	long error;

	if (unshare(CLONE_NEWNS | flags))
		return false;
	error = mounts_made_private();
	if (error == EINVAL)
		error = mounts_made_private_from_above();
	errno = (int)error;
	return !error;
}

#endif
