/* SPDX-License-Identifier: MIT */
/*
 * Writes that raise no signal, and what a file is known by: see medium.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "audit/medium.h"
#include "support/sys.h"
#include "support/scope.h"

void place_set(struct place *place, const struct statx *st)
{
	place->inode = st->stx_ino;
	place->dev_major = st->stx_dev_major;
	place->dev_minor = st->stx_dev_minor;
}

bool place_equals(const struct place *place, const struct statx *st)
{
	return place->inode == st->stx_ino && place->dev_major == st->stx_dev_major &&
	       place->dev_minor == st->stx_dev_minor;
}

static bool look_at_root(struct statx *st)
{
	return !sys_statx(AT_FDCWD, "/", AT_SYMLINK_NOFOLLOW, STATX_INO, st);
}

void place_root(struct place *root)
{
	struct statx st;

	if (look_at_root(&st))
		place_set(root, &st);
}

bool place_is_root(const struct place *root)
{
	struct statx st;

	return look_at_root(&st) && place_equals(root, &st);
}

int quiet_signal(const struct statx *st)
{
	if (!S_ISREG(st->stx_mode))
		return SIGPIPE;
	return sys_limit(RLIMIT_FSIZE) == UINT64_MAX ? 0 : SIGXFSZ;
}

static size_t bytes_of(const struct iovec *parts, int count)
{
	size_t bytes = 0;

	for (int i = 0; i < count; i++)
		bytes += parts[i].iov_len;
	return bytes;
}

static long write_parts(int fd, const struct iovec *parts, int count, int flags)
{
	if (flags)
		return sys_pwritev2(fd, parts, count, -1, -1, flags);
	return count == 1 ? sys_write(fd, parts->iov_base, parts->iov_len)
			  : sys_writev(fd, parts, count);
}

long quiet_write(int fd, const struct iovec *parts, int count, int flags, int raises)
{
	bool before = raises && signal_pending(raises);
	long r = write_parts(fd, parts, count, flags);
	int raised;

	if (r == (long)bytes_of(parts, count))
		return r;
	/* A pipe that loses its reader halfway raises the signal and returns a count. A limit set
	 * after the log was opened is not expected, and its signal has to go too. */
	raised = r == -EFBIG ? SIGXFSZ : raises == SIGPIPE ? SIGPIPE : 0;
	if (raised && !(before && raised == raises))
		signal_consume(raised);
	return r;
}
