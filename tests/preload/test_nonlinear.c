/* SPDX-License-Identifier: MIT */
/*
 * N1, N5: remap_file_pages is recorded by call site, and can be refused. The helper calls
 * it from three sites: a 100 times, b 10 times, c 3 times with an error.
 */
#include <string.h>

#include "runner.h"

#define WORKED "110 worked, 3 failed, EINVAL\n"

static void times_are_right(json_t *total)
{
	const char *first = field_string(total, "mmfence.total.first");
	const char *last = field_string(total, "mmfence.total.last");

	cr_assert(first && last && strlen(first) == 27 && strlen(last) == 27);
	cr_assert(strcmp(first, last) <= 0, "%s, then %s", first, last);
	cr_assert(strcmp(last, field_string(total, "@timestamp")) <= 0, "%s is to come", last);
}

/* N1: by default the first call of each site, and each site's totals at the end. */
static void totals_are_right(struct run *run)
{
	static const json_int_t calls[] = { 100, 10, 3 }, failed[] = { 0, 0, 3 };
	static const json_int_t bytes[] = { 100 * 4096, 10 * 8192, 0 };
	/* a goes round in slots and in pages; b advances by three pages of which it takes two. */
	static const json_int_t smallest[] = { -32, 1, -1 }, largest[] = { 0, 1, -1 };
	static const json_int_t sequential[] = { 90, 0, 0 };

	cr_assert(count_events(run, "nonlinear.total") == 3, "%zu totals",
		  count_events(run, "nonlinear.total"));
	for (size_t i = 0; i < 3; i++) {
		const char *site =
			field_string(find_event_number(run, "nonlinear.remap", i), "mmfence.site");
		json_t *total = NULL;
		for (size_t j = 0; j < 3; j++) {
			json_t *candidate = find_event_number(run, "nonlinear.total", j);
			if (!strcmp(field_string(candidate, "mmfence.site"), site))
				total = candidate;
		}
		cr_assert(total, "no total for site %s", site);
		cr_assert(field_number(total, "mmfence.total.calls") == calls[i]);
		cr_assert(field_number(total, "mmfence.total.failed") == failed[i]);
		cr_assert(field_number(total, "mmfence.total.bytes") == bytes[i] || i == 2,
			  "%lld bytes", (long long)field_number(total, "mmfence.total.bytes"));
		cr_assert_str_eq(field_string(total, "mmfence.total.kind"), "remap");
		cr_assert(field_number(total, "mmfence.total.smallest_step") == smallest[i]);
		cr_assert(field_number(total, "mmfence.total.largest_step") == largest[i]);
		cr_assert(field_number(total, "mmfence.total.sequential") == sequential[i]);
		times_are_right(total);
	}
}

static void first_calls_are_right(const struct run *run)
{
	json_t *a = find_event_number(run, "nonlinear.remap", 0);
	json_t *b = find_event_number(run, "nonlinear.remap", 1);
	json_t *c = find_event_number(run, "nonlinear.remap", 2);

	cr_assert(field_number(a, "mmfence.mapping.page_offset") == 5);
	cr_assert(field_number(a, "mmfence.mapping.linear_page_offset") == 2);
	cr_assert(field_number(a, "mmfence.mapping.length") == 4096);
	cr_assert_str_eq(field_string(a, "mmfence.mapping.protection"), "rw-s");
	cr_assert_str_eq(field_string(a, "event.outcome"), "success");
	cr_assert(strstr(field_string(a, "file.path"), "/work/nonlinear.data"));
	cr_assert(json_array_size(field(a, "mmfence.stack")) >= 3, "no backtrace");
	cr_assert(json_array_size(field(a, "mmfence.modules")) >= 1, "no modules");
	cr_assert(field_number(b, "mmfence.mapping.length") == 8192);
	cr_assert_str_eq(field_string(c, "event.outcome"), "failure");
	cr_assert_str_eq(field_string(c, "error.code"), "EINVAL");
	cr_assert_str_neq(field_string(a, "mmfence.site"), field_string(b, "mmfence.site"));
	cr_assert_str_neq(field_string(b, "mmfence.site"), field_string(c, "mmfence.site"));
}

RUNS_AND(EACH_WIDTH, N1, first_call_of_each_site_and_totals, .helper = "nonlinear",
	 .args = { "return" }, .says = WORKED, .finds = { "nonlinear.remap 3" })
{
	first_calls_are_right(run);
	totals_are_right(run);
}

/* N1: linear_page_offset is what the call replaced, also when that was not linear any more. */
WIDTHS_HOLD(N1, every_call, "nonlinear", "return", .options = { "audit.nonlinear=every" },
	    .says = WORKED,
	    .finds = { "nonlinear.remap 113", "nonlinear.remap[*] mmfence.mapping.address",
		       "nonlinear.remap[16] mmfence.mapping.page_offset=21",
		       "nonlinear.remap[16] mmfence.mapping.linear_page_offset=5" })

WIDTHS_HOLD(N1, what_was_not_there_is_not_told, "nonlinear", "hole",
	    .finds = { "nonlinear.remap[3] error.code=EINVAL & !file.path & "
		       "!mmfence.mapping.protection & !mmfence.mapping.linear_page_offset" })

WIDTHS_HOLD(N1, off, "nonlinear", "return", .options = { "audit.nonlinear=off" }, .says = WORKED,
	    .finds = { "nonlinear.remap 0", "nonlinear.total 0" })

#define TOTALS(name, end)                                                         \
	HELPER_HOLDS(N1, totals_through_##name, "nonlinear", end, .says = WORKED, \
		     .look = totals_are_right)

WIDTHS_HOLD(N3, a_window_in_a_private_mapping_is_none, "rewire", "private",
	    .options = { "snapshot.mode=off", "audit.nonlinear=every" },
	    .finds = { "nonlinear.rewire 0", "nonlinear.total 0" })

TOTALS(exit, "exit")
TOTALS(underscore_exit, "_exit")
TOTALS(underscore_big_exit, "_Exit")
TOTALS(quick_exit, "quick_exit")
TOTALS(exit_group_by_syscall, "syscall")
TOTALS(exec, "exec")

/* N1: a child's calls are its own. */
RUNS_AND(EACH_WIDTH, N1, totals_of_a_child, .helper = "nonlinear", .args = { "fork" },
	 .finds = { "nonlinear.total 4" })
{
	json_int_t parent = field_number(find_event(run, "process.start"), "process.pid");
	size_t of_child = 0;

	for (size_t i = 0; i < 4; i++) {
		json_t *total = find_event_number(run, "nonlinear.total", i);
		if (field_number(total, "process.pid") == parent)
			continue;
		of_child++;
		cr_assert(field_number(total, "mmfence.total.calls") == 7);
	}
	cr_assert(of_child == 1, "%zu sites in the child", of_child);
}

/* N1: a process that is killed has no totals, but its first calls are on file (A2). */
WIDTHS_HOLD(N1, first_calls_of_a_killed_process, "nonlinear", "kill", .ends_with = 137,
	    .finds = { "nonlinear.remap 3" })

WIDTHS_HOLD(
	N5, refuse, "nonlinear", "return", .options = { "nonlinear.policy=refuse" },
	.says = "0 worked, 113 failed, ENOSYS\n",
	.finds = {
		"nonlinear.remap event.outcome=failure & error.code=ENOSYS & mmfence.policy=refuse" })
