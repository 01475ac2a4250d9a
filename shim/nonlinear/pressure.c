/* SPDX-License-Identifier: MIT */
/*
 * Counting areas, and saying when there are many: see pressure.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "audit/clock.h"
#include "audit/event.h"
#include "kernel/proc_text.h"
#include "support/sys.h"
#include "nonlinear/pressure.h"
#include "support/lock.h"
#include "support/scratch.h"
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
static uint64_t failed_second, failed_site;
static uint64_t quiet_until; /* nanoseconds of the process's own time */

/* ---- the count ---- */

struct scan {
	uint64_t areas;
	bool in_start; /* within the hexadecimal number that a line begins with */
	uint64_t start;
};

static void end_start(struct scan *scan)
{
	scan->in_start = false;
	/* The vsyscall page, up there, is listed but is no area. */
	if (scan->start > UINT64_MAX / 2)
		return;
	scan->areas++;
}

static const char *read_start(struct scan *scan, const char *at, const char *end)
{
	for (; at < end && *at != '-'; at++)
		scan->start =
			scan->start * 16 + (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	if (at < end)
		end_start(scan);
	return at;
}

static void scan_text(struct scan *scan, const char *at, const char *end)
{
	while (at < end) {
		if (scan->in_start) {
			at = read_start(scan, at, end);
			continue;
		}
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		if (!newline)
			return;
		at = newline + 1;
		scan->in_start = true;
		scan->start = 0;
	}
}

static uint64_t scan_maps(int fd)
{
	struct scan scan = { .in_start = true };
	char *buffer = scratch_take();
	long got;

	while ((got = sys_read(fd, buffer, SCRATCH_BYTES)) > 0 || got == -EINTR)
		if (got > 0)
			scan_text(&scan, buffer, buffer + got);
	scratch_put(buffer);
	return scan.areas;
}

/* Areas of the process; 0 when they cannot be counted. */
static uint64_t count_areas(void)
{
	int fd = proc_open_own(-1, "maps", O_RDONLY);

	if (fd < 0)
		return 0;
	uint64_t areas = scan_maps(fd);
	sys_close(fd);
	return areas;
}

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

struct count {
	uint64_t areas, limit;
	uint64_t made, calls; /* since the count before */
};

static void take_count(struct count *count)
{
	uint64_t calls = atomic_load(&calls_made);

	count->areas = count_areas();
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

/* No kernel makes areas faster than this. A process that was seen far from the limit cannot be
 * there before its threads have run for that long: a call that fails till then fails for another
 * reason, and is not worth a count. */
#define AREA_NANOSECONDS 300

static void stay_quiet(const struct count *count, uint64_t since)
{
	quiet_until = since + (count->limit - count->areas - NEAR_LIMIT) * AREA_NANOSECONDS;
}

static uint64_t time_used(void)
{
	struct moment used;

	clock_read(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.seconds * 1000000000 + (uint64_t)used.nanoseconds;
}

static bool look_allowed(uint64_t site)
{
	struct moment now;

	clock_read(CLOCK_MONOTONIC_COARSE, &now);
	if (site == failed_site && (uint64_t)now.seconds == failed_second)
		return false;
	failed_site = site;
	failed_second = (uint64_t)now.seconds;
	return true;
}

void pressure_failed(const struct trace *trace, uint64_t site)
{
	struct count count;

	lock_take(&count_lock);
	uint64_t used = time_used();
	if (used >= quiet_until && look_allowed(site)) {
		take_count(&count);
		if (count.areas + NEAR_LIMIT < count.limit)
			stay_quiet(&count, used);
		else if (count.areas)
			report(&count, 0, trace, site, ENOMEM);
	}
	lock_drop(&count_lock);
}

void pressure_after_fork(void)
{
	lock_reset(&count_lock);
	atomic_store(&calls_left, 1);
	atomic_store(&calls_made, 0);
	last_count = last_calls = 0;
	reported = 0;
	failed_second = failed_site = quiet_until = 0;
}
