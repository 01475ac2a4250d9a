/* SPDX-License-Identifier: MIT */
/*
 * The table of call sites, keyed by backtrace, and what is counted for each.
 */
#include <time.h>

#include "audit/identity.h"
#include "audit/event.h"
#include "support/sys.h"
#include "nonlinear/nonlinear.h"
#include "support/text.h"

struct site {
	struct call_site head;
	enum site_kind kind;
	atomic_ullong calls, failed, bytes, sequential;
	atomic_llong first, last; /* nanoseconds since the epoch */
	atomic_llong smallest, largest;
	atomic_ullong next_page, next_address; /* where the call before ended */
};

CALL_SITES(sites, .size = sizeof(struct site));

struct site *site_get(enum site_kind kind, const struct trace *trace, bool *first)
{
	struct site *site = call_site_get(&sites, trace->hash ^ kind, trace, first);

	if (site && *first) {
		site->kind = kind;
		atomic_store(&site->smallest, INT64_MAX);
		atomic_store(&site->largest, INT64_MIN);
	}
	return site;
}

struct site *site_known(enum site_kind kind, const struct trace *trace)
{
	return call_site_known(&sites, trace->hash ^ kind);
}

/* ---- counting ---- */

static void add(atomic_ullong *counter, uint64_t value)
{
	atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static void note_time(struct site *site)
{
	struct moment now;

	clock_read(CLOCK_REALTIME_COARSE, &now);
	long long at = now.seconds * 1000000000 + now.nanoseconds;
	if (!atomic_load_explicit(&site->first, memory_order_relaxed))
		atomic_store_explicit(&site->first, at, memory_order_relaxed);
	atomic_store_explicit(&site->last, at, memory_order_relaxed);
}

/* Two threads at one site may see each other's steps; none is lost in a program with one. */
static void note_step(struct site *site, const struct placing *placing)
{
	uint64_t pages = PAGE_UP(placing->size) / PAGE_BYTES;
	uint64_t before = atomic_exchange_explicit(&site->next_page, placing->page + pages,
						   memory_order_relaxed);
	uint64_t address = atomic_exchange_explicit(
		&site->next_address, placing->address + pages * PAGE_BYTES, memory_order_relaxed);

	if (!address)
		return;
	long long step = (long long)(placing->page - before);
	if (step < atomic_load_explicit(&site->smallest, memory_order_relaxed))
		atomic_store_explicit(&site->smallest, step, memory_order_relaxed);
	if (step > atomic_load_explicit(&site->largest, memory_order_relaxed))
		atomic_store_explicit(&site->largest, step, memory_order_relaxed);
	if (!step && address == placing->address)
		add(&site->sequential, 1);
}

void site_count(struct site *site, const struct placing *placing, long result)
{
	add(&site->calls, 1);
	note_time(site);
	if (result) {
		add(&site->failed, 1);
		return;
	}
	add(&site->bytes, placing->size);
	note_step(site, placing);
}

/* ---- totals ---- */

static void record_time(struct record *record, const char *name, long long nanoseconds)
{
	struct moment moment = { nanoseconds / 1000000000, nanoseconds % 1000000000 };
	char buffer[40];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	clock_format(&text, &moment);
	record_str(record, name, buffer);
}

static void record_steps(struct record *record, const struct site *site)
{
	int64_t smallest = atomic_load(&site->smallest), largest = atomic_load(&site->largest);

	if (smallest > largest)
		return;
	record_int(record, "mmfence.total.smallest_step", smallest);
	record_int(record, "mmfence.total.largest_step", largest);
}

static void forget_counts(struct site *site)
{
	atomic_store(&site->sequential, 0);
	atomic_store(&site->first, 0);
	atomic_store(&site->smallest, INT64_MAX);
	atomic_store(&site->largest, INT64_MIN);
	atomic_store(&site->next_address, 0);
}

static void report_total(struct site *site)
{
	uint64_t calls = atomic_exchange(&site->calls, 0);
	uint64_t failed = atomic_exchange(&site->failed, 0);
	uint64_t bytes = atomic_exchange(&site->bytes, 0);

	if (!calls)
		return;
	struct record *record =
		record_begin(EVENT_NONLINEAR_TOTAL, OUTCOME_SUCCESS, &site->head.trace);
	record_site(record, site->head.trace.hash);
	record_str(record, "mmfence.total.kind", site->kind == SITE_REMAP ? "remap" : "rewire");
	record_uint(record, "mmfence.total.calls", calls);
	record_uint(record, "mmfence.total.failed", failed);
	record_uint(record, "mmfence.total.bytes", bytes);
	record_time(record, "mmfence.total.first", atomic_load(&site->first));
	record_time(record, "mmfence.total.last", atomic_load(&site->last));
	record_steps(record, site);
	record_uint(record, "mmfence.total.sequential", atomic_load(&site->sequential));
	record_emit(record);
	forget_counts(site);
}

void sites_report(void)
{
	lock_take(&sites.lock);
	EACH_CALL_SITE(site, &sites)
	report_total((struct site *)site);
	lock_drop(&sites.lock);
}

/* The parent reports what it counted; the child's first call of each site is a first call again. */
void sites_after_fork(void)
{
	call_sites_forget(&sites);
}
