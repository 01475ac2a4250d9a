/* SPDX-License-Identifier: MIT */
/*
 * P9: memory of the library's own never lies where the program left a hole on purpose.
 */
#include <unistd.h>

#include "test_guard_stage.h"

#define HOLES(name, pattern) WIDTHS_HOLD(P9, name, "holes", pattern)

HOLES(first_guard_of_a_child_leaves_its_holes_free, "in_a_child/first")
HOLES(inherited_guard_leaves_the_childs_holes_free, "in_a_child/inherited")
HOLES(place_below_the_last_mapping_stays_free, "below_the_last_mapping")
HOLES(what_was_unmapped_stays_free, "where_memory_was")

/* Where the kernel maps upwards. */
static void place_above(const char *variant, const char *holes)
{
	char command[PATH_MAX + 64];

	snprintf(command, sizeof(command), "ulimit -s unlimited && exec %s '*'", holes);
	TRY(.helper = "/bin/sh", .args = { "-c", command });
}

EACH_WIDTH(P9, place_above_stays_free_without_a_limit_for_the_stack)
{
	place_above(NULL, build_path("helpers/%s/holes", variant));
}

static void linker_is_there(struct run *run)
{
	if (access(run->helper, X_OK))
		cr_skip_test("no dynamic linker at %s", run->helper);
}

/* There the kernel names no dynamic linker. */
RUNS(BY_PATH, P9, holes_of_a_program_that_the_dynamic_linker_was_told_to_start,
     .helper = "/lib64/ld-linux-x86-64.so.2", .args = { build_path("helpers/fixed/holes"), "*" },
     .before = linker_is_there)
