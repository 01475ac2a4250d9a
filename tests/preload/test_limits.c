/* SPDX-License-Identifier: MIT */
/*
 * P1: exec, exit and what is asked about them are the kernel's, at their limits too.
 */
#include "test_guard_stage.h"

/* Where nothing of the library's fits any more, the log says so. RUN_STATE: nor has a helper
 * anything to leave, whose calls are counted. */
#define LIMIT(name, pattern)                                                              \
	WIDTHS_HOLD(P1, name, "limits", pattern, .seconds = 120, .env = { "RUN_STATE=" }, \
		    .expects = { "coverage.gap" })

LIMIT(environment_too_large_for_exec_is_the_kernels_to_refuse, "large/*")
LIMIT(environment_that_just_fits_still_fits, "fits/*")
LIMIT(longest_command_of_a_shell_still_runs, "longest_command")
LIMIT(end_without_a_record_is_one_system_call, "end/*")
LIMIT(exec_asks_for_one_open, "one_open_for_an_exec")
