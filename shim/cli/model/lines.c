/* SPDX-License-Identifier: MIT */
/*
 * Lines: see scan.h. Read by stdio, in large pieces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/model/scan.h"
#include "cli/text/text.h"

#define PIECE (1 << 18)
#define ROOM  (LINE_LONGEST + 2) /* a newline and a NUL */

int lines_open_file(const char *path)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC) : dup(0);
	struct stat st;

	if (fd < 0)
		refuse("%s cannot be read: %m", path);
	if (!fstat(fd, &st) && S_ISDIR(st.st_mode))
		refuse("%s cannot be read: it is a directory, not a log", path);
	return fd;
}

void lines_open(struct lines *lines, int fd)
{
	*lines = (struct lines){ .in = fdopen(fd, "r"), .buffer = take(ROOM) };
	if (!lines->in)
		refuse("a log cannot be read: %m");
	setvbuf(lines->in, NULL, _IOFBF, PIECE);
}

void lines_close(struct lines *lines)
{
	if (lines->in)
		fclose(lines->in);
	free(lines->buffer);
	memset(lines, 0, sizeof(*lines));
}

/* There is one newline or none in what fgets gives: without it the end was reached, or the room, or
 * a NUL hides it. */
int lines_whole(struct lines *lines, char **line, size_t *length)
{
	bool skipped, newline, full;
	size_t got;

	do {
		char *at = lines->buffer + lines->length;

		if (!fgets_unlocked(at, (int)(ROOM - lines->length), lines->in)) {
			int error = ferror(lines->in) ? -errno : 0;

			clearerr(lines->in);
			return error;
		}
		got = strlen(at);
		newline = got && at[got - 1] == '\n';
		lines->length += got;
		full = lines->length == ROOM - 1 && !newline;
		if (!newline && !full && feof(lines->in))
			continue;
		skipped = lines->skipping;
		lines->skipping = full;
		lines->bad = !newline;
		*line = lines->buffer;
		*length = lines->length - newline;
		lines->length = 0;
		if (!skipped)
			return 1;
	} while (true);
}

int lines_rest(struct lines *lines, char **line, size_t *length)
{
	bool there = !lines->skipping && lines->length;

	*line = lines->buffer;
	*length = lines->length;
	lines->length = 0;
	lines->bad = lines->skipping = false;
	return there;
}

int lines_next(struct lines *lines, char **line, size_t *length)
{
	int r = lines_whole(lines, line, length);

	return r ? r : lines_rest(lines, line, length);
}
