/* SPDX-License-Identifier: MIT */
/*
 * P1: under a seccomp filter that kills, mmfence makes no call that the program does not make,
 * and the log says that it sees nothing from there on.
 */
#include "runner.h"

static void falls_silent(const char *variant, const char *how)
{
	struct run run = { .variant = variant, .helper = "sandbox", .args = { how } };

	run_helper(&run);
	cr_assert(run_exit(&run) == 0, "%d: %s", run.status, run.output);
	cr_assert_str_eq(run.output, "done\n");
	cr_assert(count_events(&run, "snapshot.create") == 1);
	json_t *gap = find_event(&run, "coverage.gap");
	cr_assert(gap, "no coverage.gap");
	cr_assert_str_eq(field_string(gap, "mmfence.gap.reason"), "seccomp");
	run_end(&run);
}

EACH_VARIANT(P1, seccomp_filter_by_prctl)
{
	falls_silent(variant, "prctl");
}

EACH_VARIANT(P1, seccomp_filter_by_syscall)
{
	falls_silent(variant, "syscall");
}
