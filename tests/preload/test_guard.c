/* SPDX-License-Identifier: MIT */
/*
 * S8, S10, S11: the two halves of a snapshot. A guarded mapping costs nothing until somebody
 * is about to change the file; then the old pages are put aside, and the log says so.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "filter.h"
#include "runner.h"

static void unless_guarded(struct run *run)
{
	json_t *event = find_event(run, "snapshot.create");

	cr_assert(event, "no snapshot");
	if (strcmp(field_string(event, "mmfence.snapshot.engine"), "guard"))
		cr_skip_test("no lease was to be had here: %s",
			     field_string(event, "mmfence.snapshot.reason") ?: "no reason");
}

/* Nobody writes: nothing is copied, and the snapshot ends untouched. */
WIDTHS_HOLD(S11, guarded_mapping_costs_no_copy, "steady", "count=3", .skips = unless_guarded,
	    .finds = { "snapshot.create[*] mmfence.snapshot.consistency=proven",
		       "snapshot.create[*] mmfence.snapshot.bytes<1",
		       "snapshot.end[*] mmfence.snapshot.fate=untouched", "snapshot.end 3",
		       "snapshot.create 3", "snapshot.preserve 0" })

/* What is mapped again joins the lease that is there. */
WIDTHS_HOLD(S10, guarded_mappings_have_no_reason_not_to_be, "guard_view",
	    "one_lease_for_many_mappings", .skips = unless_guarded,
	    .finds = { "snapshot.create 8", "snapshot.create[*] !mmfence.snapshot.reason" })

/* A writer comes: the pages are put aside before it gets in. */
RUNS_AND(EACH_WIDTH, S11, break_is_recorded, .helper = "observe", .skips = unless_guarded,
	 .says = "captured\n",
	 .finds = { "snapshot.preserve 1", "snapshot.preserve mmfence.snapshot.trigger=break",
		    "snapshot.preserve mmfence.snapshot.microseconds>-1",
		    "snapshot.preserve file.path~/work/observe.data" })
{
	json_t *event = find_event(run, "snapshot.preserve");
	json_int_t bytes = field_number(event, "mmfence.snapshot.bytes");

	cr_assert(bytes == 8 * 4096 ||
		  !strcmp(field_string(event, "mmfence.snapshot.engine"), "clone"));
	cr_assert_eq(field_number(find_event(run, "process.end"), "mmfence.snapshot_bytes"), bytes);
}

/* A mapping that the program can store to is copied at once, and so is everything when asked. */
RUNS_AND(EACH_WIDTH, S11, writable_mapping_is_copied, .helper = "observe", .args = { "prot=rw" },
	 .says = "captured\n")
{
	cr_assert_str_neq(
		field_string(find_event(run, "snapshot.create"), "mmfence.snapshot.engine"),
		"guard");
}

WIDTHS_HOLD(S11, guard_none_copies_at_once, "observe", NULL,
	    .options = { "snapshot.guard=none", "snapshot.preserve=memory" }, .says = "captured\n",
	    .finds = {
		    "snapshot.create mmfence.snapshot.engine=memory & mmfence.snapshot.bytes=32768",
		    "snapshot.preserve 0" })

/* mprotect makes it writable: preserved first, so that no store races with the replacement. */
WIDTHS_HOLD(S11, making_it_writable_preserves, "stores", "stay_when_made_writable",
	    .skips = unless_guarded,
	    .finds = { "snapshot.preserve mmfence.snapshot.trigger=protect" })

WIDTHS_HOLD(S10, fate_is_preserved, "writer", "own", .skips = unless_guarded,
	    .finds = { "snapshot.end 2", "snapshot.end[*] mmfence.snapshot.fate=preserved" })

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
RUNS(EACH_WIDTH, S11, break_is_recorded_on_an_old_kernel, .helper = "observe",
     .prepare = filter_as_before_6_7, .says = "captured\n",
     .finds = { "snapshot.create mmfence.snapshot.engine=guard", "snapshot.preserve 1" })

#define ON_AN_OLD_KERNEL(suite, name, helper, cases)                             \
	WIDTHS_HOLD(suite, name, helper, cases, .prepare = filter_as_before_6_7, \
		    .finds = { "snapshot.create mmfence.snapshot.engine=guard" })

ON_AN_OLD_KERNEL(S4, areas_keep_their_own_on_an_old_kernel, "advice", "each_area_*")
ON_AN_OLD_KERNEL(S11, many_mappings_on_an_old_kernel, "writer", "many_*")
ON_AN_OLD_KERNEL(S11, thousands_of_mappings_on_an_old_kernel, "advice", "thousands_*")
ON_AN_OLD_KERNEL(S1, writers_never_show_on_an_old_kernel, "overwrite", "write/*")

/* --- a sandbox that forbids what is newer than it, with EPERM --- */

static void forbid(unsigned int nr64, unsigned int nr32)
{
	struct filter filter = { .length = 0 };

	filter_fail(&filter, nr64, nr32, 0, EPERM);
	filter_install(&filter);
}

static void without_memfd(struct run *run)
{
	forbid(SYS_memfd_create, 356);
}

static void without_close_range(struct run *run)
{
	forbid(SYS_close_range, 436);
}

WIDTHS_HOLD(S1, writers_never_show_where_memfds_are_forbidden, "overwrite", "write/*",
	    .prepare = without_memfd, .finds = { "snapshot.create mmfence.snapshot.engine=guard" })
WIDTHS_HOLD(S1, writers_never_show_where_close_range_is_forbidden, "overwrite", "write/*",
	    .prepare = without_close_range,
	    .finds = { "snapshot.create mmfence.snapshot.engine=guard" })
