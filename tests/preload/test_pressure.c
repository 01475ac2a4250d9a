/* SPDX-License-Identifier: MIT */
/*
 * N3: windows made with mmap(MAP_SHARED|MAP_FIXED) are recorded, by call site. N4: how near
 * a process comes to vm.max_map_count is said at the right calls, and the kernel's ENOMEM
 * is seen by the program, and explained.
 */
#include <stdio.h>
#include <string.h>

#include "runner.h"

/* ---- N3 ---- */

/* The event's address is that of this page of the window. */
static void address_is(const struct run *run, unsigned long page)
{
	unsigned long window;
	char address[32];

	cr_assert(sscanf(run->output, "window %lx", &window) == 1);
	snprintf(address, sizeof(address), "%#lx", window + page * 4096);
	cr_assert_str_eq(
		field_string(find_event(run, "nonlinear.rewire"), "mmfence.mapping.address"),
		address);
}

RUNS_AND(EACH_WIDTH, N3, rewire_is_recorded, .helper = "rewire", .args = { "one" },
	 .finds = { "nonlinear.rewire 1",
		    "nonlinear.rewire mmfence.mapping.length=8192 & mmfence.stack>1",
		    "nonlinear.rewire mmfence.mapping.page_offset=33",
		    "nonlinear.rewire mmfence.mapping.linear_page_offset=5",
		    "nonlinear.rewire file.path~/work/rewire.data" })
{
	address_is(run, 5);
}

/* A mapping over the window's beginning: what was there first of it counts. */
RUNS_AND(EACH_WIDTH, N3, rewire_of_a_part, .helper = "rewire", .args = { "part" },
	 .finds = { "nonlinear.rewire 1", "nonlinear.rewire mmfence.mapping.page_offset=22",
		    "nonlinear.rewire mmfence.mapping.linear_page_offset=4" })
{
	address_is(run, 4);
}

WIDTHS_HOLD(N3, what_stays_linear_is_no_rewire, "rewire", "others",
	    .options = { "snapshot.mode=off" }, .finds = { "nonlinear.rewire 0" })

/* One record and one total for each call site, whatever the number of calls. */
EACH_WIDTH(N3, many_rewires_are_few_records)
{
	/* Where the kernel has no PROCMAP_QUERY each call reads all of maps. */
	json_int_t most = kernel_is_before("6.11") ? 10000 : 100000;
	struct run run = { .variant = variant,
			   .helper = "rewire",
			   .args = { "many", most < 100000 ? "10000" : "100000" } };

	run_helper(&run);
	run_must_hold(&run);
	run_finds(&run, "nonlinear.rewire 1");
	run_finds(&run, "nonlinear.total 1");
	run_finds(&run, "nonlinear.total mmfence.total.kind=rewire");
	json_t *total = find_event(&run, "nonlinear.total");
	/* A page may be put where it is already. */
	json_int_t calls = field_number(total, "mmfence.total.calls");
	cr_assert(calls > most - most / 100 && calls <= most, "%lld calls", (long long)calls);
	cr_assert(field_number(total, "mmfence.total.bytes") == calls * 4096);
	cr_assert(run.record_count < 8, "%zu records", run.record_count);
	run_end(&run);
}

RUNS(EACH_WIDTH, N3, every_rewire, .helper = "rewire", .args = { "many", "200" },
     .options = { "audit.nonlinear=every" }, .finds = { "nonlinear.rewire >197" })

RUNS(EACH_WIDTH, N3, rewires_off, .helper = "rewire", .args = { "many", "200" },
     .options = { "audit.nonlinear=off" }, .finds = { "nonlinear.rewire 0", "nonlinear.total 0" })

/* ---- N4 ---- */

struct said {
	unsigned long first, calls, areas, left;
	char error[16];
};

static void parse(const char *output, struct said said[2])
{
	const char *second = strchr(output, '\n');

	cr_assert(second, "%s", output);
	for (int i = 0; i < 2; i++)
		cr_assert(sscanf(i ? second + 1 : output,
				 "first %lu calls %lu %15s areas %lu left %lu", &said[i].first,
				 &said[i].calls, said[i].error, &said[i].areas, &said[i].left) == 5,
			  "%s", output);
}

static unsigned long area_limit(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long limit = 0;

	cr_assert(file && fscanf(file, "%lu", &limit) == 1);
	fclose(file);
	if (limit > 150000)
		cr_skip_test("vm.max_map_count is %lu, more than the helper makes", limit);
	return limit;
}

/* As many areas as the kernel allows without us, ENOMEM then, and none left behind by the first
 * round that the second has to do without. */
static void the_program_sees_the_kernel(const struct run *run, const char *variant, const char *how,
					struct said *said)
{
	struct run bare = {
		.variant = variant, .helper = "pressure", .args = { how }, .preload = RUN_BARE
	};
	struct said alone[2], fenced[2];

	run_helper(&bare);
	parse(bare.output, alone);
	parse(run->output, fenced);
	cr_assert_str_eq(fenced[0].error, "ENOMEM");
	cr_assert_str_eq(fenced[1].error, "ENOMEM");
	cr_assert(fenced[0].areas == alone[0].areas, "%lu areas instead of %lu", fenced[0].areas,
		  alone[0].areas);
	cr_assert(fenced[1].areas == alone[0].areas);
	cr_assert(fenced[1].left == fenced[0].left, "%lu areas, then %lu", fenced[0].left,
		  fenced[1].left);
	*said = fenced[0];
	run_end(&bare);
}

/* After a count of C the next is due after (L - C) / 2 calls, each of which makes one area here. */
static unsigned long count_at(unsigned long first, unsigned long limit, unsigned int percent)
{
	unsigned long count = first;

	while (count * 100 < limit * percent)
		count += (limit - count) / 2 ? (limit - count) / 2 : 1;
	return count;
}

#define SLACK 16 /* areas of the library's own that come and go */

static void threshold_is_right(const struct run *run, size_t number, unsigned int percent,
			       const struct said *said, unsigned long limit)
{
	json_t *event = find_event_number(run, "nonlinear.pressure", number);

	cr_assert(event, "no event at %u %%", percent);
	cr_assert(field_number(event, "mmfence.areas.threshold") == percent);
	cr_assert(field_number(event, "mmfence.areas.limit") == (json_int_t)limit);
	unsigned long count = (unsigned long)field_number(event, "mmfence.areas.count");
	unsigned long right = count_at(said->first, limit, percent);
	cr_assert(count + SLACK >= right && count <= right + SLACK,
		  "%u %%: at %lu areas instead of %lu", percent, count, right);
	unsigned long left = (unsigned long)field_number(event, "mmfence.areas.calls_left");
	cr_assert(left + left / 50 + SLACK >= limit - count && left <= limit - count + SLACK,
		  "%u %%: %lu calls left with %lu areas", percent, left, limit - count);
}

static void failure_is_explained(json_t *event, unsigned long limit)
{
	cr_assert(event);
	cr_assert(field_number(event, "mmfence.areas.count") + 8 >= (json_int_t)limit);
	cr_assert(strlen(field_string(event, "mmfence.site")) == 16);
}

static void skip_without_queries(void)
{
	if (kernel_is_before("6.11"))
		cr_skip_test(
			"before Linux 6.11 each call reads all of maps, which takes minutes in all");
}

static void to_the_limit(const char *variant, const char *how)
{
	struct run run = {
		.variant = variant, .helper = "pressure", .args = { how }, .seconds = 120
	};
	static const unsigned int thresholds[] = { 50, 75, 90, 99 };
	unsigned long limit = area_limit();
	struct said said;

	if (!strcmp(how, "mmap"))
		skip_without_queries();
	run_helper(&run);
	run_must_hold(&run);
	the_program_sees_the_kernel(&run, variant, how, &said);
	for (size_t i = 0; i < 4; i++)
		threshold_is_right(&run, i, thresholds[i], &said, limit);
	run_finds(&run, "nonlinear.pressure[4] event.outcome=failure & error.code=ENOMEM & "
			"mmfence.stack>1");
	failure_is_explained(find_event_number(&run, "nonlinear.pressure", 4), limit);
	run_end(&run);
}

EACH_WIDTH(N4, remaps_up_to_the_limit)
{
	to_the_limit(variant, "remap");
}

ONCE(N4, rewires_up_to_the_limit)
{
	to_the_limit(variant, "mmap");
}

static void as_the_kernel(struct run *run)
{
	struct said said;

	the_program_sees_the_kernel(run, "plain", run->args[0], &said);
}

static void limit_in_reach(struct run *run)
{
	area_limit();
}

/* Areas that other calls make are not foreseen, but their failure is explained. */
ONE_HOLDS(N4, another_call_that_fails, "pressure", "protect", .seconds = 120,
	  .before = limit_in_reach, .look = as_the_kernel,
	  .finds = { "nonlinear.pressure error.code=ENOMEM" })

/* A program that goes on there is said once a second for each site, not a thousand times. */
RUNS_AND(ONCE, N4, failing_in_turn, .helper = "pressure", .args = { "turns" }, .seconds = 120,
	 .before = limit_in_reach)
{
	long long seconds[2];

	cr_assert(sscanf(run->output, "seconds %lld first %*[^\n] seconds %lld", &seconds[0],
			 &seconds[1]) == 2);
	size_t said = count_events(run, "nonlinear.pressure");
	cr_assert(said >= 2 && said <= 3 * (size_t)(seconds[0] + seconds[1] + 4) + 8, "%zu said",
		  said);
}

/* Emulated calls come to the same limit. Before Linux 6.11 each call reads all of maps. */
ONE_HOLDS(N4, emulated_up_to_the_limit, "pressure", "remap", .as_root = true, .since = "6.11",
	  .options = { "nonlinear.emulate=always" }, .seconds = 120, .before = limit_in_reach,
	  .look = as_the_kernel)
