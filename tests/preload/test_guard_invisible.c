/* SPDX-License-Identifier: MIT */
/*
 * P4, P5: the program does not notice the lease thread: descriptors, locks, threads, credentials,
 * namespaces, other roots, the end.
 */
#include "test_guard_stage.h"

#define UNSEEN(suite, name, helper, pattern, ...)                                                 \
	WIDTHS_HOLD(suite, name, helper, pattern, .options = { "snapshot.shared=**/guard.data" }, \
		    .seconds = 90, .finds = { "snapshot.create", "snapshot.lost 0" }, __VA_ARGS__)

UNSEEN(P5, the_end_gives_all_leases_back, "guard_end", "end_gives_all_back/*")
UNSEEN(P5, lease_thread_follows_user_ids, "guard_identity", "identity/set*uid")
UNSEEN(P5, lease_thread_follows_group_ids, "guard_identity", "identity/set*gid")
UNSEEN(P5, lease_thread_follows_groups, "guard_identity", "identity/*groups")
UNSEEN(P5, lease_thread_follows_a_system_call, "guard_identity", "identity/number")
UNSEEN(P5, lease_thread_follows_there_and_back, "guard_identity", "identity/there_and_back")
UNSEEN(P5, lease_thread_follows_step_by_step, "guard_identity", "identity/[aes]*[deltp]")
UNSEEN(P5, lease_thread_has_no_capability_that_was_given_up, "guard_identity", "identity/*cap*")
UNSEEN(P1, proc_can_be_unmounted, "guard_spaces", "proc_is_unmounted", .in_mounts = true)
WIDTHS_HOLD(S1, file_of_a_threads_own_table_is_shown, "guard_invisible",
	    "unreadable_file_of_own_table", .expects = { "snapshot.unprotected" })
/* A process whose children are in another namespace can have no thread. */
UNSEEN(P5, unshare_succeeds_as_bare, "guard_spaces", "unshare/*",
       .expects = { "snapshot.unprotected" })
UNSEEN(P5, unshare_by_number_succeeds_as_bare, "guard_spaces", "unshare_by_number/*",
       .expects = { "snapshot.unprotected" })
UNSEEN(P5, setns_succeeds_as_bare, "guard_spaces", "setns/*")
UNSEEN(P4, guard_outlives_closing_everything, "guard_invisible", "closes_everything/*")

/* P4, A2: the log is out of reach by name, and the break is said there all the same. */
#define BREAK_IS_SAID(name, helper, pattern)                                                   \
	WIDTHS_HOLD(P4, name, helper, pattern, .options = { "snapshot.shared=**/guard.data" }, \
		    .finds = { "snapshot.preserve", "snapshot.lost 0", "process.end",          \
			       "log.dropped 0" })

BREAK_IS_SAID(guard_in_another_root, "guard_spaces", "in_another_root/private")
BREAK_IS_SAID(shared_guard_in_another_root, "guard_spaces", "in_another_root/shared")
BREAK_IS_SAID(fork_in_another_root, "guard_spaces", "fork_in_another_root")
BREAK_IS_SAID(break_is_said_after_privileges_are_dropped, "guard_identity", "identity/all")
/* P5: and the last one's pthread_exit ends the process. */
BREAK_IS_SAID(break_is_said_when_the_main_thread_is_gone, "guard_end", "last_thread_leaves")
