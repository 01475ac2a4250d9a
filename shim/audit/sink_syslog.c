/* SPDX-License-Identifier: MIT */
/*
 * Records to the system's log daemon, framed as syslog(3) does it (RFC 3164), which
 * itself locks and allocates: facility user, tag mmfence[PID], and the record as the
 * message. Without a time stamp: that is local time, which needs the zone's file, and a
 * daemon puts its own; the record has one in UTC. A datagram each; on a stream, where a
 * daemon still has one, ended by a NUL.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>

#include "audit/medium.h"
#include "audit/socket.h"
#include "support/sys.h"
#include "support/text.h"

#define ADDRESS "/dev/log"

static atomic_bool stream;

static bool configure(const struct target *target)
{
	(void)target;
	return true;
}

/* In another root, too: the address is the system's. */
static int refresh(int fd)
{
	if (fd >= 0)
		return fd;
	fd = socket_connect(ADDRESS, SOCK_DGRAM);
	atomic_store(&stream, fd == -EPROTOTYPE);
	return fd == -EPROTOTYPE ? socket_connect(ADDRESS, SOCK_STREAM) : fd;
}

static size_t add_header(const struct line *line)
{
	struct text text;

	text_init(&text, line->room, line->room_size);
	text_add_char(&text, '<');
	text_add_int(&text, LOG_USER | line->level);
	text_add(&text, ">mmfence[");
	text_add_int(&text, sys_getpid());
	text_add(&text, "]: ");
	return text.length;
}

/* A stream that took part of a record is given up: the daemon sees its end, and the next record
 * begins a new one. */
static int write_to(int fd, uint64_t size, const struct line *line)
{
	bool ended = atomic_load(&stream);
	size_t header = add_header(line);
	struct iovec parts[3] = {
		{ line->room, header },
		{ (void *)line->text, line->length - 1 },
		{ (void *)"", ended },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	long r = socket_send(fd, &message);

	(void)size;
	if (r < 0)
		return (int)r;
	if ((size_t)r == header + line->length - 1 + ended)
		return 0;
	return -ECONNABORTED;
}

const struct medium sink_syslog = {
	.configure = configure,
	.refresh = refresh,
	.write = write_to,
	.has_name = true,
};
