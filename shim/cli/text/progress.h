/* SPDX-License-Identifier: MIT */
/*
 * A bar on a terminal for what takes longer than a second. Nothing anywhere else.
 */
#ifndef MMFENCE_CLI_TEXT_PROGRESS_H
#define MMFENCE_CLI_TEXT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on, shown;
	int64_t total, begun, last; /* milliseconds */
};

/* total: bytes; 0 when it is not known. */
void progress_begin(struct progress *progress, int64_t total);
void progress_at(struct progress *progress, const char *what, int64_t done);
void progress_end(struct progress *progress);

#endif
