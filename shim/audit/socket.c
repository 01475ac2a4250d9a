/* SPDX-License-Identifier: MIT */
/*
 * Connections to daemons: see socket.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "audit/socket.h"
#include "support/sys.h"

#define SEND_BYTES (8 << 20)

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length + 1);
	return sys_connect(fd, &address, sizeof(address));
}

/* The kernel counts what is under way against its sender: as much as it allows, so that a burst is
 * not lost before the daemon has its turn. */
static void make_room(int fd)
{
	int bytes = SEND_BYTES;

	if (sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int socket_connect(const char *path, int type)
{
	int fd = sys_socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return fd;
	r = connect_to(fd, path);
	if (r) {
		sys_close(fd);
		return r;
	}
	make_room(fd);
	return fd;
}

static int is_gone(long error)
{
	return error == -ECONNREFUSED || error == -ECONNRESET || error == -ENOTCONN ||
	       error == -EPIPE || error == -EDESTADDRREQ || error == -ENOTSOCK;
}

long socket_send(int fd, const struct msghdr *message)
{
	long r = sys_sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);

	return is_gone(r) ? -EBADF : r;
}
