/* SPDX-License-Identifier: MIT */
/*
 * The time, without libc: its clock_gettime may be another preload library's,
 * which lies, locks or needs TLS. Async-signal-safe, and usable on the lease thread.
 */
#ifndef MMFENCE_AUDIT_CLOCK_H
#define MMFENCE_AUDIT_CLOCK_H

#include <stdint.h>

#include "support/text.h"

struct moment {
	int64_t seconds; /* since 1970, UTC */
	int64_t nanoseconds;
};

/* clock is CLOCK_REALTIME, CLOCK_MONOTONIC_COARSE, … */
void clock_read(int clock, struct moment *now);

/* "2026-03-01T09:30:00.000125Z": ISO 8601, UTC, microseconds, 27 bytes for the years 0-9999. */
void clock_format(struct text *out, const struct moment *when);

#endif
