/* SPDX-License-Identifier: MIT */
/*
 * Reads one line of JSON into a flat list of values, in the line's own memory:
 * strings are unescaped and ended where they stand. A tree of allocated nodes costs
 * twenty times as much, and a log may have millions of lines. As strict as RFC 8259.
 */
#ifndef MMFENCE_CLI_MODEL_SCAN_H
#define MMFENCE_CLI_MODEL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What must be readable behind a line. */
#define SCAN_PADDING 16

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
		const char *text; /* ends with a NUL; of a real, as it stood in the line */
		int64_t integer;
	};
};

/* values[0] is the whole line. An object's members follow it: a key, then its value. */
struct scan {
	struct scan_value *values;
	uint32_t count, room;
};

/* The line is changed, and must stay for as long as the values are looked at. 0, -EBADMSG when it
 * is no JSON, -ENOMEM. */
int scan_line(struct scan *scan, char *line, size_t length);
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

#endif
