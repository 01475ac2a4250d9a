/* SPDX-License-Identifier: MIT */
/*
 * P1, S1, S4, S9: the guard in programs that do odd things with memory, limits and files.
 */
#include "test_guard_stage.h"

#define ODD(suite, name, pattern, ...) WIDTHS_HOLD(suite, name, "guard_odd", pattern, __VA_ARGS__)

/* What such a program maps cannot be copied there. */
ODD(P2, fanotify_listener_does_not_wait_for_itself, "answers_for_opens", .since = "5.6",
    .otherwise = "snapshot.unprotected",
    .finds = { "snapshot.preserve mmfence.snapshot.trigger=fanotify" })
ODD(S9, address_space_that_shrinks_loses_nothing, "shrinks/space")
ODD(S9, file_size_limit_that_shrinks_loses_nothing, "shrinks/size")
ODD(S9, no_guard_for_what_could_not_be_put_aside, "larger_than_fsize",
    .expects = { "snapshot.unprotected" })

#define CUT_IS_SAID(name, how, ends)                                     \
	WIDTHS_HOLD(S10, name, "guard_odd", how,                         \
		    .finds = { "snapshot.lost 1", "snapshot.end " #ends, \
			       "snapshot.end[*] mmfence.snapshot.fate=lost" })

CUT_IS_SAID(cut_file_is_not_untouched_when_it_is_unmapped, "cut/unmapped", 1)
CUT_IS_SAID(cut_file_of_another_name_is_not_untouched, "cut/renamed", 1)
CUT_IS_SAID(cut_file_is_not_untouched_when_the_process_ends, "cut/exits", 0)

WIDTHS_HOLD(bare, guard_odd, "guard_odd", "--bare", .preload = RUN_BARE)
