/* SPDX-License-Identifier: MIT */
/*
 * Records in a descriptor that the program was started with: standard error, or
 * fd:N. What it leads to is fixed at the start; the program may do with the number
 * what it likes. It is the program's open file, so its flags are not touched: where
 * a write could block, it is opened anew, or asked not to each time.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "audit/medium.h"
#include "kernel/guarded.h"
#include "support/sys.h"

enum how {
	PLAIN,	/* files do not block */
	NOWAIT, /* RWF_NOWAIT: for pipes since Linux 6.4; before that it fails */
	SEND,	/* a socket */
};

static int number;
static struct place place; /* what it leads to; all 0: to nothing */
static atomic_int how, raises;
static atomic_bool torn; /* it ends in part of a record */

static bool configure(const struct target *target)
{
	struct statx st;

	number = target->fd;
	place = target->place;
	if (!target->pinned && !sys_fstat(number, &st))
		place_set(&place, &st);
	return true;
}

/* Another open file for the same pipe or terminal, which may be nonblocking without the program
 * being so. */
static int open_anew(void)
{
	char path[FD_LINK_BYTES];
	struct statx st;
	int fd;

	sys_fd_link(number, path);
	fd = sys_open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd >= 0 && (sys_fstat(fd, &st) || !place_equals(&place, &st))) {
		guarded_close_new(fd);
		return -EBADF;
	}
	return fd;
}

static int open_descriptor(const struct statx *st)
{
	int fd = -EBADF;

	atomic_store(&how, S_ISSOCK(st->stx_mode) ? SEND : PLAIN);
	if (S_ISFIFO(st->stx_mode) || S_ISCHR(st->stx_mode)) {
		fd = open_anew();
		if (fd < 0)
			atomic_store(&how, NOWAIT);
	}
	return fd >= 0 ? fd : sys_fcntl(number, F_DUPFD_CLOEXEC, 0);
}

static int refresh(int fd)
{
	struct statx st;
	long flags;

	if (fd >= 0)
		return fd;
	flags = sys_fcntl(number, F_GETFL, 0);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || sys_fstat(number, &st) ||
	    !place_equals(&place, &st))
		return -EBADF;
	atomic_store(&raises, quiet_signal(&st));
	return open_descriptor(&st);
}

static long write_parts(int fd, struct iovec *parts, int count)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = (size_t)count };
	int way = atomic_load(&how);

	if (way == SEND)
		return sys_sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return quiet_write(fd, parts, count, way == NOWAIT ? RWF_NOWAIT : 0, atomic_load(&raises));
}

/* What a short write left behind ends before the next record begins. */
static int write_to(int fd, uint64_t size, const struct line *line)
{
	struct iovec parts[2] = { { (void *)"\n", 1 }, { (void *)line->text, line->length } };
	bool ours = atomic_load(&torn) && atomic_exchange(&torn, false);
	size_t before = ours ? 1 : 0;
	long r = write_parts(fd, ours ? parts : parts + 1, ours ? 2 : 1);

	(void)size;
	if (r == (long)(line->length + before))
		return 0;
	if (r > (long)before || (ours && r <= 0))
		atomic_store(&torn, true);
	return r < 0 ? (int)r : atomic_load(&raises) == SIGPIPE ? -EAGAIN : -ENOSPC;
}

const struct medium sink_descriptor = {
	.configure = configure,
	.refresh = refresh,
	.write = write_to,
};
