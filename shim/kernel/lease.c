/* SPDX-License-Identifier: MIT */
/*
 * The calls of lease.h, and the sentence for each refusal.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "kernel/filesystem.h"
#include "kernel/lease.h"
#include "support/sys.h"

void lease_set_owner(int fd, pid_t thread)
{
	struct f_owner_ex owner = { F_OWNER_TID, thread };

	sys_fcntl_owner(fd, F_SETOWN_EX, &owner);
	sys_fcntl(fd, F_SETSIG, LEASE_SIGNAL);
}

bool lease_is_trusted(const struct file *file)
{
	return file->kind == FILE_ORDINARY && filesystem_keeps_leases(file->filesystem);
}

int lease_take(int fd, pid_t thread)
{
	lease_set_owner(fd,
			thread); /* first: a break in between would kill the process with SIGIO */
	return sys_fcntl(fd, F_SETLEASE, F_RDLCK);
}

bool lease_is_held(int fd)
{
	return sys_fcntl(fd, F_GETLEASE, 0) == F_RDLCK;
}

int lease_release(int fd)
{
	return sys_fcntl(fd, F_SETLEASE, F_UNLCK);
}

int lease_try(int fd)
{
	sys_fcntl(fd, F_SETSIG, SIGURG); /* which kills nobody */
	int r = sys_fcntl(fd, F_SETLEASE, F_RDLCK);

	if (!r)
		lease_release(fd);
	return r;
}

const char *lease_refusal(int error)
{
	switch (error) {
	case 0:
		return "leases are not to be trusted on this file system";
	case -EAGAIN:
		return "somebody has the file open for writing";
	case -EACCES:
		return "no lease: not the file's owner";
	case -EFBIG:
		return "no lease: the file is larger than RLIMIT_FSIZE";
	case -EMFILE:
	case -ENFILE:
		return "no lease: RLIMIT_NOFILE";
	case -ESTALE:
		return "no lease: the name leads to another file";
	default:
		return "no lease on this file system";
	}
}
