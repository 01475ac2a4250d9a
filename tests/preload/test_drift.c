/* SPDX-License-Identifier: MIT */
/*
 * S12: with audit.drift=on the log says at the end of a snapshot what the program would have
 * seen change under it, page by page; its own stores are none of it.
 */
#include "runner.h"

static void drifted(const char *variant, const char *how, long pages, const char *ranges)
{
	struct run run = { .variant = variant,
			   .helper = "drift",
			   .args = { how },
			   .options = { "audit.drift=on" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.drift") == 1);
	json_t *event = find_event(&run, "snapshot.drift");
	cr_assert(field_number(event, "mmfence.drift.pages") == pages);
	cr_assert_str_eq(field_string(event, "mmfence.drift.ranges"), ranges);
	run_end(&run);
}

EACH_WIDTH(S12, drift_is_told_when_it_is_unmapped)
{
	drifted(variant, "unmap", 4, "12288+8192 36864+4096 61440+4096");
}

EACH_WIDTH(S12, drift_is_told_when_the_process_ends)
{
	drifted(variant, "exit", 4, "12288+8192 36864+4096 61440+4096");
}

EACH_WIDTH(S12, own_stores_are_no_drift)
{
	drifted(variant, "own", 4, "12288+8192 36864+4096 61440+4096");
}

/* A guarded snapshot that nobody touched has nothing to compare. */
EACH_WIDTH(S12, untouched_files_do_not_drift)
{
	struct run run = { .variant = variant,
			   .helper = "drift",
			   .args = { "whole" },
			   .options = { "audit.drift=on" } };

	run_helper(&run);
	cr_assert(count_events(&run, "snapshot.drift") == 0);
	run_end(&run);
}
