/* SPDX-License-Identifier: MIT */
/*
 * N3: windows made with mmap(MAP_SHARED|MAP_FIXED) are recorded, by call site. N4: how near
 * a process comes to vm.max_map_count is said at the right calls, and the kernel's ENOMEM
 * is seen by the program, and explained.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

/* ---- N3 ---- */

static void rewire(struct run *run, const char *what)
{
	run->helper = "rewire";
	run->args[0] = what;
	run_helper(run);
	run_must_hold(run);
}

EACH_WIDTH(N3, rewire_is_recorded)
{
	struct run run = { .variant = variant };
	unsigned long window;
	char address[32];

	rewire(&run, "one");
	json_t *event = find_event(&run, "nonlinear.rewire");
	cr_assert(event && count_events(&run, "nonlinear.rewire") == 1);
	cr_assert(sscanf(run.output, "window %lx", &window) == 1);
	snprintf(address, sizeof(address), "%#lx", window + 5 * 4096);
	cr_assert_str_eq(field_string(event, "mmfence.mapping.address"), address);
	cr_assert(field_number(event, "mmfence.mapping.length") == 8192);
	cr_assert(field_number(event, "mmfence.mapping.page_offset") == 33);
	cr_assert(field_number(event, "mmfence.mapping.linear_page_offset") == 5);
	cr_assert(strstr(field_string(event, "file.path"), "/work/rewire.data"));
	cr_assert(json_array_size(field(event, "mmfence.stack")) >= 2, "no backtrace");
	run_end(&run);
}

/* A mapping over the window's beginning: what was there first of it counts. */
EACH_WIDTH(N3, rewire_of_a_part)
{
	struct run run = { .variant = variant };
	unsigned long window;
	char address[32];

	rewire(&run, "part");
	json_t *event = find_event(&run, "nonlinear.rewire");
	cr_assert(event && count_events(&run, "nonlinear.rewire") == 1);
	cr_assert(sscanf(run.output, "window %lx", &window) == 1);
	snprintf(address, sizeof(address), "%#lx", window + 4 * 4096);
	cr_assert_str_eq(field_string(event, "mmfence.mapping.address"), address);
	cr_assert(field_number(event, "mmfence.mapping.page_offset") == 22);
	cr_assert(field_number(event, "mmfence.mapping.linear_page_offset") == 4);
	run_end(&run);
}

EACH_WIDTH(N3, what_stays_linear_is_no_rewire)
{
	struct run run = { .variant = variant, .options = { "snapshot.mode=off" } };

	rewire(&run, "others");
	cr_assert(count_events(&run, "nonlinear.rewire") == 0, "%zu rewires",
		  count_events(&run, "nonlinear.rewire"));
	run_end(&run);
}

/* One record and one total for each call site, whatever the number of calls. */
EACH_WIDTH(N3, many_rewires_are_few_records)
{
	/* Where the kernel has no PROCMAP_QUERY each call reads all of maps. */
	json_int_t most = kernel_is_before("6.11") ? 10000 : 100000;
	struct run run = { .variant = variant,
			   .args = { NULL, most < 100000 ? "10000" : "100000" } };

	rewire(&run, "many");
	cr_assert(count_events(&run, "nonlinear.rewire") == 1);
	cr_assert(count_events(&run, "nonlinear.total") == 1);
	json_t *total = find_event(&run, "nonlinear.total");
	cr_assert_str_eq(field_string(total, "mmfence.total.kind"), "rewire");
	/* A page may be put where it is already. */
	json_int_t calls = field_number(total, "mmfence.total.calls");
	cr_assert(calls > most - most / 100 && calls <= most, "%lld calls", (long long)calls);
	cr_assert(field_number(total, "mmfence.total.bytes") == calls * 4096);
	cr_assert(run.record_count < 8, "%zu records", run.record_count);
	run_end(&run);
}

EACH_WIDTH(N3, every_rewire)
{
	struct run run = { .variant = variant,
			   .args = { NULL, "200" },
			   .options = { "audit.nonlinear=every" } };

	rewire(&run, "many");
	cr_assert(count_events(&run, "nonlinear.rewire") >= 198);
	run_end(&run);
}

EACH_WIDTH(N3, rewires_off)
{
	struct run run = { .variant = variant,
			   .args = { NULL, "200" },
			   .options = { "audit.nonlinear=off" } };

	rewire(&run, "many");
	cr_assert(count_events(&run, "nonlinear.rewire") == 0);
	cr_assert(count_events(&run, "nonlinear.total") == 0);
	run_end(&run);
}

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
	cr_assert_str_eq(field_string(event, "event.outcome"), "failure");
	cr_assert_str_eq(field_string(event, "error.code"), "ENOMEM");
	cr_assert(field_number(event, "mmfence.areas.count") + 8 >= (json_int_t)limit);
	cr_assert(strlen(field_string(event, "mmfence.site")) == 16);
	cr_assert(json_array_size(field(event, "mmfence.stack")) >= 2, "no backtrace");
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
	failure_is_explained(find_event_number(&run, "nonlinear.pressure", 4), limit);
	run_end(&run);
}

#define LIMIT(name, variant, how)           \
	Test(N4, name, .timeout = 300)      \
	{                                   \
		to_the_limit(variant, how); \
	}

LIMIT(remaps_up_to_the_limit, "plain", "remap")
LIMIT(remaps_up_to_the_limit_32_bit, "m32", "remap")
LIMIT(rewires_up_to_the_limit, "plain", "mmap")

/* Areas that other calls make are not foreseen, but their failure is explained. */
Test(N4, another_call_that_fails, .timeout = 300)
{
	struct run run = {
		.variant = "plain", .helper = "pressure", .args = { "protect" }, .seconds = 120
	};
	struct said said;

	area_limit();
	run_helper(&run);
	run_must_hold(&run);
	the_program_sees_the_kernel(&run, "plain", "protect", &said);
	json_t *event = find_event(&run, "nonlinear.pressure");
	cr_assert(event);
	cr_assert_str_eq(field_string(event, "error.code"), "ENOMEM");
	run_end(&run);
}

/* Emulated calls come to the same limit. */
Test(N4, emulated_up_to_the_limit, .timeout = 300)
{
	struct run run = { .variant = "plain",
			   .helper = "pressure",
			   .args = { "remap" },
			   .options = { "nonlinear.emulate=always" },
			   .seconds = 120 };
	struct said said;

	skip_unless_root();
	skip_without_queries();
	area_limit();
	run_helper(&run);
	run_must_hold(&run);
	the_program_sees_the_kernel(&run, "plain", "remap", &said);
	run_end(&run);
}
