/* SPDX-License-Identifier: MIT */
/*
 * Reads one line of JSON into a flat list of values, with yajl. A tree of allocated nodes costs ten
 * times as much, and a log may have millions of lines.
 */
#ifndef MMFENCE_CLI_MODEL_SCAN_H
#define MMFENCE_CLI_MODEL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum scan_type {
	SCAN_NULL,
	SCAN_FALSE,
	SCAN_TRUE,
	SCAN_INTEGER,
	SCAN_REAL,
	SCAN_STRING,
	SCAN_ARRAY,
	SCAN_OBJECT
};

struct scan_value {
	enum scan_type type;
	uint32_t length; /* of a string */
	uint32_t next;	 /* the value behind this one and all that it holds */
	union {
		const char *text; /* of a string; ends with a NUL */
		int64_t integer;
	};
};

/* values[0] is the whole line. An object's members follow it: a key, then its value. */
struct scan {
	struct scan_value *values;
	uint32_t count, room;
	char *texts;
	size_t used, texts_room;
	uint32_t open, depth; /* while it is read */
};

/* The values are there until the next line. 0, or -EBADMSG when it is no JSON. */
int scan_line(struct scan *scan, const char *line, size_t length);
void scan_free(struct scan *scan);

/* A member by its dotted name, below an object; NULL when there is none. */
const struct scan_value *scan_below(const struct scan *scan, const struct scan_value *object,
				    const char *name);
const struct scan_value *scan_get(const struct scan *scan, const char *name);

/* "" and 0 when it is not there, or is something else. */
const char *scan_text(const struct scan *scan, const char *name);
int64_t scan_number(const struct scan *scan, const char *name);
const char *scan_text_of(const struct scan_value *value);
int64_t scan_number_of(const struct scan_value *value);

/* The values that an array or an object (keys and values) holds, one after the other:
 * for (v = scan_first(scan, it); v; v = scan_next(scan, it, v)) */
const struct scan_value *scan_first(const struct scan *scan, const struct scan_value *holder);
const struct scan_value *scan_next(const struct scan *scan, const struct scan_value *holder,
				   const struct scan_value *value);

/* lines.c: the lines of a file, a pipe or a log that still grows. A line that is longer than any
 * record can be is thrown away as it is read, and said to be bad. */
#define LINE_LONGEST (1 << 20)

struct lines {
	int fd;
	char *buffer;	 /* NULL: closed */
	size_t from, to; /* what was read, and not returned yet */
	off_t offset;	 /* in the file, of what is read next */
	bool skipping;	 /* the rest of a line that is too long */
	bool bad;	 /* the line that was just returned was too long */
};

/* A log by its name, "-" for standard input. Ends the command where it is a directory or a device,
 * may not be read or is not there. */
int lines_open_file(const char *path);

/* The descriptor is closed by lines_close. */
void lines_open(struct lines *lines, int fd);
void lines_close(struct lines *lines);

/* 1 and a line without its newline, until the next call. The last may have no newline. 0 at the
 * end, or -errno. */
int lines_next(struct lines *lines, char **line, size_t *length);

/* The same of lines that have a newline; at the end there may be more later. */
int lines_whole(struct lines *lines, char **line, size_t *length);

/* What stands behind the last newline. 1, or 0 when there is nothing. */
int lines_rest(struct lines *lines, char **line, size_t *length);

#endif
