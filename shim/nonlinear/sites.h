/* SPDX-License-Identifier: MIT */
/*
 * Call sites: one entry for each distinct backtrace, found without a lock once it was
 * met, and never freed. What is counted there is reported at the end.
 */
#ifndef MMFENCE_NONLINEAR_SITES_H
#define MMFENCE_NONLINEAR_SITES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/trace.h"

enum site_kind { SITE_REMAP, SITE_REWIRE };

struct site;
struct record;

/* One call: the bytes at an address show the file from this page on. */
struct placing {
	uintptr_t address;
	uint64_t size, page;
};

/* The site of this backtrace, and whether it is new; NULL when there is no memory for it. */
struct site *site_get(enum site_kind kind, const struct trace *trace, bool *first);
/* The same if it was met lately, otherwise NULL. No lock: async-signal-safe. */
struct site *site_known(enum site_kind kind, const struct trace *trace);
/* Counts a call and its result. Async-signal-safe. */
void site_count(struct site *site, const struct placing *placing, long result);

/* The totals since the last time, as records. */
void sites_report(void);
void sites_after_fork(void);

#endif
