/* SPDX-License-Identifier: MIT */
/*
 * How many areas (VMAs) the process has, against vm.max_map_count. Counting reads /proc/self/maps
 * and so costs as much as there are areas; with C of them and a limit of L the next count is due
 * after (L - C) / 2 further calls, of which each makes two areas at most: amortised it costs
 * nothing, and the limit is never passed unseen.
 */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "audit/identity.h"
#include "audit/event.h"
#include "kernel/vma.h"
#include "support/sys.h"
#include "nonlinear/nonlinear.h"
#include "support/fault.h"
#include "support/lock.h"
#include "support/text.h"

/* At the limit the kernel refuses calls that would pass it: one makes up to two areas, and mremap
 * wants room for some more. */
#define NEAR_LIMIT 8

static const unsigned int thresholds[] = { 50, 75, 90, 99 };
#define THRESHOLDS (sizeof(thresholds) / sizeof(*thresholds))

/* An event for a threshold comes again only after the count was this much below it. */
#define REARM 10

static atomic_llong calls_left = 1; /* until the next count */
static atomic_ullong calls_made;
static struct lock count_lock;
static uint64_t last_count, last_calls; /* of the count before */
static unsigned int reported;		/* percent */
/* Calls that failed, by their sites; of those that are kept it is said once a second. */
struct failing {
	struct call_site head;
	uint64_t second;
};
CALL_SITES(failing, .size = sizeof(struct failing), .most = 4096);
static uint64_t failed_second;

static uint64_t area_limit(void)
{
	uint64_t limit;
	char text[24];

	if (sys_read_file("/proc/sys/vm/max_map_count", text, sizeof(text)) <= 0)
		return 65530; /* the kernel's default */
	text_read_number(text, 10, &limit);
	return limit;
}

/* ---- events ---- */

static struct count {
	uint64_t areas, limit;
	uint64_t made, calls; /* since the count before */
} failed_count;		      /* of failed_second */

static void take_count(struct count *count)
{
	uint64_t calls = atomic_load(&calls_made);

	TEST_POINT("count");
	count->areas = vma_count();
	count->limit = area_limit();
	count->calls = last_count ? calls - last_calls : 0;
	count->made = last_count && count->areas > last_count ? count->areas - last_count : 0;
	last_count = count->areas;
	last_calls = calls;
	uint64_t room = count->limit > count->areas ? count->limit - count->areas : 0;
	atomic_store(&calls_left, room / 2 ? (long long)(room / 2) : 1);
}

static void report(const struct count *count, unsigned int percent, const struct trace *trace,
		   uint64_t site, int error)
{
	struct record *record = record_begin(EVENT_NONLINEAR_PRESSURE,
					     error ? OUTCOME_FAILURE : OUTCOME_SUCCESS, trace);

	if (error)
		record_error(record, error, "vm.max_map_count is reached");
	record_site(record, site);
	record_uint(record, "mmfence.areas.count", count->areas);
	record_uint(record, "mmfence.areas.limit", count->limit);
	if (percent)
		record_uint(record, "mmfence.areas.threshold", percent);
	if (count->made && count->areas < count->limit)
		record_uint(record, "mmfence.areas.calls_left",
			    (count->limit - count->areas) * count->calls / count->made);
	record_emit(record);
}

/* The highest threshold that areas have reached, or 0. */
static unsigned int level_of(const struct count *count, unsigned int slack)
{
	unsigned int level = 0;

	for (size_t i = 0; i < THRESHOLDS; i++)
		if (count->areas * 100 >= count->limit * (thresholds[i] - slack))
			level = thresholds[i];
	return level;
}

bool pressure_due(void)
{
	return atomic_load_explicit(&calls_left, memory_order_relaxed) <= 1;
}

void pressure_tick(void)
{
	atomic_fetch_add_explicit(&calls_made, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&calls_left, 1, memory_order_relaxed);
}

void pressure_look(const struct trace *trace, uint64_t site)
{
	struct count count;

	if (atomic_load_explicit(&calls_left, memory_order_relaxed) > 0)
		return;
	lock_take(&count_lock);
	if (atomic_load(&calls_left) <= 0) {
		take_count(&count);
		unsigned int level = level_of(&count, 0);
		if (level > reported)
			report(&count, level, trace, site, 0);
		if (level > reported || level_of(&count, REARM) < reported)
			reported = level;
	}
	lock_drop(&count_lock);
}

static uint64_t seconds(void)
{
	struct moment now;

	clock_read(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.seconds + 1; /* 0: never */
}

static bool is_far(const struct count *count)
{
	return count->areas + NEAR_LIMIT < count->limit;
}

/* A program that goes on at the limit fails thousands of times a second: one count serves all. */
static void failed_at(const struct trace *trace, uint64_t site, uint64_t second)
{
	bool is_new;
	struct failing *here = call_site_get(&failing, site, trace, &is_new);

	if (!here || here->second == second)
		return;
	here->second = second;
	if (second != failed_second) {
		take_count(&failed_count);
		failed_second = second;
	}
	if (failed_count.areas && !is_far(&failed_count))
		report(&failed_count, 0, trace, site, ENOMEM);
}

void pressure_failed(const struct trace *trace, uint64_t site)
{
	uint64_t second = seconds();

	lock_take(&count_lock);
	failed_at(trace, site, second);
	lock_drop(&count_lock);
}

void pressure_after_fork(void)
{
	lock_reset(&count_lock);
	atomic_store(&calls_left, 1);
	atomic_store(&calls_made, 0);
	last_count = last_calls = 0;
	reported = 0;
	failed_second = 0;
	call_sites_forget(&failing);
}
