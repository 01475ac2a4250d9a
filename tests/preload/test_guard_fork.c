/* SPDX-License-Identifier: MIT */
/*
 * S6 for guarded mappings: children have a guard of their own without a gap, whoever exits
 * first, and however they are made.
 */
#include "test_guard_stage.h"

#define FORK_HOLDS(name, pattern)                                                           \
	EACH_WIDTH(S6, name)                                                                \
	{                                                                                   \
		struct run run = { .variant = variant,                                      \
				   .helper = "guard_fork",                                  \
				   .args = { pattern } };                                   \
		run_helper(&run);                                                           \
		run_must_hold(&run);                                                        \
		cr_assert(count_events(&run, "snapshot.lost") == 0, "a snapshot was lost"); \
		run_end(&run);                                                              \
	}

FORK_HOLDS(guard_stays_when_the_child_exits_at_once, "child_exits_at_once")
FORK_HOLDS(guard_stays_when_the_parent_exits_at_once, "parent_exits_at_once")
FORK_HOLDS(guard_stays_when_all_ancestors_exit_at_once, "all_ancestors_exit_at_once")
FORK_HOLDS(grandchildren_are_guarded, "grandchildren")
FORK_HOLDS(many_children_are_guarded, "many_children")
FORK_HOLDS(munmap_in_the_child_leaves_the_parents_guard, "child_unmaps")
FORK_HOLDS(munmap_in_the_parent_leaves_the_childs_guard, "parent_unmaps")
FORK_HOLDS(stores_of_the_child_are_its_own, "child_makes_it_writable")
FORK_HOLDS(child_maps_more_under_its_guard, "child_maps_more")
FORK_HOLDS(fork_from_a_thread, "from_a_thread")
FORK_HOLDS(fork_while_threads_map_and_unmap, "while_threads_are_busy")
FORK_HOLDS(fork_while_a_writer_comes, "while_a_break_comes")
FORK_HOLDS(fork_with_a_hundred_guarded_files, "hundred_files")
FORK_HOLDS(fork_while_a_hundred_files_are_written, "hundred_breaks_meanwhile")
FORK_HOLDS(fork_leaves_no_descriptor, "leaves_no_descriptor")
FORK_HOLDS(vfork_and_exec_leave_the_guard, "vfork_and_exec")
FORK_HOLDS(vfork_and_exit_leave_the_guard, "vfork_and_exit")
FORK_HOLDS(posix_spawn_leaves_the_guard, "spawn")
FORK_HOLDS(child_that_execs_keeps_nobody_waiting, "fork_and_exec")
FORK_HOLDS(raw_clone_by_libc_is_guarded, "raw_clone/libc")
FORK_HOLDS(fork_by_number_is_guarded, "raw_clone/number")
FORK_HOLDS(raw_clone_by_hand_is_noticed, "raw_clone/hand")
FORK_HOLDS(raw_clone_survives_its_parent, "raw_clone_survives_its_parent/*")
FORK_HOLDS(process_that_shares_memory_maps_first, "sharer_that_maps/first")
FORK_HOLDS(process_that_shares_memory_maps_later, "sharer_that_maps/later")
FORK_HOLDS(process_that_shares_memory_makes_it_writable, "sharer_that_protects")
FORK_HOLDS(process_that_shares_memory_unmaps, "sharer_that_unmaps")

EACH_WIDTH(S6, fork_without_descriptors_preserves)
{
	struct run run = { .variant = variant,
			   .helper = "guard_fork",
			   .args = { "at_the_descriptor_limit" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.preserve") == 1);
	all_say(&run, "snapshot.preserve", "mmfence.snapshot.trigger", "fork");
	run_end(&run);
}

/* Without a log, which would be of some thousand records. */
EACH_WIDTH(S6, fork_with_thousands_of_files_copies_none)
{
	struct run run = { .variant = variant,
			   .helper = "guard_fork",
			   .args = { "thousands_of_files" },
			   .log = "" };

	if (kernel_is_before("5.6"))
		cr_skip_test("before Linux 5.6 no descriptor is handed over");
	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

/* What cannot be kept is said. */
EACH_WIDTH(S6, raw_clone_that_comes_too_late_is_said_to_be_lost)
{
	struct run run = { .variant = variant,
			   .helper = "guard_fork",
			   .args = { "raw_clone_too_late/hand" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.lost") == 1);
	run_end(&run);
}
