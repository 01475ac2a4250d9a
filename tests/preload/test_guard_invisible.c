/* SPDX-License-Identifier: MIT */
/*
 * P4, P5: the program does not notice the lease thread: descriptors, locks, threads, credentials,
 * namespaces, other roots, the end.
 */
#include "test_guard_stage.h"

#define UNSEEN(suite, name, pattern, ...)                                                    \
	EACH_WIDTH(suite, name)                                                              \
	{                                                                                    \
		struct run run = { .variant = variant,                                       \
				   .helper = "guard_invisible",                              \
				   .args = { pattern },                                      \
				   .options = { "snapshot.shared=**/guard.data" },           \
				   .seconds = 90,                                            \
				   __VA_ARGS__ };                                            \
		run_helper(&run);                                                            \
		run_must_hold(&run);                                                         \
		cr_assert(count_events(&run, "snapshot.create") > 0, "nothing was guarded"); \
		cr_assert(count_events(&run, "snapshot.lost") == 0, "a snapshot was lost");  \
		run_end(&run);                                                               \
	}

UNSEEN(P5, no_descriptor_of_ours_appears, "no_descriptor_of_ours")
UNSEEN(P5, guarded_record_locks_stay, "record_locks_stay")
UNSEEN(P5, own_leases_work_beside_ours, "own_lease")
UNSEEN(P5, guarded_libc_stays_single_threaded, "libc_knows_of_no_thread")
UNSEEN(P5, no_signal_and_no_child_is_seen, "no_signal_and_no_child")
UNSEEN(P5, pthread_exit_of_the_main_thread_ends_the_process, "main_thread_leaves")
UNSEEN(P5, pthread_exit_of_the_last_thread_ends_the_process, "last_thread_leaves")
UNSEEN(P5, first_guard_after_the_main_thread_left, "last_thread_begins")
UNSEEN(P8, names_of_the_lease_thread_cost_no_parent, "parents_need_not_wait_for_its_thread")
UNSEEN(P5, raw_exit_of_the_only_thread_ends_the_process, "raw_exit_of_the_only_thread")
UNSEEN(P5, the_end_gives_all_leases_back, "end_gives_all_back/*")
UNSEEN(P5, exec_gives_all_leases_back, "exec_gives_all_back")
UNSEEN(P5, exec_from_a_thread_gives_all_leases_back, "exec_from_a_thread_gives_all_back")
UNSEEN(P5, failed_exec_changes_nothing, "failed_exec_changes_nothing")
UNSEEN(P5, lease_thread_follows_user_ids, "identity/set*uid")
UNSEEN(P5, lease_thread_follows_group_ids, "identity/set*gid")
UNSEEN(P5, lease_thread_follows_groups, "identity/*groups")
UNSEEN(P5, lease_thread_follows_a_system_call, "identity/number")
UNSEEN(P5, lease_thread_follows_there_and_back, "identity/there_and_back")
UNSEEN(P5, lease_thread_follows_step_by_step, "identity/[aes]*[deltp]")
UNSEEN(P5, lease_thread_has_no_capability_that_was_given_up, "identity/*cap*")
UNSEEN(P5, lease_thread_stays_when_a_vforked_child_becomes_another, "vforked_child_becomes_another")
UNSEEN(P5, guard_outlives_the_right_to_open_the_file, "identity_without_access")
/* A process whose children are in another namespace can have no thread. */
UNSEEN(P5, unshare_succeeds_as_bare, "unshare/*", .expects = { "snapshot.unprotected" })
UNSEEN(P5, unshare_by_number_succeeds_as_bare, "unshare_by_number/*",
       .expects = { "snapshot.unprotected" })
UNSEEN(P5, setns_succeeds_as_bare, "setns/*")
UNSEEN(P4, guard_outlives_closing_everything, "closes_everything/*")
UNSEEN(P4, guard_outlives_daemonize, "daemonize")

/* P4, A2: the log is out of reach by name, and the break is said there all the same. */
#define BREAK_IS_SAID(suite, name, pattern)                                                      \
	EACH_WIDTH(suite, name)                                                                  \
	{                                                                                        \
		struct run run = { .variant = variant,                                           \
				   .helper = "guard_invisible",                                  \
				   .args = { pattern },                                          \
				   .options = { "snapshot.shared=**/guard.data" } };             \
		run_helper(&run);                                                                \
		run_must_hold(&run);                                                             \
		cr_assert(count_events(&run, "snapshot.preserve") > 0, "the break is not said"); \
		cr_assert(count_events(&run, "snapshot.lost") == 0);                             \
		cr_assert(count_events(&run, "process.end") > 0, "the end is not said");         \
		cr_assert(count_events(&run, "log.dropped") == 0, "records were dropped");       \
		run_end(&run);                                                                   \
	}

BREAK_IS_SAID(P4, guard_in_another_root, "in_another_root/private")
BREAK_IS_SAID(P4, shared_guard_in_another_root, "in_another_root/shared")
BREAK_IS_SAID(P4, fork_in_another_root, "fork_in_another_root")
BREAK_IS_SAID(P4, break_is_said_after_privileges_are_dropped, "identity/all")
BREAK_IS_SAID(P4, break_is_said_when_the_main_thread_is_gone, "last_thread_leaves")
