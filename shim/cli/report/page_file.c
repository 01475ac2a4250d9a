/* SPDX-License-Identifier: MIT */
/*
 * Writes the report's page: see page_file.h. A file is replaced at once, so that a page
 * that is half written is never in the place of one that was there; what is no file is
 * never replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/report/page_file.h"

/* The descriptor that a name stands for: opening it again would begin a file anew. */
static int descriptor_of(const char *path)
{
	static const char *const places[] = { "/dev/fd/", "/proc/self/fd/" };

	if (!strcmp(path, "/dev/stdout"))
		return STDOUT_FILENO;
	if (!strcmp(path, "/dev/stderr"))
		return STDERR_FILENO;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		size_t length = strlen(places[i]), digits = strspn(path + length, "0123456789");

		if (!strncmp(path, places[i], length) && digits && digits < 7 &&
		    !path[length + digits])
			return atoi(path + length);
	}
	return -1;
}

/* What has close-on-exec set is ours, and not what the caller meant. */
static int open_descriptor(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags >= 0 && !(flags & FD_CLOEXEC))
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	errno = EBADF;
	return -1;
}

static int write_whole(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t done = write(fd, text, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		text += done;
		length -= (size_t)done;
	}
	return 0;
}

/* Without O_CREAT and O_TRUNC: it is there, and it is no file. */
static int write_in_place(const char *path, const char *text, size_t length)
{
	int own = descriptor_of(path);
	int fd = own >= 0 ? open_descriptor(own) : open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write_whole(fd, text, length)) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return close(fd);
}

static mode_t new_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

/* Whose it was, where that can be; a new one is as open would have made it. */
static int keep_mode(int fd, const struct stat *old)
{
	if (!old)
		return fchmod(fd, new_mode());
	if (fchown(fd, old->st_uid, old->st_gid) && errno != EPERM)
		return -1;
	return fchmod(fd, old->st_mode & 0777);
}

static int fill(int fd, const struct stat *old, const char *text, size_t length)
{
	int failed = keep_mode(fd, old) || write_whole(fd, text, length);
	int error = errno;

	if (close(fd) && !failed)
		return -1;
	errno = error;
	return failed ? -1 : 0;
}

static int replace(const char *path, const struct stat *old, const char *text, size_t length)
{
	char *temporary = format_text("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC), result = -1, error;

	if (fd >= 0 && !fill(fd, old, text, length))
		result = rename(temporary, path);
	error = errno;
	if (result && fd >= 0)
		unlink(temporary);
	free(temporary);
	errno = error;
	return result;
}

/* What a link leads to that leads nowhere yet: made by the kernel, which knows whose links may be
 * followed where. */
static int make_target(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC, 0666);

	return fd < 0 ? -1 : close(fd);
}

/* Nothing is left of what was made when it cannot be filled. */
static void unmake_target(const char *target)
{
	struct stat st;
	int error = errno;

	if (!lstat(target, &st) && S_ISREG(st.st_mode) && !st.st_size)
		unlink(target);
	errno = error;
}

/* Through a link, what it points to is replaced, and not the link. */
static int write_file(const char *path, const struct stat *old, const char *text, size_t length)
{
	struct stat link;
	char *target;
	int result;

	if (lstat(path, &link) || !S_ISLNK(link.st_mode))
		return replace(path, old, text, length);
	if (!old && make_target(path))
		return -1;
	target = realpath(path, NULL);
	result = target ? replace(target, old, text, length) : -1;
	if (result && !old && target)
		unmake_target(target);
	free(target);
	return result;
}

int page_file_stat(const char *path, struct stat *st)
{
	int fd = descriptor_of(path);

	return fd >= 0 ? fstat(fd, st) : stat(path, st);
}

int page_file_write(const char *path, const char *text, size_t length)
{
	struct stat st;
	bool there = !page_file_stat(path, &st);
	bool in_place = descriptor_of(path) >= 0 || (there && !S_ISREG(st.st_mode));
	int result = in_place ? write_in_place(path, text, length)
			      : write_file(path, there ? &st : NULL, text, length);

	if (result)
		complain("%s cannot be written: %m", path);
	return result;
}
