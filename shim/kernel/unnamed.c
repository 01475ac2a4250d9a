/* SPDX-License-Identifier: MIT */
/*
 * Files without a name: in memory, or in a directory. Raw calls only: part of this runs on a thread
 * without TLS.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdatomic.h>

#include "support/sys.h"
#include "kernel/file.h"
#include "support/text.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#define TRIES 64

static int named_for_a_moment(const char *directory, const char *name)
{
	static atomic_uint count;
	char path[4096];
	int fd = -EEXIST;

	for (int i = 0; fd == -EEXIST && i < TRIES; i++) {
		if (!text_make(path, sizeof(path), "%s/%s.%u.%u", directory, name,
			       (unsigned int)sys_getpid(), atomic_fetch_add(&count, 1)))
			return -ENAMETOOLONG;
		fd = sys_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	}
	if (fd >= 0)
		sys_unlink(path);
	return fd;
}

int unnamed_file(const char *directory, const char *name)
{
	int fd = sys_open(directory, O_TMPFILE | O_RDWR, 0600);

	return fd == -EISDIR || fd == -EOPNOTSUPP ? named_for_a_moment(directory, name) : fd;
}

int unnamed_memory(const char *name, unsigned int flags)
{
	int fd = sys_memfd_create(name, MFD_CLOEXEC | (flags ? flags : MFD_NOEXEC_SEAL));

	if (fd == -EINVAL && !flags) /* before 6.3 */
		fd = sys_memfd_create(name, MFD_CLOEXEC);
	/* Not by O_TMPFILE: the name is to be seen in /proc/PID/maps. */
	return sys_is_missing(fd) ? named_for_a_moment(UNNAMED_SHM, name) : fd;
}
