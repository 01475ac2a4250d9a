/* SPDX-License-Identifier: MIT */
/*
 * S2 to S6: cutting the file, the program's own stores, advice and flags, pieces, children.
 */
#include <stdlib.h>
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

HELPER_HOLDS(S3, stores_never_reach_the_file, "stores", "never_reach_the_file")
HELPER_HOLDS(S3, stores_survive_overwriting, "stores", "stay_when_overwritten")
HELPER_HOLDS(S3, stores_survive_truncation, "stores", "stay_when_cut")
HELPER_HOLDS(S3, stores_survive_mprotect, "stores", "stay_when_made_writable")
HELPER_HOLDS(S3, stores_are_apart_after_fork, "stores", "stay_apart_after_fork")
HELPER_HOLDS(S3, stores_of_the_kernel_stay, "stores", "of_the_kernel_stay")
HELPER_HOLDS(S3, stores_of_a_debugger_stay, "stores", "of_a_debugger_stay")
HELPER_HOLDS(S3, stores_survive_paging_out, "stores", "stay_when_paged_out")

/* --- S4 --- */

HELPER_HOLDS(S4, dontneed_brings_back_the_capture, "advice", "dontneed_r[ow]")
HELPER_HOLDS(S4, dontneed_drops_stores, "advice", "dontneed_drops_stores*")
HELPER_HOLDS(S4, advice_stays, "advice", "advice_*")
HELPER_HOLDS(S4, each_area_keeps_its_own, "advice", "each_area_*")
WIDTHS_HOLD(S4, thousands_of_areas_keep_their_own, "advice", "thousands_*")
HELPER_HOLDS(S4, dontfork_keeps_it_from_the_child, "advice", "dontfork")
HELPER_HOLDS(S4, mlock_stays, "advice", "lock_stays")
HELPER_HOLDS(S4, protection_key_stays, "advice", "key_stays")
HELPER_HOLDS(P1, noexec_mount_stays_noexec, "advice", "noexec_*")
HELPER_HOLDS(S4, mmap_flags_give_snapshots, "advice", "map_*")
HELPER_HOLDS(S4, fixed_noreplace_replaces_nothing, "advice", "noreplace_replaces_nothing")
HELPER_HOLDS(S4, executable_code_stays, "advice", "code_stays")
HELPER_HOLDS(S4, holes_are_not_copied, "advice", "holes_stay_holes")

/* S4: the event says so too: three pages of data in 64 MiB. */
EACH_VARIANT(S4, holes_are_not_counted)
{
	struct run run = { .variant = variant, .helper = "advice", .args = { "holes_stay_holes" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(field_number(find_event(&run, "snapshot.create"), "file.size") == 64 << 20);
	json_int_t copied = 0;
	for (size_t i = 0; i < run.record_count; i++)
		if (field(run.records[i], "mmfence.snapshot.bytes"))
			copied += field_number(run.records[i], "mmfence.snapshot.bytes");
	cr_assert(copied >= 3 * 4096 && copied <= 64 * 4096, "%lld bytes copied",
		  (long long)copied);
	run_end(&run);
}

static char *bare_output(const char *variant, const char *helper, const char *argument)
{
	struct run run = {
		.variant = variant, .helper = helper, .args = { argument }, .preload = RUN_BARE
	};

	run_helper(&run);
	cr_assert(run_exit(&run) == 0, "%s bare: %s", helper, run.output);
	char *output = strdup(run.output);
	run_end(&run);
	return output;
}

/* The first line that differs, for people. */
static void same_output(const char *bare, const char *fenced)
{
	while (*bare || *fenced) {
		size_t one = strcspn(bare, "\n"), two = strcspn(fenced, "\n");
		cr_assert(one == two && !memcmp(bare, fenced, one), "bare   %.*s\nfenced %.*s",
			  (int)one, bare, (int)two, fenced);
		bare += one + (bare[one] != 0);
		fenced += two + (fenced[two] != 0);
	}
}

/* S4, S5, P1: 300 memory calls on snapshots return what they return on plain mappings. */
EACH_VARIANT(S4, memory_calls_return_what_they_do_bare)
{
	struct run run = { .variant = variant, .helper = "values" };
	char *bare = bare_output(variant, "values", NULL);

	run_helper(&run);
	same_output(bare, run.output);
	cr_assert(run_exit(&run) == 0);
	cr_assert(count_events(&run, "snapshot.create") > 10, "the mappings were no snapshots");
	free(bare);
	run_end(&run);
}

/* --- S5 --- */

HELPER_HOLDS(S5, munmap_across_snapshots, "areas", "unmap_across")
HELPER_HOLDS(S5, munmap_in_the_middle, "areas", "unmap_middle")
HELPER_HOLDS(S5, mprotect_splits, "areas", "protect_splits")
HELPER_HOLDS(S5, mprotect_across_snapshots, "areas", "protect_across")
HELPER_HOLDS(S5, mprotect_over_a_gap, "areas", "protect_over_a_gap")
HELPER_HOLDS(S5, mremap_shrinks, "areas", "shrink")
HELPER_HOLDS(S5, mremap_grows_at_the_end_of_the_file, "areas", "grow_at_end_of_file")
HELPER_HOLDS(S5, mremap_grows_in_place, "areas", "grow_in_place")
HELPER_HOLDS(S5, mremap_without_room_changes_nothing, "areas", "no_room_to_grow")
HELPER_HOLDS(S5, mremap_moves, "areas", "move")
HELPER_HOLDS(S5, mremap_moves_the_middle, "areas", "move_middle")
HELPER_HOLDS(S5, mremap_moves_onto_another, "areas", "move_onto_another")
HELPER_HOLDS(S5, mremap_moves_and_leaves, "areas", "move_and_leave")
HELPER_HOLDS(S5, map_fixed_anonymous_over_the_middle, "areas", "cover_with_anonymous")
HELPER_HOLDS(S5, map_fixed_snapshot_over_the_middle, "areas", "cover_with_snapshot")
HELPER_HOLDS(S5, map_fixed_shared_over_the_middle, "areas", "cover_with_shared")
HELPER_HOLDS(S5, shmat_over_the_middle, "areas", "cover_with_sysv")
HELPER_HOLDS(S5, address_can_be_used_again, "areas", "address_used_again")
HELPER_HOLDS(S5, many_pieces, "areas", "many_pieces")

/* S5: growing beyond what was captured works, or fails with ENOMEM and an event says why. */
EACH_VARIANT(S5, mremap_beyond_the_window)
{
	struct run run = { .variant = variant,
			   .helper = "areas",
			   .args = { "grow_beyond_window" } };

	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "snapshot.grow");
	if (!strcmp(run.output, "ENOMEM\n")) {
		cr_assert(event);
		cr_assert_str_eq(field_string(event, "error.code"), "ENOMEM");
		cr_assert(field_number(event, "mmfence.snapshot.captured_end") == 4 * 4096);
		cr_assert(field_number(event, "mmfence.mapping.length") == 6 * 4096);
		cr_assert(field_string(event, "error.message"));
	} else {
		cr_assert_null(event);
	}
	run_end(&run);
}

/* S5: a copy at once holds the window and no more. */
EACH_VARIANT(S5, mremap_beyond_a_copied_window)
{
	struct run run = { .variant = variant,
			   .helper = "areas",
			   .args = { "grow_beyond_window" },
			   .options = { "snapshot.guard=none", "snapshot.preserve=memory" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert_str_eq(run.output, "ENOMEM\n");
	cr_assert(count_events(&run, "snapshot.grow") == 1);
	run_end(&run);
}

/* --- S6 --- */

HELPER_HOLDS(S6, child_exits_first, "family", "child_exits_first")
HELPER_HOLDS(S6, parent_exits_first, "family", "parent_exits_first")
HELPER_HOLDS(S6, grandchildren, "family", "grandchildren")
HELPER_HOLDS(S6, child_has_its_own, "family", "child_has_its_own")
HELPER_HOLDS(S6, child_maps_more, "family", "child_maps_more")
HELPER_HOLDS(S6, vfork_is_not_disturbed, "family", "vfork_and_exec")
HELPER_HOLDS(S6, posix_spawn_is_not_disturbed, "family", "spawn")
HELPER_HOLDS(S6, popen_and_system_are_not_disturbed, "family", "shell")
HELPER_HOLDS(S6, raw_clone_by_syscall, "family", "raw_clone_by_libc")
HELPER_HOLDS(S6, raw_clone_by_hand, "family", "raw_clone_by_hand")
HELPER_HOLDS(S6, clone_that_shares_memory, "family", "clone_sharing_memory")
HELPER_HOLDS(S6, threads, "family", "thread")

/* S6: the records of a raw clone are its own, not its parent's. */
EACH_VARIANT(S6, raw_clone_is_noticed)
{
	struct run run = { .variant = variant,
			   .helper = "family",
			   .args = { "raw_clone_by_hand" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.create") == 2);
	cr_assert(count_events(&run, "process.start") == 2);
	json_int_t parent =
		field_number(find_event_number(&run, "snapshot.create", 0), "process.pid");
	json_int_t child =
		field_number(find_event_number(&run, "snapshot.create", 1), "process.pid");
	cr_assert(parent != child);
	cr_assert(field_number(find_event_number(&run, "process.start", 1), "process.parent.pid") ==
		  parent);
	run_end(&run);
}

/* S6: mapping and unmapping leave no trace: an event at each end, with the same number. */
EACH_VARIANT(S6, snapshots_end)
{
	struct run run = { .variant = variant, .helper = "steady", .args = { "count=20" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.create") == 20);
	cr_assert(count_events(&run, "snapshot.end") == 20);
	for (size_t i = 0; i < 20; i++) {
		json_t *begin = find_event_number(&run, "snapshot.create", i);
		json_t *end = find_event_number(&run, "snapshot.end", i);
		cr_assert(field_number(begin, "mmfence.snapshot.id") ==
			  field_number(end, "mmfence.snapshot.id"));
		cr_assert(field_string(end, "mmfence.snapshot.fate"));
	}
	json_t *last = find_event(&run, "process.end");
	cr_assert(last && field_number(last, "mmfence.snapshots") == 20);
	cr_assert(field_number(last, "mmfence.unprotected") == 0);
	cr_assert(field_number(last, "process.exit_code") == 0 ||
		  !field(last, "process.exit_code"));
	run_end(&run);
}

EACH_VARIANT(S5, a_snapshot_ends_under_a_second_view_of_another)
{
	struct run run = { .variant = variant, .helper = "doubled" };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.end") == 1);
	cr_assert(strstr(field_string(find_event(&run, "snapshot.end"), "file.path"), "covered"));
	run_end(&run);
}
