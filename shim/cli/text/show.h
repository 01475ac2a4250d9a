/* SPDX-License-Identifier: MIT */
/*
 * Numbers and names as people read them. Names in a log come from the program:
 * control characters never reach the terminal.
 */
#ifndef MMFENCE_CLI_TEXT_SHOW_H
#define MMFENCE_CLI_TEXT_SHOW_H

#include <stdint.h>
#include <stdio.h>

/* "" for one, "s" for others. */
const char *plural(int64_t n);

/* "512.0 KiB" */
void put_size(FILE *out, int64_t bytes);

/* "314 µs", "1.2 ms", "45.0 s" */
void put_duration(FILE *out, int64_t microseconds);

/* Of the control character that a text begins with, in bytes; 0: with none. */
size_t control_length(const char *text);

/* At most `most` bytes: the end of a long path says more than its beginning. */
void put_visible(FILE *out, const char *text, size_t most);

#endif
