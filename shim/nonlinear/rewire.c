/* SPDX-License-Identifier: MIT */
/*
 * Nonlinear windows made without remap_file_pages: an mmap(MAP_SHARED|MAP_FIXED) over
 * part of a shared mapping of the same file, that puts another page there. What was
 * there, and what is there now, is asked of the kernel, at the cost of such calls alone.
 */
#include <errno.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "support/sys.h"
#include "nonlinear/nonlinear.h"
#include "policy/policy.h"
#include "mapping/request.h"
#include "support/arena.h"

#define PATH_BYTES 1024

/* A mapping that is replaced as a whole, with nothing of its file beside it, stays linear. */
static bool has_neighbour(const struct vma *area, uintptr_t end)
{
	struct vma other;

	return (!vma_find(area->start - 1, &other, NULL, 0) && other.end == area->start &&
		vma_shares_file(area, &other)) ||
	       (!vma_find(end, &other, NULL, 0) && other.start == end &&
		vma_shares_file(area, &other));
}

void nonlinear_rewire_look(const struct map_request *request, struct rewire *rewire)
{
	uintptr_t end = request->address + PAGE_UP(request->length);

	rewire->possible = false;
	if (the_policy.audit_nonlinear == AUDIT_NONLINEAR_OFF || !audit_enabled() ||
	    vma_find(request->address, &rewire->area, NULL, 0))
		return;
	const struct vma *area = &rewire->area;
	if (area->start >= end || !area->shared || !vma_has_file(area))
		return;
	bool whole = area->start >= request->address && area->end <= end;
	rewire->possible = !whole || has_neighbour(area, end);
}

/* The page of the file that was at the first replaced address, and the one that is there now. */
struct change {
	uintptr_t address;
	uint64_t before, now;
};

/* What is at an address of the area, as a page of its file. */
static uint64_t page_at(const struct vma *area, uintptr_t address)
{
	return (area->offset + (address - area->start)) / PAGE_BYTES;
}

static bool changed(const struct map_request *request, const struct rewire *rewire, char *path,
		    size_t path_size, struct change *change)
{
	const struct vma *old = &rewire->area;
	struct vma now;

	change->address = old->start > request->address ? old->start : request->address;
	if (!vma_at(change->address, &now, path, path_size) || !vma_shares_file(old, &now))
		return false;
	change->before = page_at(old, change->address);
	change->now = page_at(&now, change->address);
	return change->before != change->now;
}

static void report(const struct map_request *request, const struct change *change, const char *path,
		   const struct trace *trace)
{
	struct record *record = record_begin(EVENT_NONLINEAR_REWIRE, OUTCOME_SUCCESS, trace);

	record_str(record, "file.path", path);
	record_site(record, trace->hash);
	record_address(record, "mmfence.mapping.address", change->address);
	record_uint(record, "mmfence.mapping.length",
		    request->address + request->length - change->address);
	record_uint(record, "mmfence.mapping.page_offset", change->now);
	record_uint(record, "mmfence.mapping.linear_page_offset", change->before);
	record_emit(record);
}

/* False: it was no rewire. */
static bool recorded(const struct map_request *request, const struct rewire *rewire,
		     const struct trace *trace)
{
	char *path = arena_alloc(PATH_BYTES);
	struct change change;
	bool is = changed(request, rewire, path, path ? PATH_BYTES : 0, &change);

	if (is)
		report(request, &change, path, trace);
	arena_free(path, PATH_BYTES);
	return is;
}

static void note(const struct map_request *request, const struct rewire *rewire,
		 const struct trace *trace)
{
	struct placing placing = { request->address, request->length,
				   (uint64_t)request->offset / PAGE_BYTES };
	struct site *site = site_known(SITE_REWIRE, trace);
	struct change change;
	bool first;

	if (!site || the_policy.audit_nonlinear == AUDIT_NONLINEAR_EVERY) {
		if (!recorded(request, rewire, trace))
			return;
		site = site ? site : site_get(SITE_REWIRE, trace, &first);
	} else if (!changed(request, rewire, NULL, 0, &change)) {
		return;
	}
	if (site)
		site_count(site, &placing, 0);
	pressure_tick();
	pressure_look(trace, trace->hash);
}

void nonlinear_rewire_done(const struct call *call, const struct map_request *request,
			   const struct rewire *rewire, long result)
{
	struct trace trace;

	if (!rewire->possible || (sys_failed(result) && result != -ENOMEM))
		return;
	trace_capture(&trace, call->ip, call->cfa);
	if (result == -ENOMEM)
		pressure_failed(&trace, trace.hash);
	else
		note(request, rewire, &trace);
}
