/* SPDX-License-Identifier: MIT */
/*
 * A connection to a daemon's socket, for the sinks that have one (medium.h says what
 * holds for all of this). It stays when the program changes its root or its user; when
 * the daemon is started anew, the next record connects again.
 */
#ifndef MMFENCE_AUDIT_SOCKET_H
#define MMFENCE_AUDIT_SOCKET_H

#include <sys/socket.h>

/* Connects to path. type: SOCK_DGRAM or SOCK_STREAM. The descriptor, or -errno. */
int socket_connect(const char *path, int type);

/* sendmsg that neither waits nor raises a signal: bytes, or -errno; -EBADF when the other end is
 * gone. */
long socket_send(int fd, const struct msghdr *message);

#endif
