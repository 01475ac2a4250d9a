/* SPDX-License-Identifier: MIT */
/*
 * Records to daemons' sockets. A connection stays when the program changes its root or its user;
 * when the daemon is started anew, the next record connects again.
 *
 * unix: one record, with its newline, is one datagram.
 *
 * syslog: framed as syslog(3) does it (RFC 3164), which itself locks and allocates: facility user,
 * tag mmfence[PID], and the record as the message. Without a time stamp: that is local time, which
 * needs the zone's file, and a daemon puts its own; the record has one in UTC. A datagram each; on
 * a stream, where a daemon still has one, ended by a NUL.
 *
 * journal: systemd's own protocol. MESSAGE is the record; its action and its file, which people
 * look for, stand in fields of their own besides. What does not fit in a datagram goes as a sealed
 * memory file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>

#include "audit/medium.h"
#include "kernel/file.h"
#include "kernel/guarded.h"
#include "support/sys.h"
#include "support/text.h"

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct place root; /* of an address that is not the system's */
static atomic_bool stream;

/* ---- the connection ---- */

static bool configure(const struct target *target)
{
	const char *path = target->medium == TARGET_SYSLOG    ? "/dev/log"
			   : target->medium == TARGET_JOURNAL ? "/run/systemd/journal/socket"
							      : target->path;

	if (target->medium == TARGET_UNIX)
		place_root(&root);
	return text_make(address.sun_path, sizeof(address.sun_path), "%s", path);
}

/* The kernel counts what is under way against its sender: as much as it allows, so that a burst is
 * not lost before the daemon has its turn. */
static void make_room(int fd)
{
	int bytes = 8 << 20;

	if (sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int connect_as(int type)
{
	int fd = sys_socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? fd : sys_connect(fd, &address, sizeof(address));

	if (!r)
		make_room(fd);
	else if (fd >= 0)
		guarded_close_new(fd);
	return r ? r : fd;
}

/* Under another root the path may name a socket of the program's. */
static int refresh(int fd)
{
	if (fd >= 0)
		return fd;
	return !root.inode || place_is_root(&root) ? connect_as(SOCK_DGRAM) : -ENOENT;
}

static int refresh_syslog(int fd)
{
	if (fd >= 0)
		return fd;
	fd = connect_as(SOCK_DGRAM);
	atomic_store(&stream, fd == -EPROTOTYPE);
	return fd == -EPROTOTYPE ? connect_as(SOCK_STREAM) : fd;
}

static bool is_gone(long error)
{
	return error == -ECONNREFUSED || error == -ECONNRESET || error == -ENOTCONN ||
	       error == -EPIPE || error == -EDESTADDRREQ || error == -ENOTSOCK;
}

/* Neither waits nor raises a signal: bytes, or -errno; -EBADF when the other end is gone. */
static long send_parts(int fd, struct iovec *parts, size_t count)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
	long r = sys_sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

	return is_gone(r) ? -EBADF : r;
}

/* ---- a record ---- */

static int write_datagram(int fd, uint64_t size, const struct line *line)
{
	struct iovec part = { (void *)line->text, line->length };
	long r = send_parts(fd, &part, 1);

	(void)size;
	return r < 0 ? (int)r : 0;
}

/* A stream that took part of a record is given up: the daemon sees its end, and the next record
 * begins a new one. */
static int write_syslog(int fd, uint64_t size, const struct line *line)
{
	bool ended = atomic_load(&stream);

	text_make(line->room, line->room_size,
		  "<%u>mmfence[%u]: ", (unsigned int)(LOG_USER | line->level),
		  (unsigned int)sys_getpid());
	struct iovec parts[3] = {
		{ line->room, strlen(line->room) },
		{ (void *)line->text, line->length - 1 },
		{ (void *)"", ended },
	};
	long r = send_parts(fd, parts, 3);
	(void)size;
	if (r < 0)
		return (int)r;
	return (size_t)r == parts[0].iov_len + parts[1].iov_len + ended ? 0 : -ECONNABORTED;
}

static int make_memory(const struct iovec *parts, int count)
{
	int fd = unnamed_memory("mmfence-journal", MFD_ALLOW_SEALING);
	long r = fd < 0 ? fd : sys_writev(fd, parts, count);

	/* Of a file that cannot be sealed the journal takes it that it has no name left. */
	if (r > 0) {
		sys_fcntl(fd, F_ADD_SEALS,
			  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
		return fd;
	}
	sys_close_if_open(fd);
	return r ? (int)r : -EIO;
}

/* The datagram is empty, and the descriptor goes with it. */
static long send_memory(int fd, const struct iovec *parts, int count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_control = &control,
				  .msg_controllen = CMSG_LEN(sizeof(int)) };
	int memory = make_memory(parts, count);

	if (memory < 0)
		return memory;
	memcpy(CMSG_DATA(&control.header), &memory, sizeof(int));
	long r = sys_sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	sys_close(memory);
	return is_gone(r) ? -EBADF : r;
}

/* A member of the record whose name nothing else in it begins like. A value that JSON had to escape
 * is left to the record. */
static void add_member(struct text *fields, const char *field, const struct line *line,
		       const char *member)
{
	const char *value = strstr(line->text, member);

	if (!value)
		return;
	value += strlen(member);
	size_t length = strcspn(value, "\"\\");
	if (value[length] != '"' || fields->length + strlen(field) + length + 2 > fields->size)
		return;
	text_add(fields, field);
	text_add_bytes(fields, value, length);
	text_add_char(fields, '\n');
}

static int write_journal(int fd, uint64_t size, const struct line *line)
{
	struct text fields;

	(void)size;
	text_init(&fields, line->room, line->room_size);
	text_add(&fields, "\nSYSLOG_IDENTIFIER=mmfence\nSYSLOG_FACILITY=1\nPRIORITY=");
	text_add_int(&fields, line->level);
	text_add_char(&fields, '\n');
	add_member(&fields, "EVENT_ACTION=", line, "\"kind\":\"event\",\"action\":\"");
	add_member(&fields, "FILE_PATH=", line, "\"file\":{\"path\":\"");
	struct iovec parts[3] = {
		{ (void *)"MESSAGE=", 8 },
		{ (void *)line->text, line->length - 1 },
		{ fields.start, fields.length },
	};
	long r = send_parts(fd, parts, 3);
	if (r == -EMSGSIZE || r == -ENOBUFS)
		r = send_memory(fd, parts, 3);
	return r < 0 ? (int)r : 0;
}

#define SOCKET_MEDIUM(refreshes, writes)                                                          \
	{                                                                                         \
		.configure = configure, .refresh = refreshes, .write = (writes), .has_name = true \
	}
const struct medium sink_unix = SOCKET_MEDIUM(refresh, write_datagram);
const struct medium sink_syslog = SOCKET_MEDIUM(refresh_syslog, write_syslog);
const struct medium sink_journal = SOCKET_MEDIUM(refresh, write_journal);
