/* SPDX-License-Identifier: MIT */
/*
 * S6 for guarded mappings: children have a guard of their own without a gap, whoever exits
 * first, and however they are made.
 */
#include "test_guard_stage.h"

#define GUARDED(name, helper, pattern) \
	WIDTHS_HOLD(S6, name, helper, pattern, .finds = { "snapshot.lost 0" })
#define FORK_HOLDS(name, pattern)  GUARDED(name, "guard_fork", pattern)
#define SPAWN_HOLDS(name, pattern) GUARDED(name, "guard_spawn", pattern)

FORK_HOLDS(guard_stays_when_the_child_exits_at_once, "child_exits_at_once")
FORK_HOLDS(guard_stays_when_the_parent_exits_at_once, "parent_exits_at_once")
FORK_HOLDS(guard_stays_when_all_ancestors_exit_at_once, "all_ancestors_exit_at_once")
FORK_HOLDS(guard_stays_when_sockets_are_crowded, "crowded_sockets")
FORK_HOLDS(grandchildren_are_guarded, "grandchildren")
FORK_HOLDS(many_children_are_guarded, "many_children")
FORK_HOLDS(munmap_in_the_child_leaves_the_parents_guard, "child_unmaps")
FORK_HOLDS(munmap_in_the_parent_leaves_the_childs_guard, "parent_unmaps")
FORK_HOLDS(stores_of_the_child_are_its_own, "child_makes_it_writable")
FORK_HOLDS(child_maps_more_under_its_guard, "child_maps_more")
SPAWN_HOLDS(vfork_and_exec_leave_the_guard, "vfork_and_exec")
SPAWN_HOLDS(posix_spawn_leaves_the_guard, "spawn")
SPAWN_HOLDS(child_that_execs_keeps_nobody_waiting, "fork_and_exec")
SPAWN_HOLDS(raw_clone_by_libc_is_guarded, "raw_clone/libc")
SPAWN_HOLDS(fork_by_number_is_guarded, "raw_clone/number")
SPAWN_HOLDS(raw_clone_by_hand_is_noticed, "raw_clone/hand")
SPAWN_HOLDS(raw_clone_survives_its_parent, "raw_clone_survives_its_parent/*")
SPAWN_HOLDS(process_that_shares_memory_maps_first, "sharer_that_maps/first")
SPAWN_HOLDS(process_that_shares_memory_maps_later, "sharer_that_maps/later")
SPAWN_HOLDS(process_that_shares_memory_makes_it_writable, "sharer_that_protects")
SPAWN_HOLDS(process_that_shares_memory_unmaps, "sharer_that_unmaps")

WIDTHS_HOLD(S6, fork_without_descriptors_preserves, "guard_fork", "at_the_descriptor_limit",
	    .finds = { "snapshot.preserve 1",
		       "snapshot.preserve[*] mmfence.snapshot.trigger=fork" })

/* Without a log, which would be of some thousand records. */
WIDTHS_HOLD(S6, fork_with_thousands_of_files_copies_none, "guard_fork", "thousands_of_files",
	    .since = "5.6", .log = "")

/* What cannot be kept is said. */
WIDTHS_HOLD(S6, raw_clone_that_comes_too_late_is_said_to_be_lost, "guard_spawn",
	    "raw_clone_too_late/overwritten", .finds = { "snapshot.lost 1" })
WIDTHS_HOLD(S6, raw_clone_on_tmpfs_is_said_to_be_lost, "guard_spawn",
	    "raw_clone_too_late/stored_to", .before = stage_on_tmpfs,
	    .finds = { "snapshot.lost 1" })
