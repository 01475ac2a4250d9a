/* SPDX-License-Identifier: MIT */
/*
 * Records to systemd's journal in its own protocol: MESSAGE is the record; its action
 * and its file, which people look for, stand in fields of their own besides. What does
 * not fit in a datagram goes as a sealed memory file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "audit/medium.h"
#include "audit/socket.h"
#include "support/sys.h"
#include "kernel/unnamed.h"
#include "support/text.h"

#define ADDRESS "/run/systemd/journal/socket"
#define PARTS	3

static bool configure(const struct target *target)
{
	(void)target;
	return true;
}

static int refresh(int fd)
{
	return fd >= 0 ? fd : socket_connect(ADDRESS, SOCK_DGRAM);
}

static int make_memory(const struct iovec *parts)
{
	int fd = unnamed_memory("mmfence-journal", MFD_ALLOW_SEALING);
	long r;

	if (fd < 0)
		return fd;
	r = sys_writev(fd, parts, PARTS);
	/* Of a file that cannot be sealed the journal takes it that it has no name left. */
	if (r > 0)
		sys_fcntl(fd, F_ADD_SEALS,
			  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	if (r > 0)
		return fd;
	sys_close(fd);
	return r < 0 ? (int)r : -EIO;
}

/* The datagram is empty, and the descriptor goes with it. */
static long send_memory(int fd, const struct iovec *parts)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_control = &control,
				  .msg_controllen = CMSG_LEN(sizeof(int)) };
	int memory = make_memory(parts);
	long r;

	if (memory < 0)
		return memory;
	memcpy(CMSG_DATA(&control.header), &memory, sizeof(int));
	r = socket_send(fd, &message);
	sys_close(memory);
	return r;
}

/* A member of the record whose name nothing else in it begins like. A value that JSON had to escape
 * is left to the record. */
static void add_member(struct text *fields, const char *field, const struct line *line,
		       const char *member)
{
	const char *value = strstr(line->text, member);
	size_t length;

	if (!value)
		return;
	value += strlen(member);
	length = strcspn(value, "\"\\");
	if (value[length] != '"' || fields->length + strlen(field) + length + 2 > fields->size)
		return;
	text_add(fields, field);
	text_add_bytes(fields, value, length);
	text_add_char(fields, '\n');
}

static int write_to(int fd, uint64_t size, const struct line *line)
{
	struct text fields;
	long r;

	(void)size;
	text_init(&fields, line->room, line->room_size);
	text_add(&fields, "\nSYSLOG_IDENTIFIER=mmfence\nSYSLOG_FACILITY=1\nPRIORITY=");
	text_add_int(&fields, line->level);
	text_add_char(&fields, '\n');
	add_member(&fields, "EVENT_ACTION=", line, "\"kind\":\"event\",\"action\":\"");
	add_member(&fields, "FILE_PATH=", line, "\"file\":{\"path\":\"");

	struct iovec parts[PARTS] = {
		{ (void *)"MESSAGE=", 8 },
		{ (void *)line->text, line->length - 1 },
		{ fields.start, fields.length },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = PARTS };
	r = socket_send(fd, &message);
	if (r == -EMSGSIZE || r == -ENOBUFS)
		r = send_memory(fd, parts);
	return r < 0 ? (int)r : 0;
}

const struct medium sink_journal = {
	.configure = configure,
	.refresh = refresh,
	.write = write_to,
	.has_name = true,
};
