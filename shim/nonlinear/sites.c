/* SPDX-License-Identifier: MIT */
/*
 * The table of call sites, keyed by backtrace, and what is counted for each: see
 * sites.h. Which site put something at an address is remembered in a table without
 * locks where a later call may take an earlier one's place; an area counts for the
 * site that is remembered for its first page.
 */
#include <string.h>
#include <time.h>

#include "audit/clock.h"
#include "audit/event.h"
#include "support/sys.h"
#include "nonlinear/pressure.h"
#include "nonlinear/sites.h"
#include "support/arena.h"
#include "support/lock.h"
#include "support/text.h"

#define uthash_malloc(size)	  arena_alloc(size)
#define uthash_free(block, size)  arena_free(block, size)
#define HASH_NONFATAL_OOM	  1
#define uthash_nonfatal_oom(site) ((site)->unlisted = true)
#include <uthash.h>

struct site {
	struct trace trace;
	enum site_kind kind;
	uint16_t number; /* from 1; 0: too many */
	atomic_ullong calls, failed, bytes, sequential;
	atomic_llong first, last; /* nanoseconds since the epoch */
	atomic_llong smallest, largest;
	atomic_ullong next_page, next_address; /* where the call before ended */
	uint64_t areas, counted; /* the most that were counted, and those of this count */
	bool unlisted, listed;
	UT_hash_handle hh;
};

static struct lock sites_lock;
static struct site *sites;

/* Sites that were met before, by their hash. */
#define KNOWN_SITES 256
static struct site *_Atomic known[KNOWN_SITES];

/* Page number of an address << 16 | site number. */
#define PLACES	 (1UL << 17)
#define NUMBERED 1024
static atomic_ullong places[PLACES]; /* untouched until there is a call: no area of its own */
static struct site *numbered[NUMBERED];
static uint16_t last_number;

static struct site *_Atomic *known_slot(uint64_t hash)
{
	return &known[hash % KNOWN_SITES];
}

static void number_site(struct site *site)
{
	if (last_number + 1 >= NUMBERED)
		return;
	site->number = ++last_number;
	numbered[site->number] = site;
}

static struct site *site_new(enum site_kind kind, const struct trace *trace)
{
	struct site *site = arena_alloc(sizeof(*site));

	if (!site)
		return NULL;
	site->trace = *trace;
	site->kind = kind;
	atomic_store(&site->smallest, INT64_MAX);
	atomic_store(&site->largest, INT64_MIN);
	HASH_ADD(hh, sites, trace.hash, sizeof(site->trace.hash), site);
	if (site->unlisted) {
		arena_free(site, sizeof(*site));
		return NULL;
	}
	number_site(site);
	return site;
}

struct site *site_get(enum site_kind kind, const struct trace *trace, bool *first)
{
	struct site *site;

	*first = false;
	lock_take(&sites_lock);
	HASH_FIND(hh, sites, &trace->hash, sizeof(trace->hash), site);
	if (!site) {
		site = site_new(kind, trace);
		*first = true;
	}
	lock_drop(&sites_lock);
	if (site)
		atomic_store(known_slot(trace->hash), site);
	return site;
}

struct site *site_known(enum site_kind kind, const struct trace *trace)
{
	struct site *site = atomic_load_explicit(known_slot(trace->hash), memory_order_acquire);

	return site && site->trace.hash == trace->hash && site->kind == kind ? site : NULL;
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

static atomic_ullong *place_of(uintptr_t address)
{
	return &places[address / PAGE_BYTES % PLACES];
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
	atomic_store_explicit(place_of(placing->address),
			      (unsigned long long)(placing->address / PAGE_BYTES) << 16 |
				      site->number,
			      memory_order_relaxed);
}

/* ---- areas ---- */

void sites_areas_begin(void)
{
	lock_take(&sites_lock);
	for (struct site *site = sites; site; site = site->hh.next)
		site->counted = 0;
}

void sites_area(uintptr_t start)
{
	uint64_t found = atomic_load_explicit(place_of(start), memory_order_relaxed);
	unsigned int number = found & 0xffff;

	if (found >> 16 == start / PAGE_BYTES && number && number <= last_number)
		numbered[number]->counted++;
}

void sites_areas_end(void)
{
	for (struct site *site = sites; site; site = site->hh.next)
		if (site->counted > site->areas)
			site->areas = site->counted;
	lock_drop(&sites_lock);
}

#define TOP 5

/* The site with the most areas of those that are not listed yet. */
static struct site *next_top(void)
{
	struct site *most = NULL;

	for (struct site *site = sites; site; site = site->hh.next)
		if (site->counted && !site->listed && (!most || site->counted > most->counted))
			most = site;
	return most;
}

void sites_add_top(struct text *out)
{
	struct site *site;

	lock_take(&sites_lock);
	for (site = sites; site; site = site->hh.next)
		site->listed = false;
	for (int i = 0; i < TOP && (site = next_top()); i++) {
		site->listed = true;
		if (out->length)
			text_add_char(out, ' ');
		text_add_hex(out, site->trace.hash, 16);
		text_add_char(out, '=');
		text_add_uint(out, site->counted);
	}
	lock_drop(&sites_lock);
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
	site->areas = 0;
}

static void report_total(struct site *site)
{
	uint64_t calls = atomic_exchange(&site->calls, 0);
	uint64_t failed = atomic_exchange(&site->failed, 0);
	uint64_t bytes = atomic_exchange(&site->bytes, 0);

	if (!calls)
		return;
	struct record *record = record_begin(EVENT_NONLINEAR_TOTAL, OUTCOME_SUCCESS, &site->trace);
	record_site(record, site->trace.hash);
	record_str(record, "mmfence.total.kind", site->kind == SITE_REMAP ? "remap" : "rewire");
	record_uint(record, "mmfence.total.calls", calls);
	record_uint(record, "mmfence.total.failed", failed);
	record_uint(record, "mmfence.total.bytes", bytes);
	record_uint(record, "mmfence.total.areas", site->areas);
	record_time(record, "mmfence.total.first", atomic_load(&site->first));
	record_time(record, "mmfence.total.last", atomic_load(&site->last));
	record_steps(record, site);
	record_uint(record, "mmfence.total.sequential", atomic_load(&site->sequential));
	record_emit(record);
	forget_counts(site);
}

static bool any_calls(void)
{
	bool any = false;

	lock_take(&sites_lock);
	for (struct site *site = sites; site && !any; site = site->hh.next)
		any = atomic_load(&site->calls);
	lock_drop(&sites_lock);
	return any;
}

void sites_report(void)
{
	if (!any_calls())
		return;
	pressure_count();
	lock_take(&sites_lock);
	for (struct site *site = sites; site; site = site->hh.next)
		report_total(site);
	lock_drop(&sites_lock);
}

/* The parent reports what it counted; the child's first call of each site is a first call again.
 * Numbers go on, since those in places are the parent's. */
void sites_after_fork(void)
{
	lock_reset(&sites_lock);
	sites = NULL;
	for (int i = 0; i < KNOWN_SITES; i++)
		atomic_store(&known[i], NULL);
}
