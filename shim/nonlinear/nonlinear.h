/* SPDX-License-Identifier: MIT */
/*
 * Nonlinear mappings: the calls of remap_file_pages, by call site.
 */
#ifndef MMFENCE_NONLINEAR_NONLINEAR_H
#define MMFENCE_NONLINEAR_NONLINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/call.h"

struct remap_request {
	uintptr_t address;
	size_t size;
	int protection;
	size_t page_offset;
	int flags;
};

/* Makes the call, records it as audit.nonlinear wants: the kernel's result, or -ENOSYS under
 * nonlinear.policy=refuse. Inside a scope. */
long nonlinear_remap(const struct call *call, const struct remap_request *request);

/* The same for a call from a site that was met before and of which only the count is wanted: true,
 * and done. No scope, no lock: async-signal-safe. */
bool nonlinear_remap_known(const struct call *call, const struct remap_request *request,
			   long *result);

/* The totals of every call site since the last time, as records: at exit and before exec. */
void nonlinear_totals(void);

/* A child counts for itself. */
void nonlinear_after_fork(void);

#endif
