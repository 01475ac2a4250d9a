/* SPDX-License-Identifier: MIT */
/*
 * Lines: see scan.h. Not by stdio, which hides a NUL, and what stands behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/model/scan.h"
#include "cli/text/text.h"

#define PIECE (1 << 18)
#define ROOM  (LINE_LONGEST + PIECE)
#define LOOKS 30 /* at a line without an end, 10 ms apart */

/* What has no end: a disk, or /dev/zero. A terminal has one, and so has /dev/null. */
static bool is_endless(int fd, const struct stat *st)
{
	return S_ISBLK(st->st_mode) ||
	       (S_ISCHR(st->st_mode) && !isatty(fd) && st->st_rdev != makedev(1, 3));
}

int lines_open_file(const char *path)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC) : dup(0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		refuse("%s cannot be read: %m", path);
	if (S_ISDIR(st.st_mode) || is_endless(fd, &st))
		refuse("%s cannot be read: it is a %s, not a log", path,
		       S_ISDIR(st.st_mode) ? "directory" : "device");
	return fd;
}

void lines_open(struct lines *lines, int fd)
{
	off_t start = lseek(fd, 0, SEEK_CUR);

	*lines = (struct lines){ .fd = fd, .buffer = take(ROOM), .offset = start > 0 ? start : 0 };
}

void lines_close(struct lines *lines)
{
	if (lines->buffer)
		close(lines->fd);
	free(lines->buffer);
	memset(lines, 0, sizeof(*lines));
}

/* More behind what there is of a line: 1, 0 at the end, or -errno. */
static int fill(struct lines *lines)
{
	size_t left = lines->to - lines->from;
	ssize_t got;

	memmove(lines->buffer, lines->buffer + lines->from, left);
	lines->from = 0;
	lines->to = left;
	do
		got = read(lines->fd, lines->buffer + left, PIECE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	lines->to += (size_t)got;
	lines->offset += got;
	return got > 0;
}

int lines_whole(struct lines *lines, char **line, size_t *length)
{
	char *end;
	int r;

	while (!(end = memchr(lines->buffer + lines->from, '\n', lines->to - lines->from))) {
		if (lines->to - lines->from > LINE_LONGEST) {
			lines->skipping = true;
			lines->from = lines->to;
		}
		r = fill(lines);
		if (r <= 0)
			return r;
	}
	*line = lines->buffer + lines->from;
	*length = (size_t)(end - *line);
	lines->from += *length + 1;
	lines->bad = lines->skipping;
	lines->skipping = false;
	return 1;
}

int lines_rest(struct lines *lines, char **line, size_t *length)
{
	*line = lines->buffer + lines->from;
	*length = lines->to - lines->from;
	lines->bad = lines->skipping;
	lines->skipping = false;
	lines->from = lines->to = 0;
	return *length || lines->bad;
}

/* Whether somebody may be writing the rest of a line: a reader can see a part of what one write
 * appends. */
static bool is_growing(const struct lines *lines)
{
	struct stat st;

	return lines->to > lines->from && !fstat(lines->fd, &st) && S_ISREG(st.st_mode) &&
	       time(NULL) - st.st_mtime < 2;
}

int lines_next(struct lines *lines, char **line, size_t *length)
{
	int r = lines_whole(lines, line, length);

	for (int look = 0; !r && look < LOOKS && is_growing(lines); look++) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		r = lines_whole(lines, line, length);
	}
	return r ? r : lines_rest(lines, line, length);
}
