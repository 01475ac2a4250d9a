/* SPDX-License-Identifier: MIT */
/*
 * S1, S5, P1: the index follows the kernel, whatever became of a call.
 */
#include "test_guard_stage.h"

#define INDEX(suite, name, pattern) WIDTHS_HOLD(suite, name, "guard_index", pattern)

INDEX(S1, segment_over_a_snapshot_is_never_overwritten, "segment_replaces/libc")
INDEX(S1, segment_by_number_is_never_overwritten, "segment_replaces/number")
INDEX(S1, segment_that_nobody_saw_is_never_overwritten, "segment_replaces/hand")
INDEX(S5, guarded_area_that_moved_before_the_failure_is_kept, "moved_in_part/guarded")
INDEX(S5, copied_area_that_moved_before_the_failure_is_listed, "moved_in_part/copied")
INDEX(P1, child_grows_memory_where_it_has_no_snapshot, "child/grows")
INDEX(P1, child_executes_memory_where_it_has_no_snapshot, "child/executes")
WIDTHS_HOLD(bare, guard_index, "guard_index", "--bare", .preload = RUN_BARE)
