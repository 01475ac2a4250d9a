/* SPDX-License-Identifier: MIT */
/*
 * S2 to S6: cutting the file, the program's own stores, advice and flags, pieces, children.
 */
#include <string.h>

#include "runner.h"

/* --- S2 --- */

/* Whoever maps beyond the end of a file gets no snapshot otherwise (S16). */
#define BEYOND .options = { "snapshot.paths=**" }

HELPER_HOLDS(S2, snapshot_survives_truncation_to_nothing, "cut", "to_zero/*")
HELPER_HOLDS(S2, snapshot_survives_truncation_to_mid_page, "cut", "to_mid_page/*")
HELPER_HOLDS(S2, snapshot_survives_truncation_and_growth, "cut", "grown_again/*")
HELPER_HOLDS(S2, window_survives_truncation, "cut", "window/*")
HELPER_HOLDS(S2, snapshot_survives_unlink_and_truncation, "cut", "unlinked/*")
HELPER_HOLDS(S2, rest_of_the_last_page_is_zero, "cut", "tail/*")
HELPER_HOLDS(S2, page_past_the_end_raises_sigbus, "cut", "past_end/*", BEYOND)
HELPER_HOLDS(S2, page_past_the_end_stays_so_when_the_file_grows, "cut", "past_end_grown/*", BEYOND)
HELPER_HOLDS(S2, mapping_wholly_past_the_end_raises_sigbus, "cut", "wholly_past_end/*", BEYOND)
HELPER_HOLDS(S2, mapping_of_an_empty_file_raises_sigbus, "cut", "empty/*", BEYOND)
HELPER_HOLDS(S2, sigbus_says_where, "cut", "signal_says_where/*", BEYOND)
HELPER_HOLDS(S2, system_calls_see_efault_past_the_end, "cut", "system_calls_see_efault/*", BEYOND)
HELPER_HOLDS(S2, system_calls_see_the_capture, "cut", "system_calls_see_the_capture/*")

/* --- S3 --- */

HELPER_HOLDS(S3, stores_survive_mprotect, "stores", "stay_when_made_writable")

/* --- S4 --- */

HELPER_HOLDS(S4, dontneed_brings_back_the_capture, "advice", "dontneed_r[ow]")
HELPER_HOLDS(S4, dontneed_drops_stores, "advice", "dontneed_drops_stores*")
HELPER_HOLDS(S4, advice_stays, "advice", "advice_*")
HELPER_HOLDS(S4, each_area_keeps_its_own, "advice", "each_area_*")
WIDTHS_HOLD(S4, thousands_of_areas_keep_their_own, "advice", "thousands_*")
HELPER_HOLDS(S4, dontfork_keeps_it_from_the_child, "advice", "dontfork")
HELPER_HOLDS(P1, noexec_mount_stays_noexec, "advice", "noexec_*")
HELPER_HOLDS(S4, mmap_flags_give_snapshots, "advice", "map_*")

/* The event says so too: three pages of data in 64 MiB. */
RUNS_AND(EACH_VARIANT, S4, holes_are_not_copied, .helper = "advice", .args = { "holes_stay_holes" },
	 .finds = { "snapshot.create file.size=67108864" })
{
	json_int_t copied = 0;
	for (size_t i = 0; i < run->record_count; i++)
		if (field(run->records[i], "mmfence.snapshot.bytes"))
			copied += field_number(run->records[i], "mmfence.snapshot.bytes");
	cr_assert(copied >= 3 * 4096 && copied <= 64 * 4096, "%lld bytes copied",
		  (long long)copied);
}

/* S4, S5, P1: 300 memory calls on snapshots return what they return on plain mappings. */
HELPER_HOLDS(S4, memory_calls_return_what_they_do_bare, "values", NULL, .as_bare = true,
	     .finds = { "snapshot.create >10" })

/* --- S5 --- */

/* S5: growing beyond what was captured works, or fails with ENOMEM and an event says why. */
RUNS_AND(EACH_VARIANT, S5, mremap_beyond_the_window, .helper = "areas",
	 .args = { "grow_beyond_window" })
{
	json_t *event = find_event(run, "snapshot.grow");

	if (!strcmp(run->output, "ENOMEM\n")) {
		cr_assert(event);
		cr_assert_str_eq(field_string(event, "error.code"), "ENOMEM");
		cr_assert(field_number(event, "mmfence.snapshot.captured_end") == 4 * 4096);
		cr_assert(field_number(event, "mmfence.mapping.length") == 6 * 4096);
		cr_assert(field_string(event, "error.message"));
	} else {
		cr_assert_null(event);
	}
}

/* S5: a copy at once holds the window and no more. */
HELPER_HOLDS(S5, mremap_beyond_a_copied_window, "areas", "grow_beyond_window",
	     .options = { "snapshot.guard=none", "snapshot.preserve=memory" }, .says = "ENOMEM\n",
	     .finds = { "snapshot.grow 1" })

/* --- S6 --- */

/* With copies; test_guard_fork.c has more, of what is guarded. */
#define COPIED				   .env = { "COPIED=1" }
#define COPIES_HOLD(name, helper, pattern) HELPER_HOLDS(S6, name, helper, pattern, COPIED)

COPIES_HOLD(child_exits_first, "guard_fork", "child_exits_at_once")
COPIES_HOLD(parent_exits_first, "guard_fork", "parent_exits_at_once")
COPIES_HOLD(grandchildren, "guard_fork", "grandchildren")
COPIES_HOLD(child_has_its_own, "guard_fork", "child_has_its_own")
COPIES_HOLD(threads, "guard_spawn", "threads")
COPIES_HOLD(clone_that_shares_memory, "guard_spawn", "sharer_that_maps/later")
COPIES_HOLD(vfork_is_not_disturbed, "guard_spawn", "vfork_and_exec")
COPIES_HOLD(posix_spawn_is_not_disturbed, "guard_spawn", "spawn")
COPIES_HOLD(popen_and_system_are_not_disturbed, "guard_spawn", "shell")
COPIES_HOLD(raw_clone_by_syscall, "guard_spawn", "raw_clone/libc")
/* Each counts its own. */
HELPER_HOLDS(S6, child_maps_more, "guard_fork", "child_maps_more", COPIED,
	     .finds = { "process.end 2", "process.end mmfence.snapshots=2",
			"process.end[1] mmfence.snapshots=1" })

/* Its records are its own, not its parent's. */
RUNS_AND(EACH_VARIANT, S6, raw_clone_by_hand, .helper = "guard_spawn", .args = { "raw_clone/hand" },
	 COPIED, .finds = { "snapshot.create 2", "process.start 2" })
{
	json_int_t parent =
		field_number(find_event_number(run, "snapshot.create", 0), "process.pid");
	json_int_t child =
		field_number(find_event_number(run, "snapshot.create", 1), "process.pid");
	cr_assert(parent != child);
	cr_assert(field_number(find_event_number(run, "process.start", 1), "process.parent.pid") ==
		  parent);
}

/* S6: mapping and unmapping leave no trace: an event at each end, with the same number. */
RUNS_AND(EACH_VARIANT, S6, snapshots_end, .helper = "steady", .args = { "count=20" },
	 .finds = { "snapshot.create 20", "snapshot.end 20" })
{
	for (size_t i = 0; i < 20; i++) {
		json_t *begin = find_event_number(run, "snapshot.create", i);
		json_t *end = find_event_number(run, "snapshot.end", i);
		cr_assert(field_number(begin, "mmfence.snapshot.id") ==
			  field_number(end, "mmfence.snapshot.id"));
		cr_assert(field_string(end, "mmfence.snapshot.fate"));
	}
	json_t *last = find_event(run, "process.end");
	cr_assert(last && field_number(last, "mmfence.snapshots") == 20);
	cr_assert(field_number(last, "mmfence.unprotected") == 0);
	cr_assert(field_number(last, "process.exit_code") == 0 ||
		  !field(last, "process.exit_code"));
}

RUNS(EACH_VARIANT, S5, a_snapshot_ends_under_a_second_view_of_another, .helper = "doubled",
     .finds = { "snapshot.end 2", "snapshot.end file.path~covered",
		"snapshot.end[1] file.path~kept" })

/* A2: how the program ended. */
Test(A2, exit_status_is_in_the_last_record)
{
	struct run run = { .helper = "/bin/sh",
			   .args = { "-c", ": </proc/self/mem; exit 7" },
			   .ends_with = 7,
			   .finds = { "process.end process.exit_code=7" } };

	run_and_look(&run);
}
