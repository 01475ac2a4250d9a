/* SPDX-License-Identifier: MIT */
/*
 * P1, S1, S4, S9: the guard in programs that do odd things with memory, limits and files.
 */
#include "test_guard_stage.h"

#define ODD(suite, name, pattern, ...) WIDTHS_HOLD(suite, name, "guard_odd", pattern, __VA_ARGS__)

ODD(P1, pointers_to_nowhere_are_the_kernels, "wrong_pointers")
ODD(P1, mremap_of_a_copy_fails_as_the_kernel_has_it, "mremap_errors")
ODD(P1, unmounting_finds_no_file_of_ours, "unmounts")

EACH_WIDTH(P2, fanotify_listener_does_not_wait_for_itself)
{
	struct run run = { .variant = variant,
			   .helper = "guard_odd",
			   .args = { "answers_for_opens" } };

	run_helper(&run);
	run_must_hold_since(&run, "5.6", "snapshot.unprotected",
			    "what such a program maps cannot be copied");
	run_end(&run);
}

ODD(S9, address_space_that_shrinks_loses_nothing, "shrinks/space")
ODD(S9, file_size_limit_that_shrinks_loses_nothing, "shrinks/size")
ODD(S9, no_guard_for_what_could_not_be_put_aside, "larger_than_fsize",
    .expects = { "snapshot.unprotected" })
ODD(S4, locks_stay_at_their_limit, "locked_at_the_limit")
ODD(S4, future_locks_lose_nothing_at_their_limit, "future_locked_at_the_limit")
ODD(S1, guard_regions_lose_nothing, "guard_regions")
ODD(S1, sealed_memory_loses_nothing, "sealed")

static void cut_is_said(const char *variant, const char *how, size_t ends)
{
	struct run run = { .variant = variant, .helper = "guard_odd", .args = { how } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.lost") == 1);
	cr_assert(count_events(&run, "snapshot.end") == ends);
	all_say(&run, "snapshot.end", "mmfence.snapshot.fate", "lost");
	run_end(&run);
}

EACH_WIDTH(S10, cut_file_is_not_untouched_when_it_is_unmapped)
{
	cut_is_said(variant, "cut/unmapped", 1);
}

EACH_WIDTH(S10, cut_file_of_another_name_is_not_untouched)
{
	cut_is_said(variant, "cut/renamed", 1);
}

EACH_WIDTH(S10, cut_file_is_not_untouched_when_the_process_ends)
{
	cut_is_said(variant, "cut/exits", 0);
}

WIDTHS_HOLD(bare, guard_odd, "guard_odd", "--bare", .preload = RUN_BARE)
