/* SPDX-License-Identifier: MIT */
/*
 * The lines of a file, a pipe or a log that still grows. A line that is longer than
 * any record can be is thrown away as it is read, and said to be too long.
 */
#ifndef MMFENCE_CLI_MODEL_LINES_H
#define MMFENCE_CLI_MODEL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LINE_LONGEST (1 << 20)

struct lines {
	int fd;
	char *buffer;
	size_t start, end, looked; /* looked: up to where there is no newline */
	bool skipping;		   /* the rest of a line that is too long */
	bool too_long;		   /* the line that was just returned was */
	off_t offset;		   /* of the end of what was read */
};

/* A log by its name, "-" for standard input. A descriptor, or -1 with a sentence said: a directory,
 * no permission, nothing there. */
int lines_open_file(const char *path);

/* 0, or -ENOMEM. The descriptor is closed by lines_close. */
int lines_open(struct lines *lines, int fd);
void lines_close(struct lines *lines);

/* 1 and a line without its newline, which may be written to up to SCAN_PADDING bytes behind its
 * end, until the next call. 0 when there is no whole line (any more, or yet), or -errno. */
int lines_next(struct lines *lines, char **line, size_t *length);

/* The same in two steps: one read, which says how much there was, 0 at the end, or -errno; and what
 * whole lines there are without reading more. */
ssize_t lines_fill(struct lines *lines);
bool lines_buffered(struct lines *lines, char **line, size_t *length);

/* What stands behind the last newline. 1, or 0 when there is nothing. */
int lines_rest(struct lines *lines, char **line, size_t *length);

#endif
