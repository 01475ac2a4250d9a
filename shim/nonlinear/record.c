/* SPDX-License-Identifier: MIT */
/*
 * remap_file_pages: made by the kernel or emulated, and recorded by call site. What
 * was mapped there before is asked of the kernel, and only for calls that get a record.
 */
#include <errno.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "support/sys.h"
#include "kernel/vma.h"
#include "nonlinear/nonlinear.h"
#include "policy/policy.h"
#include "mapping/index.h"
#include "mapping/request.h"
#include "support/arena.h"

#define PATH_BYTES 1024

/* What was there before the call. */
struct before {
	struct vma vma;
	bool known;
	char path[PATH_BYTES];
};

static void look(uintptr_t address, struct before *before)
{
	before->known = vma_at(address, &before->vma, before->path, sizeof(before->path));
}

static void record_before(struct record *record, const struct remap_request *request,
			  const struct before *before)
{
	char protection[5];

	if (!before->known)
		return;
	uint64_t at = before->vma.offset + (request->address - before->vma.start);
	vma_protection_text(before->vma.protection, before->vma.shared, protection);
	record_uint(record, "mmfence.mapping.linear_page_offset", at / PAGE_BYTES);
	record_str(record, "mmfence.mapping.protection", protection);
}

/* ---- the call ---- */

struct remapping {
	const struct remap_request *request;
	enum way way; /* of the emulation; WAY_KERNEL: it was not needed */
};

static long kernel_remap(const struct remap_request *request)
{
	return sys_remap_file_pages(request->address, request->size, request->protection,
				    request->page_offset, request->flags);
}

static long remap_somehow(void *argument)
{
	struct remapping *remapping = argument;
	long result = -ENOSYS;

	if (!emulate_at_once())
		result = kernel_remap(remapping->request);
	if (!emulate_wanted(result))
		return result;
	long emulated = emulate_remap(remapping->request, &remapping->way);
	if (remapping->way != WAY_NONE)
		return emulated;
	/* Nothing was found that leads to the file: the kernel has the last word. */
	return emulate_at_once() ? kernel_remap(remapping->request) : result;
}

static long perform(struct remapping *remapping)
{
	const struct remap_request *request = remapping->request;

	uintptr_t start = PAGE_DOWN(request->address);
	uintptr_t end = start + PAGE_DOWN(request->size);

	if (the_policy.nonlinear_policy == NONLINEAR_REFUSE)
		return -ENOSYS;
	if (!index_may_touch(start, end))
		return remap_somehow(remapping);
	return mapping_remap(start, end, remap_somehow, remapping);
}

/* ---- the record ---- */

/* Arguments can be anything; the readers of logs have signed 64-bit integers. */
static void record_argument(struct record *record, const char *name, size_t value)
{
	uint64_t number = value;

	record_uint(record, name, number > INT64_MAX ? INT64_MAX : number);
}

static void report(const struct remapping *remapping, const struct trace *trace,
		   const struct before *before, long result)
{
	const struct remap_request *request = remapping->request;
	struct record *record = record_begin(EVENT_NONLINEAR_REMAP,
					     result ? OUTCOME_FAILURE : OUTCOME_SUCCESS, trace);

	if (before->known)
		record_str(record, "file.path", before->path);
	if (result)
		record_error(record, (int)-result, NULL);
	record_site(record, trace->hash);
	if (the_policy.nonlinear_policy == NONLINEAR_REFUSE)
		record_str(record, "mmfence.policy", "refuse");
	if (way_name(remapping->way))
		record_str(record, "mmfence.emulated", way_name(remapping->way));
	record_address(record, "mmfence.mapping.address", request->address);
	record_argument(record, "mmfence.mapping.length", request->size);
	record_argument(record, "mmfence.mapping.page_offset", request->page_offset);
	record_before(record, request, before);
	record_emit(record);
}

static long perform_and_report(struct remapping *remapping, const struct trace *trace)
{
	struct before *before = arena_alloc(sizeof(*before));

	if (before)
		look(remapping->request->address, before);
	long result = perform(remapping);
	if (before) {
		report(remapping, trace, before, result);
		arena_free(before, sizeof(*before));
	}
	return result;
}

/* ---- counting ---- */

static void count(struct site *site, const struct remap_request *request, long result)
{
	struct placing placing = { PAGE_DOWN(request->address), request->size,
				   request->page_offset };

	if (site)
		site_count(site, &placing, result);
	if (!result)
		pressure_tick();
}

long nonlinear_remap(const struct call *call, const struct remap_request *request)
{
	struct remapping remapping = { request, WAY_KERNEL };
	struct trace trace;
	bool first;

	if (the_policy.audit_nonlinear == AUDIT_NONLINEAR_OFF || !audit_enabled())
		return perform(&remapping);
	trace_capture(&trace, call->ip, call->cfa);
	struct site *site = site_get(SITE_REMAP, &trace, &first);
	bool wanted = first || the_policy.audit_nonlinear == AUDIT_NONLINEAR_EVERY;
	long result = wanted ? perform_and_report(&remapping, &trace) : perform(&remapping);
	count(site, request, result);
	if (result == -ENOMEM)
		pressure_failed(&trace, trace.hash);
	else
		pressure_look(&trace, trace.hash);
	return result;
}

/* False: the rest is for a scope, where the kernel gives the same answer again. */
static bool remap_fast(const struct remap_request *request, long *result)
{
	*result = kernel_remap(request);
	return *result != -ENOMEM && *result != -ENOSYS && *result != -EPERM;
}

bool nonlinear_remap_known(const struct call *call, const struct remap_request *request,
			   long *result)
{
	struct trace trace;

	if (the_policy.nonlinear_policy != NONLINEAR_ALLOW || emulate_at_once() ||
	    index_may_touch(request->address, request->address + PAGE_UP(request->size)))
		return false;
	if (the_policy.audit_nonlinear == AUDIT_NONLINEAR_OFF || !audit_enabled())
		return remap_fast(request, result);
	if (the_policy.audit_nonlinear != AUDIT_NONLINEAR_SITES || pressure_due())
		return false;
	trace_capture(&trace, call->ip, call->cfa);
	struct site *site = site_known(SITE_REMAP, &trace);
	if (!site || !remap_fast(request, result))
		return false;
	count(site, request, *result);
	return true;
}

void nonlinear_no_memory(const struct call *call)
{
	struct trace trace;

	if (the_policy.audit_nonlinear == AUDIT_NONLINEAR_OFF || !audit_enabled())
		return;
	trace_capture(&trace, call->ip, call->cfa);
	pressure_failed(&trace, trace.hash);
}
