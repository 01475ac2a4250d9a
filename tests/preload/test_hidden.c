/* SPDX-License-Identifier: MIT */
/*
 * P1: programs that hide what the linker left in their memory.
 */
#include "test_guard_stage.h"

#define HIDDEN(name, pattern)                                                                     \
	EACH_WIDTH(P1, name)                                                                      \
	{                                                                                         \
		struct run run = { .variant = variant, .helper = "hidden", .args = { pattern } }; \
		run_helper(&run);                                                                 \
		run_must_hold(&run);                                                              \
		cr_assert(find_event(&run, "selfmem.open"), "the open is not said");              \
		run_end(&run);                                                                    \
	}

HIDDEN(header_that_may_not_be_read, "header/forbid")
HIDDEN(header_that_is_gone, "header/move")
HIDDEN(header_that_leads_elsewhere, "header/redirect")
HIDDEN(frame_table_that_may_not_be_read, "frames/forbid")
HIDDEN(frame_table_that_is_gone, "frames/move")
