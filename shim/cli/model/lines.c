/* SPDX-License-Identifier: MIT */
/*
 * Lines: see scan.h. One buffer, read in large pieces; what is left of a line moves
 * to its front.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/model/scan.h"

#define PIECE (1 << 18)
#define ROOM  (LINE_LONGEST + PIECE)

int lines_open_file(const char *path)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC) : dup(0);
	struct stat st;

	if (fd < 0) {
		complain("%s cannot be read: %m", path);
		return -1;
	}
	if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
		complain("%s cannot be read: it is a directory, not a log", path);
		close(fd);
		return -1;
	}
	return fd;
}

void lines_open(struct lines *lines, int fd)
{
	*lines = (struct lines){ .fd = fd, .buffer = resize(NULL, ROOM) };
}

void lines_close(struct lines *lines)
{
	if (lines->fd >= 0)
		close(lines->fd);
	free(lines->buffer);
	memset(lines, 0, sizeof(*lines));
	lines->fd = -1;
}

/* Reads more behind what is there: what read(2) says, or 0. What is left of a line moves to the
 * front first, so that no more memory is touched than a piece and a line take. */
ssize_t lines_fill(struct lines *lines)
{
	ssize_t got;

	if (lines->start) {
		memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
		lines->end -= lines->start;
		lines->looked -= lines->start;
		lines->start = 0;
	}
	do
		got = read(lines->fd, lines->buffer + lines->end, PIECE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	lines->end += (size_t)got;
	lines->offset += got;
	return got;
}

/* Of a line that is longer than one may be the beginning is thrown away and told of once, and then
 * its end, which is none. */
bool lines_buffered(struct lines *lines, char **line, size_t *length)
{
	char *newline;

	while ((newline =
			memchr(lines->buffer + lines->looked, '\n', lines->end - lines->looked))) {
		bool skipped = lines->skipping;

		*line = lines->buffer + lines->start;
		*length = (size_t)(newline - *line);
		lines->start = lines->looked = (size_t)(newline + 1 - lines->buffer);
		lines->skipping = false;
		lines->too_long = *length > LINE_LONGEST;
		if (!skipped)
			return true;
	}
	lines->looked = lines->end;
	if (lines->end - lines->start <= LINE_LONGEST)
		return false;
	bool first = !lines->skipping;

	lines->start = lines->end = lines->looked = 0;
	lines->skipping = lines->too_long = true;
	*line = lines->buffer;
	*length = 0;
	return first;
}

int lines_rest(struct lines *lines, char **line, size_t *length)
{
	bool there = !lines->skipping && lines->end > lines->start;

	*line = lines->buffer + lines->start;
	*length = lines->end - lines->start;
	lines->too_long = lines->skipping = false;
	lines->start = lines->end = lines->looked = 0;
	return there;
}

int lines_next(struct lines *lines, char **line, size_t *length)
{
	while (!lines_buffered(lines, line, length)) {
		ssize_t got = lines_fill(lines);

		if (got <= 0)
			return got ? (int)got : lines_rest(lines, line, length);
	}
	return 1;
}
