/* SPDX-License-Identifier: MIT */
/*
 * Nonlinear mappings: the calls of remap_file_pages and the mmap calls that do the
 * same, by call site; the emulation of the former; and how near they bring the
 * process to vm.max_map_count.
 */
#ifndef MMFENCE_NONLINEAR_NONLINEAR_H
#define MMFENCE_NONLINEAR_NONLINEAR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/trace.h"
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

/* ---- emulate.c ---- */

enum way {
	WAY_KERNEL,    /* no emulation */
	WAY_NONE,      /* the file cannot be reached */
	WAY_REFUSED,   /* nothing was to be mapped: the arguments are bad */
	WAY_MAPPING,   /* out of a mapping of the file that was there */
	WAY_MAP_FILES, /* /proc/self/map_files */
	WAY_PATH,      /* its path */
};

/* For events; NULL where there was no emulation. */
const char *way_name(enum way way);

/* mmap, as sys_mmap has it, of the file that area shows. The address or -errno; *way is WAY_NONE if
 * the file could not be opened. */
long reopen_map(const struct vma *area, uintptr_t address, uint64_t size, int protection, int flags,
		uint64_t page, enum way *way);

void reopen_after_fork(void);

/* ---- copy.c ---- */

/* The mapping at `from`, as far as pages go. */
long copy_make(uintptr_t from, uint64_t pages);
/* One page of a mapping of area's file, without access, lock and advice; *page is the one that it
 * shows, which is asked of the copy, for another thread may have changed the original: -EAGAIN when
 * that is another file by now. */
long copy_page(const struct vma *area, uintptr_t from, uint64_t *page);
/* What lies that many pages behind, with the protection of `from`. */
long copy_far(uintptr_t from, uint64_t distance, uint64_t pages);

/* Frees it of attributes that the program gave its memory, and a copy of it inherits. */
void copy_clean(uintptr_t address, uint64_t pages);

/* Nothing is at 0, nor at an -errno. */
void copy_unmap(uintptr_t address, uint64_t pages);

/* ---- anchor.c ---- */

/* One emulated call at a time. */
void anchors_take(void);
void anchors_drop(void);

/* With the lock. 0, or -EINVAL when the kernel takes the area for no shared mapping: a descriptor
 * that cannot write was mapped. */
int anchor_check(const struct vma *area);
/* Doubles pages of the file that area shows, with its protection, to an address where they replace
 * what is there; area need not be there any more. 0 or -errno: then nothing was replaced. *way is
 * how the file was found. */
long anchor_double(const struct vma *area, uint64_t page, uint64_t pages, uintptr_t to,
		   enum way *way);

/* The program mapped a file shared, or memory (fd is -1): an anchor from the first page on, while
 * something leads there. */
void anchor_note(uintptr_t address, size_t length, int fd);
/* The program moved a mapping to here. */
void anchor_note_moved(uintptr_t start, uintptr_t end);
/* The program unmapped, moved or covered this range. */
void anchor_note_gone(uintptr_t start, uintptr_t end);

/* Whether a file with an anchor may be mapped there. Lock-free. */
bool anchor_may_touch(uintptr_t start, uintptr_t end);

/* To one page each: address space is about to be limited, or all memory to be locked; and after the
 * latter, so that nothing doubled inherits the lock. */
void anchors_trim(void);

/* Nobody is inside once the gate is closed. */
void anchors_before_fork(void);
void anchors_after_fork(void);

/* ---- emulate.c ---- */

/* Whether the kernel need not be asked: nonlinear.emulate=always, or it is known to have no such
 * call. */
bool emulate_at_once(void);
/* Whether the kernel's answer is one that asks for emulation. */
bool emulate_wanted(long result);

/* 0, or the kernel's -errno. *way is how the file was found; WAY_NONE when it was not, and then
 * nothing is changed and the result means nothing. Inside a scope. */
long emulate_remap(const struct remap_request *request, enum way *way);

/* The program set or lifted a lock, gave advice or a protection key for this range: attributes that
 * are asked for from then on. */
void emulate_note_attributes(uintptr_t start, uintptr_t end);
/* Whether there are any. Lock-free. */
bool emulate_has_attributes(void);
/* mlockall worked; 0: munlockall. */
void emulate_note_lock_all(int flags);

void emulate_after_fork(void);

/* ---- sites.c ---- */

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

/* ---- pressure.c ---- */

struct trace;

/* Whether the next call is to be followed by a count. No lock. */
bool pressure_due(void);
/* A call was made. */
void pressure_tick(void);
/* Counts if that is due, and reports a threshold that was passed. Inside a scope. */
void pressure_look(const struct trace *trace, uint64_t site);
/* A call failed with ENOMEM: counts, at most once a second, and reports if the limit is the reason,
 * at most once a second for each site. */
void pressure_failed(const struct trace *trace, uint64_t site);
void pressure_after_fork(void);

#endif
