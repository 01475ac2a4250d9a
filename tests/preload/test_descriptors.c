/* SPDX-License-Identifier: MIT */
/*
 * A3: no record lands in a descriptor of the program's, and records go on in the log.
 */
#include <string.h>

#include "runner.h"

static void closes(const char *variant, const char *way, const char *how_many, bool goes_on)
{
	struct run run = { .variant = variant, .helper = "descriptors", .args = { way, how_many } };

	run_helper(&run);
	run_must_hold(&run);
	size_t records = count_events(&run, "snapshot.create");
	if (goes_on)
		cr_assert(records == 10, "%s: %zu records of 10", way, records);
	else
		cr_assert(records >= 5, "%s: %zu records of the first 5", way, records);
	run_end(&run);
}

#define CLOSES(name, way)                           \
	EACH_VARIANT(A3, log_survives_##name)       \
	{                                           \
		closes(variant, way, "some", true); \
	}                                           \
	EACH_VARIANT(A3, files_survive_##name)      \
	{                                           \
		closes(variant, way, "all", false); \
	}

CLOSES(close, "close")
CLOSES(close_range, "close_range")
CLOSES(closefrom, "closefrom")
CLOSES(close_by_syscall, "syscall_close")
CLOSES(close_range_by_syscall, "syscall_close_range")
CLOSES(close_by_hand, "hand_close")
CLOSES(close_range_by_hand, "hand_close_range")

/* All numbers are the program's: the log has no room, its files are clean. */
EACH_VARIANT(A3, files_survive_dup2)
{
	closes(variant, "dup2", NULL, false);
	closes(variant, "dup3", NULL, false);
	closes(variant, "syscall_dup2", NULL, false);
}

EACH_VARIANT(A3, files_survive_dup2_by_hand)
{
	closes(variant, "hand_dup2", NULL, false);
}

EACH_VARIANT(A3, log_survives_dup2_by_hand)
{
	closes(variant, "hand_dup2_some", NULL, true);
}
