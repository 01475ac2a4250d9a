/* SPDX-License-Identifier: MIT */
/*
 * Records as datagrams to a socket: one record, with its newline, is one datagram.
 */
#include <string.h>
#include <errno.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "audit/medium.h"
#include "audit/socket.h"

static char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static struct place root;

static bool configure(const struct target *target)
{
	if (strlen(target->path) >= sizeof(path))
		return false;
	strcpy(path, target->path);
	place_root(&root);
	return true;
}

/* Under another root the path may name a socket of the program's. */
static int refresh(int fd)
{
	if (fd >= 0)
		return fd;
	return place_is_root(&root) ? socket_connect(path, SOCK_DGRAM) : -ENOENT;
}

static int write_to(int fd, uint64_t size, const struct line *line)
{
	struct iovec part = { (void *)line->text, line->length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	long r = socket_send(fd, &message);

	(void)size;
	return r < 0 ? (int)r : 0;
}

const struct medium sink_unix = {
	.configure = configure,
	.refresh = refresh,
	.write = write_to,
	.has_name = true,
};
