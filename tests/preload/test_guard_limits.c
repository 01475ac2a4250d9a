/* SPDX-License-Identifier: MIT */
/*
 * S9, S10 for guarded mappings: when memory, space, descriptors, processes or signals run
 * out, and when the program is stopped for too long. Never a wrong byte unsaid, never a hang.
 */
#include <string.h>
#include <unistd.h>

#include "filter.h"
#include "test_guard_stage.h"

/* --- no room for the old pages --- */

#define LOST(reason)                           \
	"snapshot.lost error.message~" reason, \
		"snapshot.lost file.path~/guard.data & event.outcome=failure & mmfence.snapshot.id>0"

/* The one that fits is not lost with it. */
WIDTHS_HOLD(S9, no_memory_at_the_break_is_lost_and_said, "guard_limits", "lost_is_said",
	    .options = { "snapshot.memory=16K" },
	    .finds = { LOST("snapshot.memory"), "snapshot.lost 1", "snapshot.preserve 1",
		       "snapshot.end mmfence.snapshot.fate=lost" })

WIDTHS_HOLD(S9, no_memory_at_the_break_lets_the_writer_in, "guard_limits",
	    "lost_lets_the_writer_in", .options = { "snapshot.memory=16K" },
	    .finds = { LOST("snapshot.memory") })

/* vm.max_map_count: one area is held for the replacement. */
WIDTHS_HOLD(S9, no_area_left_at_the_break_loses_nothing, "guard_limits", "at_the_limit_of_areas",
	    .finds = { "snapshot.lost 0", "snapshot.preserve 2" })

WIDTHS_HOLD(S9, no_memory_when_made_writable, "guard_limits", "lost_when_made_writable",
	    .options = { "snapshot.memory=16K" }, .says = "writable\n",
	    .finds = { LOST("snapshot.memory") })
WIDTHS_HOLD(S9, no_memory_when_made_writable_denied, "guard_limits", "lost_when_made_writable",
	    .options = { "snapshot.memory=16K", "snapshot.on-failure=deny" }, .says = "ENOMEM\n",
	    .finds = { LOST("snapshot.memory") })

RUNS(EACH_WIDTH, S9, memory_of_preserved_snapshots_is_given_back, .helper = "guard_limits",
     .args = { "room_is_given_back" }, .options = { "snapshot.memory=80K" }, .breaks = 50,
     .look = guard_events)

/* What the helper says the engine is, and the event. */
#define PUT_ASIDE(name, engine, ...)                                                      \
	WIDTHS_HOLD(S9, name, "guard_limits", "put_aside_somewhere", .says = engine "\n", \
		    .finds = { "snapshot.preserve 1",                                     \
			       "snapshot.preserve mmfence.snapshot.engine=" engine,       \
			       "snapshot.lost 0" },                                       \
		    __VA_ARGS__)

PUT_ASIDE(spill_directory_is_used_when_memory_is_used_up, "spill",
	  .options = { "snapshot.memory=16K", "snapshot.spill-dir=." })
PUT_ASIDE(spill_directory_is_used_when_it_is_asked_for, "spill",
	  .options = { "snapshot.preserve=spill", "snapshot.spill-dir=." })
static void as_before_unnamed_files(struct run *run)
{
	filter_as_kernel("3.10");
}
PUT_ASIDE(spill_file_has_a_name_for_a_moment, "spill", .prepare = as_before_unnamed_files,
	  .options = { "snapshot.preserve=spill", "snapshot.spill-dir=." })
/* A clone cannot be made there: the next rung, without an event of failure. */
PUT_ASIDE(clone_directory_on_another_device, "memory", .options = { "snapshot.clone-dir=/dev/shm" },
	  .before = stage_on_ext4)

WIDTHS_HOLD(S9, full_spill_directory_is_lost_and_said, "guard_limits", "lost_lets_the_writer_in",
	    .options = { "snapshot.memory=16K" }, .before = stage_small_spill,
	    .finds = { LOST("space") })

WIDTHS_HOLD(S9, absent_spill_directory_is_lost_and_said, "guard_limits", "lost_lets_the_writer_in",
	    .options = { "snapshot.memory=16K", "snapshot.spill-dir=/nonexistent/directory" },
	    .finds = { LOST("spill-dir") })

WIDTHS_HOLD(S9, clone_only_where_there_is_none_is_lost_and_said, "guard_limits",
	    "lost_lets_the_writer_in", .options = { "snapshot.preserve=clone" },
	    .before = stage_on_tmpfs, .finds = { LOST("clone") })

/* --- descriptors, processes, signals --- */

WIDTHS_HOLD(S9, files_beyond_the_descriptor_limit_are_copied, "guard_limits", "descriptors")
WIDTHS_HOLD(S9, descriptor_limit_that_is_lowered_later, "guard_limits", "limit_is_lowered/*")
WIDTHS_HOLD(S9, data_limit_that_is_lowered_later, "guard_limits", "data_limit_is_lowered",
	    .finds = { "snapshot.lost 0" })
WIDTHS_HOLD(S4, lock_outlives_the_right_to_lock, "guard_limits", "lock_outlives_the_right/*",
	    .finds = { "snapshot.lost 0" })

WIDTHS_HOLD(S9, no_lease_thread_leaves_the_plain_mapping_and_says_so, "guard_limits",
	    "no_lease_thread", .as_root = true,
	    .finds = { "snapshot.create 0",
		       "snapshot.unprotected mmfence.snapshot.decision=plain" })

/* Before, what is guarded is copied at a fork. */
WIDTHS_HOLD(S9, no_lease_thread_in_the_child_is_lost_and_said, "guard_limits",
	    "no_lease_thread_in_the_child", .as_root = true, .since = "5.6",
	    .finds = { "snapshot.lost 1", "snapshot.lost error.message~lease thread" })

/* --- S10 --- */

WIDTHS_HOLD(S10, stopped_too_long_is_lost_and_said, "guard_limits", "stopped_too_long",
	    .before = lease_time_shorten,
	    .finds = { "snapshot.lost error.message~stopped too long", "snapshot.preserve 0",
		       "snapshot.end mmfence.snapshot.fate=lost" })

WIDTHS_HOLD(S10, stopped_too_long_is_said_at_the_end, "guard_limits", "stopped_too_long_and_ends",
	    .before = lease_time_shorten,
	    .finds = { "snapshot.lost 1", "snapshot.lost error.message~stopped too long" })

WIDTHS_HOLD(S10, stopped_for_a_while_is_not_lost, "guard_limits", "stopped_a_while",
	    .before = lease_time_keep, .finds = { "snapshot.lost 0" })

WIDTHS_HOLD(S10, fates_after_a_break_are_said_at_the_end, "guard_limits", "room_is_given_back",
	    .finds = { "snapshot.end 50", "snapshot.end[*] mmfence.snapshot.fate=preserved" })

/* --- memory --- */

/* Holes that are copied count. */
WIDTHS_HOLD(S8, holes_that_cannot_be_told_count, "guard_limits", "inherited_and_sparse",
	    .options = { "snapshot.copy-limit=16K" }, .as_root = true, .since = "5.6",
	    .finds = { "snapshot.create 0", "snapshot.unprotected error.message~copy-limit" })

WIDTHS_HOLD(S4, mapping_that_will_be_locked_is_copied, "guard_limits", "locked_in_future",
	    .as_root = true, .finds = { "snapshot.create 1", "snapshot.unprotected 0" })

/* --- whose file it is --- */

RUNS(EACH_WIDTH, S10, owner_has_a_guard, .helper = "guard_limits", .args = { "own_file" },
     .as_root = true, .breaks = 1, .look = guard_events)

RUNS_AND(EACH_WIDTH, S10, somebody_elses_file_is_copied_and_verified, .helper = "guard_limits",
	 .args = { "somebody_elses_file" }, .as_root = true,
	 .finds = { "snapshot.create mmfence.snapshot.consistency=verified",
		    "snapshot.create mmfence.snapshot.reason~owner" })
{
	cr_assert(strstr(run->output, "memory") || strstr(run->output, "clone"));
}
