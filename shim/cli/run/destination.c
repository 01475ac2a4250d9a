/* SPDX-License-Identifier: MIT */
/*
 * Tries a log that is no file: see destination.h. Nothing is written there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/destination.h"
#include "policy/target.h"

bool destination_is_elsewhere(const char *value)
{
	struct target target;

	return *value && !target_parse(value, &target) && target.medium != TARGET_FILE;
}

const char *destination_shown(const char *value)
{
	struct target target;

	if (target_parse(value, &target))
		return value;
	if (target.medium == TARGET_JOURNAL)
		return "the journal";
	if (target.medium == TARGET_SYSLOG)
		return "the system log";
	if (target.medium == TARGET_UNIX)
		return target.path;
	return target.fd == 2 ? "standard error" : format_text("the open descriptor %d", target.fd);
}

/* What has close-on-exec set is ours, and not what the caller meant. */
static bool is_for_writing(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC) && (flags & O_ACCMODE) != O_RDONLY;
}

char *destination_value(const char *value)
{
	struct target target;
	struct stat st;

	if (target_parse(value, &target) || target.medium != TARGET_DESCRIPTOR || target.pinned)
		return format_text("%s", value);
	if (!is_for_writing(target.fd) || fstat(target.fd, &st)) {
		complain("audit.log: descriptor %d is not open for writing", target.fd);
		return NULL;
	}
	return format_text("fd:%d@%u:%u:%llu", target.fd, major(st.st_dev), minor(st.st_dev),
			   (unsigned long long)st.st_ino);
}

/* A daemon that is down for a moment has left its socket: that will do. */
static int try_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = -1;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd >= 0)
		result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	if (result && errno == ECONNREFUSED && !stat(path, &st)) {
		errno = ENOTSOCK;
		result = S_ISSOCK(st.st_mode) ? 0 : -1;
	}
	if (result && errno == EPROTOTYPE && !strcmp(path, "/dev/log"))
		result = 0;
	if (result)
		complain("the log cannot be sent to %s: %s", path,
			 errno == EPROTOTYPE ? "it is no datagram socket" : strerror(errno));
	close(fd);
	return result;
}

int destination_try(const char *value)
{
	struct target target;

	if (target_parse(value, &target))
		return -1;
	switch (target.medium) {
	case TARGET_UNIX:
		return try_socket(target.path);
	case TARGET_SYSLOG:
		return try_socket("/dev/log");
	case TARGET_JOURNAL:
		return try_socket("/run/systemd/journal/socket");
	default:
		return 0;
	}
}
