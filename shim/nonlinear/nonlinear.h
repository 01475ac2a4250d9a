/* SPDX-License-Identifier: MIT */
/*
 * Nonlinear mappings: the calls of remap_file_pages and the mmap calls that do the
 * same, by call site; the emulation of the former; and how near they bring the
 * process to vm.max_map_count.
 */
#ifndef MMFENCE_NONLINEAR_NONLINEAR_H
#define MMFENCE_NONLINEAR_NONLINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/vma.h"
#include "mapping/request.h"
#include "support/call.h"

/* Makes the call, records it as audit.nonlinear wants: the kernel's result, or that of the
 * emulation, or -ENOSYS under nonlinear.policy=refuse. Inside a scope. */
long nonlinear_remap(const struct call *call, const struct remap_request *request);

/* The same for a call from a site that was met before and of which only the count is wanted: true,
 * and done. No scope, no lock: async-signal-safe. */
bool nonlinear_remap_known(const struct call *call, const struct remap_request *request,
			   long *result);

/* What an mmap(MAP_SHARED|MAP_FIXED) of a file is about to replace. */
struct rewire {
	bool possible;
	struct vma area; /* the first that it takes from */
};

/* Before and after such a call, inside a scope. */
void nonlinear_rewire_look(const struct map_request *request, struct rewire *rewire);
void nonlinear_rewire_done(const struct call *call, const struct map_request *request,
			   const struct rewire *rewire, long result);

/* A call that makes or splits areas failed with ENOMEM: says so if it was because of
 * vm.max_map_count. Inside a scope. */
void nonlinear_no_memory(const struct call *call);

/* The totals of every call site since the last time, as records: at exit and before exec. */
void nonlinear_totals(void);

/* Once the gate is closed. */
void nonlinear_before_fork(void);
/* A child counts for itself. */
void nonlinear_after_fork(void);

#endif
