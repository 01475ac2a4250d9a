/* SPDX-License-Identifier: MIT */
/*
 * P1: programs that hide what the linker left in their memory.
 */
#include "test_guard_stage.h"

#define HIDDEN(name, pattern) WIDTHS_HOLD(P1, name, "hidden", pattern, .finds = { "selfmem.open" })

HIDDEN(header_that_may_not_be_read, "header/forbid")
HIDDEN(header_that_is_gone, "header/move")
HIDDEN(header_that_leads_elsewhere, "header/redirect")
HIDDEN(frame_table_that_may_not_be_read, "frames/forbid")
HIDDEN(frame_table_that_is_gone, "frames/move")
