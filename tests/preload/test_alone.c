/* SPDX-License-Identifier: MIT */
/*
 * P1: under a seccomp filter that kills, mmfence makes no call that the program does not make,
 * and the log says that it sees nothing from there on. P5: the end of the last thread.
 */
#include "runner.h"

static void falls_silent(const char *variant, const char *how)
{
	struct run run = { .variant = variant, .helper = "sandbox", .args = { how } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert_str_eq(run.output, "done\n");
	cr_assert(count_events(&run, "snapshot.create") == 1);
	json_t *gap = find_event(&run, "coverage.gap");
	cr_assert(gap, "no coverage.gap");
	cr_assert_str_eq(field_string(gap, "mmfence.gap.reason"), "seccomp");
	run_end(&run);
}

EACH_WIDTH(P1, seccomp_filter_by_prctl)
{
	falls_silent(variant, "prctl");
}

EACH_WIDTH(P1, seccomp_filter_by_syscall)
{
	falls_silent(variant, "syscall");
}

static void leaves(const char *variant, const char *how)
{
	struct run run = { .variant = variant, .helper = "leave", .args = { how } };

	run_helper(&run);
	cr_assert(count_events(&run, "snapshot.create") == 1);
	cr_assert(run_exit(&run) == 3, "%d", run.status);
	run_end(&run);
}

/* P5: the lease thread does not keep a program alive whose last thread has gone, and leaves its
 * status.
 */
EACH_WIDTH(P5, raw_exit_of_the_last_thread)
{
	leaves(variant, "libc");
}

EACH_WIDTH(P5, exit_by_hand_of_the_last_thread)
{
	leaves(variant, "hand");
}
