/* SPDX-License-Identifier: MIT */
/*
 * S8, S10, S11: the two halves of a snapshot. A guarded mapping costs nothing until somebody
 * is about to change the file; then the old pages are put aside, and the log says so.
 */
#include <stdio.h>
#include <string.h>

#include "filter.h"
#include "runner.h"

static const char *engine(const struct run *run)
{
	json_t *event = find_event(run, "snapshot.create");

	cr_assert(event, "no snapshot");
	return field_string(event, "mmfence.snapshot.engine");
}

static void skip_unless_guarded(const struct run *run)
{
	if (strcmp(engine(run), "guard"))
		cr_skip_test(
			"no lease was to be had here: %s",
			field_string(find_event(run, "snapshot.create"), "mmfence.snapshot.reason")
				?: "no reason");
}

/* Nobody writes: nothing is copied, and the snapshot ends untouched. */
EACH_WIDTH(S11, guarded_mapping_costs_no_copy)
{
	struct run run = { .variant = variant, .helper = "steady", .args = { "count=3" } };

	run_helper(&run);
	run_must_hold(&run);
	skip_unless_guarded(&run);
	for (size_t i = 0; i < 3; i++) {
		json_t *event = find_event_number(&run, "snapshot.create", i);
		cr_assert_str_eq(field_string(event, "mmfence.snapshot.consistency"), "proven");
		cr_assert(field_number(event, "mmfence.snapshot.bytes") <= 0);
		event = find_event_number(&run, "snapshot.end", i);
		cr_assert_str_eq(field_string(event, "mmfence.snapshot.fate"), "untouched");
	}
	cr_assert(count_events(&run, "snapshot.preserve") == 0);
	run_end(&run);
}

/* What is mapped again joins the lease that is there. */
EACH_WIDTH(S10, guarded_mappings_have_no_reason_not_to_be)
{
	struct run run = { .variant = variant,
			   .helper = "guard_view",
			   .args = { "one_lease_for_many_mappings" } };

	run_helper(&run);
	run_must_hold(&run);
	skip_unless_guarded(&run);
	cr_assert(count_events(&run, "snapshot.create") == 8);
	for (size_t i = 0; i < 8; i++)
		cr_assert_null(field(find_event_number(&run, "snapshot.create", i),
				     "mmfence.snapshot.reason"));
	run_end(&run);
}

/* A writer comes: the pages are put aside before it gets in. */
EACH_WIDTH(S11, break_is_recorded)
{
	struct run run = { .variant = variant, .helper = "observe" };

	run_helper(&run);
	cr_assert_str_eq(run.output, "captured\n");
	skip_unless_guarded(&run);
	cr_assert(count_events(&run, "snapshot.preserve") == 1);
	json_t *event = find_event(&run, "snapshot.preserve");
	cr_assert_str_eq(field_string(event, "mmfence.snapshot.trigger"), "break");
	cr_assert(field_number(event, "mmfence.snapshot.microseconds") >= 0);
	cr_assert(field_number(event, "mmfence.snapshot.bytes") == 8 * 4096 ||
		  !strcmp(field_string(event, "mmfence.snapshot.engine"), "clone"));
	cr_assert(strstr(field_string(event, "file.path"), "/work/observe.data"));
	run_end(&run);
}

/* A mapping that the program can store to is copied at once, and so is everything when asked. */
EACH_WIDTH(S11, writable_mapping_is_copied)
{
	struct run run = { .variant = variant, .helper = "observe", .args = { "prot=rw" } };

	run_helper(&run);
	cr_assert_str_eq(run.output, "captured\n");
	cr_assert_str_neq(engine(&run), "guard");
	run_end(&run);
}

EACH_WIDTH(S11, guard_none_copies_at_once)
{
	struct run run = { .variant = variant,
			   .helper = "observe",
			   .options = { "snapshot.guard=none", "snapshot.preserve=memory" } };

	run_helper(&run);
	cr_assert_str_eq(run.output, "captured\n");
	cr_assert_str_eq(engine(&run), "memory");
	cr_assert(field_number(find_event(&run, "snapshot.create"), "mmfence.snapshot.bytes") ==
		  8 * 4096);
	cr_assert(count_events(&run, "snapshot.preserve") == 0);
	run_end(&run);
}

/* mprotect makes it writable: preserved first, so that no store races with the replacement. */
EACH_WIDTH(S11, making_it_writable_preserves)
{
	struct run run = { .variant = variant,
			   .helper = "stores",
			   .args = { "stay_when_made_writable" } };

	run_helper(&run);
	run_must_hold(&run);
	skip_unless_guarded(&run);
	json_t *event = find_event(&run, "snapshot.preserve");
	cr_assert(event, "no snapshot.preserve");
	cr_assert_str_eq(field_string(event, "mmfence.snapshot.trigger"), "protect");
	run_end(&run);
}

EACH_WIDTH(S10, fate_is_preserved)
{
	struct run run = { .variant = variant, .helper = "writer", .args = { "own" } };

	run_helper(&run);
	run_must_hold(&run);
	skip_unless_guarded(&run);
	cr_assert(count_events(&run, "snapshot.end") == 2);
	for (size_t i = 0; i < 2; i++)
		cr_assert_str_eq(field_string(find_event_number(&run, "snapshot.end", i),
					      "mmfence.snapshot.fate"),
				 "preserved");
	run_end(&run);
}

HELPER_HOLDS(S11, nonblocking_writer_gets_ewouldblock_at_most_once, "writer", "nonblocking")
HELPER_HOLDS(S11, writer_waits_no_longer_than_the_copy, "writer", "waits")
HELPER_HOLDS(S11, reader_does_not_wait, "writer", "reader")
HELPER_HOLDS(S11, own_writer_does_not_wait_for_itself, "writer", "own")
HELPER_HOLDS(S11, many_mappings_of_one_file, "writer", "many_mappings")
HELPER_HOLDS(S11, many_files, "writer", "many_files")
HELPER_HOLDS(S11, writer_while_the_program_is_busy, "writer", "busy")
HELPER_HOLDS(S11, writer_after_all_was_unmapped, "writer", "unmapped")
HELPER_HOLDS(S11, writer_after_exit, "writer", "exited")

/* --- kernels before 6.7: no PAGEMAP_SCAN, and no PROCMAP_QUERY, which came with 6.11 --- */

/* The areas are read from /proc/self/maps then; that costs, but what is promised stays. */
EACH_WIDTH(S11, break_is_recorded_on_an_old_kernel)
{
	struct run run = { .variant = variant,
			   .helper = "observe",
			   .prepare = filter_as_before_6_7 };

	run_helper(&run);
	cr_assert_str_eq(run.output, "captured\n");
	cr_assert_str_eq(engine(&run), "guard");
	cr_assert(count_events(&run, "snapshot.preserve") == 1);
	run_end(&run);
}

static void holds_on_an_old_kernel(const char *variant, const char *helper, const char *cases)
{
	struct run run = { .variant = variant,
			   .helper = helper,
			   .args = { cases },
			   .prepare = filter_as_before_6_7 };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert_str_eq(engine(&run), "guard");
	run_end(&run);
}

EACH_WIDTH(S4, areas_keep_their_own_on_an_old_kernel)
{
	holds_on_an_old_kernel(variant, "advice", "each_area_*");
}

EACH_WIDTH(S11, many_mappings_on_an_old_kernel)
{
	holds_on_an_old_kernel(variant, "writer", "many_*");
}

EACH_WIDTH(S11, thousands_of_mappings_on_an_old_kernel)
{
	holds_on_an_old_kernel(variant, "advice", "thousands_*");
}

EACH_WIDTH(S1, writers_never_show_on_an_old_kernel)
{
	holds_on_an_old_kernel(variant, "overwrite", "write/*");
}
