/* SPDX-License-Identifier: MIT */
/*
 * Files without a name: see unnamed.h. Raw calls only: part of this runs on a thread without TLS.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdatomic.h>

#include "support/sys.h"
#include "kernel/unnamed.h"
#include "support/text.h"

#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 0x0001U
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#define TRIES 64

static int named_for_a_moment(const char *directory, const char *name)
{
	static atomic_uint count;
	char path[4096];
	struct text text;
	int fd = -EEXIST;

	for (int i = 0; fd == -EEXIST && i < TRIES; i++) {
		text_init(&text, path, sizeof(path));
		text_add(&text, directory);
		text_add(&text, "/");
		text_add(&text, name);
		text_add(&text, ".");
		text_add_uint(&text, (unsigned int)sys_getpid());
		text_add(&text, ".");
		text_add_uint(&text, atomic_fetch_add(&count, 1));
		if (text.overflow)
			return -ENAMETOOLONG;
		fd = sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
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
	return fd == -ENOSYS ? named_for_a_moment(UNNAMED_SHM, name) : fd;
}

bool unnamed_memory_is_in_shm(void)
{
	return sys_memfd_create(NULL, 0) == -ENOSYS;
}
