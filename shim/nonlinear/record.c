/* SPDX-License-Identifier: MIT */
/*
 * The record of remap_file_pages: a table of call sites keyed by backtrace. What was
 * mapped there before is asked of the kernel, and only for calls that get a record.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "kernel/raw.h"
#include "kernel/vma.h"
#include "nonlinear/nonlinear.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"
#include "support/lock.h"
#include "support/text.h"

#define uthash_malloc(size)	  arena_alloc(size)
#define uthash_free(block, size)  arena_free(block, size)
#define HASH_NONFATAL_OOM	  1
#define uthash_nonfatal_oom(site) ((site)->unlisted = true)
#include <uthash.h>

#define PATH_BYTES 1024

struct site {
	struct trace trace;
	atomic_ullong calls, failed, bytes;
	bool unlisted;
	UT_hash_handle hh;
};

static struct lock sites_lock;
static struct site *sites;

/* Sites that were met before, by their hash: found without a lock, and never freed. */
#define KNOWN_SITES 256
static struct site *_Atomic known[KNOWN_SITES];

static struct site *_Atomic *known_slot(uint64_t hash)
{
	return &known[hash % KNOWN_SITES];
}

/* The site of this backtrace, and whether it is new; NULL when there is no memory for it. */
static struct site *site_get(const struct trace *trace, bool *first)
{
	struct site *site;

	*first = false;
	lock_take(&sites_lock);
	HASH_FIND(hh, sites, &trace->hash, sizeof(trace->hash), site);
	if (!site && (site = arena_alloc(sizeof(*site)))) {
		site->trace = *trace;
		HASH_ADD(hh, sites, trace.hash, sizeof(site->trace.hash), site);
		if (site->unlisted) {
			arena_free(site, sizeof(*site));
			site = NULL;
		}
		*first = true;
	}
	lock_drop(&sites_lock);
	if (site)
		atomic_store(known_slot(trace->hash), site);
	return site;
}

static void record_site(struct record *record, const struct trace *trace)
{
	char buffer[20];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	text_add_hex(&text, trace->hash, 16);
	record_str(record, "mmfence.site", buffer);
}

/* What was there before the call. */
struct before {
	struct vma vma;
	bool known;
	char path[PATH_BYTES];
};

static void look(uintptr_t address, struct before *before)
{
	before->known = !vma_find(address, &before->vma, before->path, sizeof(before->path)) &&
			before->vma.start <= address;
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

static void report(const struct remap_request *request, const struct trace *trace,
		   const struct before *before, long result)
{
	struct record *record = record_begin(EVENT_NONLINEAR_REMAP,
					     result ? OUTCOME_FAILURE : OUTCOME_SUCCESS, trace);

	if (before->known)
		record_str(record, "file.path", before->path);
	if (result)
		record_error(record, (int)-result, NULL);
	record_site(record, trace);
	if (the_policy.nonlinear_policy == NONLINEAR_REFUSE)
		record_str(record, "mmfence.policy", "refuse");
	record_address(record, "mmfence.mapping.address", request->address);
	record_uint(record, "mmfence.mapping.length", request->size);
	record_uint(record, "mmfence.mapping.page_offset", request->page_offset);
	record_before(record, request, before);
	record_emit(record);
}

static long kernel_remap(void *argument)
{
	const struct remap_request *request = argument;

	return raw(SYS_remap_file_pages, request->address, request->size, request->protection,
		   request->page_offset, request->flags);
}

static long perform(const struct call *call, const struct remap_request *request)
{
	struct remap_request copy = *request;

	if (the_policy.nonlinear_policy == NONLINEAR_REFUSE)
		return -ENOSYS;
	if (!index_may_touch(request->address, request->address + PAGE_UP(request->size)))
		return kernel_remap(&copy);
	return snapshot_remap(call, request->address, request->size,
			      (int64_t)request->page_offset * (int64_t)PAGE_BYTES, kernel_remap,
			      &copy);
}

static long perform_and_report(const struct call *call, const struct remap_request *request,
			       const struct trace *trace)
{
	struct before *before = arena_alloc(sizeof(*before));

	if (before)
		look(request->address, before);
	long result = perform(call, request);
	if (before) {
		report(request, trace, before, result);
		arena_free(before, sizeof(*before));
	}
	return result;
}

static void count(struct site *site, const struct remap_request *request, long result)
{
	atomic_fetch_add_explicit(&site->calls, 1, memory_order_relaxed);
	if (result)
		atomic_fetch_add_explicit(&site->failed, 1, memory_order_relaxed);
	else
		atomic_fetch_add_explicit(&site->bytes, request->size, memory_order_relaxed);
}

long nonlinear_remap(const struct call *call, const struct remap_request *request)
{
	struct trace trace;
	bool first;

	if (the_policy.audit_nonlinear == AUDIT_NONLINEAR_OFF || !audit_enabled())
		return perform(call, request);
	trace_capture(&trace, call->ip, call->cfa);
	struct site *site = site_get(&trace, &first);
	bool wanted = first || the_policy.audit_nonlinear == AUDIT_NONLINEAR_EVERY;
	long result = wanted ? perform_and_report(call, request, &trace) : perform(call, request);
	if (site)
		count(site, request, result);
	return result;
}

bool nonlinear_remap_known(const struct call *call, const struct remap_request *request,
			   long *result)
{
	struct trace trace;

	if (the_policy.audit_nonlinear != AUDIT_NONLINEAR_SITES ||
	    the_policy.nonlinear_policy != NONLINEAR_ALLOW || !audit_enabled() ||
	    index_may_touch(request->address, request->address + PAGE_UP(request->size)))
		return false;
	trace_capture(&trace, call->ip, call->cfa);
	struct site *site = atomic_load_explicit(known_slot(trace.hash), memory_order_acquire);
	if (!site || site->trace.hash != trace.hash)
		return false;
	*result = kernel_remap((void *)request);
	count(site, request, *result);
	return true;
}

static void report_total(struct site *site)
{
	uint64_t calls = atomic_exchange(&site->calls, 0);
	uint64_t failed = atomic_exchange(&site->failed, 0);
	uint64_t bytes = atomic_exchange(&site->bytes, 0);

	if (!calls)
		return;
	struct record *record = record_begin(EVENT_NONLINEAR_TOTAL, OUTCOME_SUCCESS, &site->trace);
	record_site(record, &site->trace);
	record_uint(record, "mmfence.total.calls", calls);
	record_uint(record, "mmfence.total.failed", failed);
	record_uint(record, "mmfence.total.bytes", bytes);
	record_emit(record);
}

void nonlinear_totals(void)
{
	lock_take(&sites_lock);
	for (struct site *site = sites; site; site = site->hh.next)
		report_total(site);
	lock_drop(&sites_lock);
}

/* The parent reports what it counted; the child's first call of each site is a first call again. */
void nonlinear_after_fork(void)
{
	lock_reset(&sites_lock);
	sites = NULL;
	for (int i = 0; i < KNOWN_SITES; i++)
		atomic_store(&known[i], NULL);
}
