/* SPDX-License-Identifier: MIT */
/*
 * How many areas (VMAs) the process has, against vm.max_map_count. Counting reads
 * /proc/self/maps and so costs as much as there are areas; with C of them and a limit
 * of L the next count is due after (L - C) / 2 further calls, of which each makes two
 * areas at most: amortised it costs nothing, and the limit is never passed unseen.
 */
#ifndef MMFENCE_NONLINEAR_PRESSURE_H
#define MMFENCE_NONLINEAR_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

struct trace;

/* Whether the next call is to be followed by a count. No lock. */
bool pressure_due(void);
/* A call was made. */
void pressure_tick(void);
/* Counts if that is due, and reports a threshold that was passed. Inside a scope. */
void pressure_look(const struct trace *trace, uint64_t site);
/* A call failed with ENOMEM: counts, and reports if the limit is the reason; at most once a second
 * unless the site is new. */
void pressure_failed(const struct trace *trace, uint64_t site);
void pressure_after_fork(void);

#endif
