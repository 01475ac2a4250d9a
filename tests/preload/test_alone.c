/* SPDX-License-Identifier: MIT */
/*
 * P1: under a seccomp filter that kills, mmfence makes no call that the program does not make,
 * and the log says that it sees nothing from there on. P5: the end of the last thread.
 */
#include "runner.h"

#define IS_A_GAP "coverage.gap mmfence.gap.reason=seccomp"

/* Whether selfmem.open is refused still after what it does about filters. */
#define SPEAKS_ON(name, how, ...)                                                       \
	WIDTHS_HOLD(A6, name, "sandbox", how, .options = { "selfmem.open=refuse" },     \
		    .says = "refused\n", .finds = { "selfmem.open", "coverage.gap 0" }, \
		    __VA_ARGS__)

SPEAKS_ON(question_for_filters_is_none, "ask")
SPEAKS_ON(filter_that_lets_all_through_is_no_gap, "all")
SPEAKS_ON(filter_that_the_kernel_refuses_is_no_gap, "forbidden", .as_root = true)
SPEAKS_ON(filter_that_spares_our_calls_is_no_gap, "sparing")

#define IS_LEFT_ALONE(name, how)                                                    \
	WIDTHS_HOLD(A6, name, "sandbox", how, .options = { "selfmem.open=refuse" }, \
		    .says = "given\n", .finds = { IS_A_GAP })

IS_LEFT_ALONE(filter_that_may_refuse_one_of_ours_is_a_gap, "unsparing")
IS_LEFT_ALONE(filter_that_may_refuse_a_look_of_ours_is_a_gap, "reading")

/* A6: the parent of such a child is looked at as before. */
WIDTHS_HOLD(A6, filter_of_a_child_of_vfork_is_not_its_parents, "sandbox", "child_filtered",
	    .options = { "selfmem.open=refuse" }, .says = "refused\n",
	    .finds = { IS_A_GAP, "selfmem.open", "process.end", "snapshot.create" })
WIDTHS_HOLD(P1, child_of_vfork_lives_under_two_filters, "sandbox", "child_filtered_twice",
	    .finds = { IS_A_GAP })
WIDTHS_HOLD(A6, fanotify_of_a_child_of_vfork_is_not_its_parents, "sandbox", "child_fanotify",
	    .options = { "selfmem.open=refuse" }, .says = "refused\n",
	    .finds = { "coverage.gap 0", "snapshot.create !mmfence.snapshot.reason" })

#define FALLS_SILENT(name, how)                                 \
	WIDTHS_HOLD(P1, name, "sandbox", how, .says = "done\n", \
		    .finds = { "snapshot.create 1", IS_A_GAP })

FALLS_SILENT(seccomp_filter_by_prctl, "prctl")
FALLS_SILENT(seccomp_filter_by_syscall, "syscall")

WIDTHS_HOLD(P5, raw_exit_of_the_last_thread, "leave", "libc", .ends_with = 3,
	    .finds = { "snapshot.create 1" })
WIDTHS_HOLD(P5, exit_by_hand_of_the_last_thread, "leave", "hand", .ends_with = 3,
	    .finds = { "snapshot.create 1" })
