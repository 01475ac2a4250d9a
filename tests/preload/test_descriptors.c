/* SPDX-License-Identifier: MIT */
/*
 * A3: no record lands in a descriptor of the program's. A2, P4, P5: the program may close the
 * log's like any other, and records go on all the same.
 */
#include <string.h>

#include "runner.h"

#define CLOSE(...) \
	TRY(.helper = "descriptors", .args = { __VA_ARGS__ }, .finds = { "snapshot.create 10" })

/* Also where the program has all numbers and leaves none for a log. */
#define CLOSES(name, way)                     \
	EACH_VARIANT(A3, log_survives_##name) \
	{                                     \
		CLOSE(way, "some");           \
		CLOSE(way, "all");            \
	}

CLOSES(close, "close")
CLOSES(close_range, "close_range")
CLOSES(closefrom, "closefrom")
CLOSES(close_by_syscall, "syscall_close")
CLOSES(close_range_by_syscall, "syscall_close_range")
CLOSES(close_by_hand, "hand_close")
CLOSES(close_range_by_hand, "hand_close_range")

EACH_WIDTH(A3, log_survives_dup2)
{
	CLOSE("dup2");
	CLOSE("dup3");
	CLOSE("syscall_dup2");
}

EACH_WIDTH(A3, log_survives_dup2_by_hand)
{
	CLOSE("hand_dup2");
	CLOSE("hand_dup2_some");
}

/* No record is lost, of those that the case makes. */
#define LISTED_HOLDS(each, suite, name, test, records, ...)           \
	RUNS(each, suite, name, .helper = "listed", .args = { test }, \
	     .finds = { "selfmem.open " #records, "log.dropped 0" }, __VA_ARGS__)
#define LISTS(suite, name, test, records) LISTED_HOLDS(EACH_VARIANT, suite, name, test, records)
/* What the lease thread has open is nobody else's before Linux 6.9. */
#define LISTS_SINCE_6_9(suite, name, test, records)                          \
	LISTED_HOLDS(EACH_WIDTH, suite, name, test, records, .since = "6.9", \
		     .otherwise = "coverage.gap")

LISTS(P5, what_is_listed_can_be_closed, "listed.close", 21)
LISTS(P5, what_is_listed_can_be_closed_by_syscall, "listed.syscall", 21)
LISTS(P5, what_is_listed_can_be_closed_by_hand, "listed.by_hand", 21)
LISTS(P5, what_is_listed_can_be_closed_by_close_range, "listed.close_range", 21)
LISTS(P5, what_is_listed_can_be_closed_in_a_copy, "listed.unshare", 21)
LISTS(P5, what_is_listed_can_be_replaced, "listed.dup2", 21)
LISTS(P1, descriptor_calls_that_fail_do_nothing, "failing", 10)
LISTS(P5, descriptors_have_small_numbers, "small", 0)
LISTS(A3, number_of_the_log_is_the_programs, "taken", 10)
LISTS(A3, inode_of_the_log_is_the_programs, "inode", 10)
LISTS(A3, child_of_vfork_leaves_no_descriptor, "vfork", 20)
LISTS(A2, log_goes_on_without_privileges, "nobody", 10)

LISTS_SINCE_6_9(A2, log_goes_on_when_closed_without_privileges, "nobody.twice", 10)
LISTS_SINCE_6_9(A2, log_goes_on_in_children_without_privileges, "nobody.children", 10)
LISTS(P4, log_goes_on_with_a_full_table, "full", 10)
LISTS(A2, log_goes_on_while_threads_close, "threads", 2000)
LISTS(P2, log_goes_on_while_a_handler_closes, "handler", 1000)

WIDTHS_HOLD(A2, lease_thread_has_the_log_without_privileges, "listed", "nobody.break",
	    .as_root = true, .finds = { "snapshot.preserve 1" })

/* Closed for good where there is no /proc, and so no lease thread to hand it to: that is said. */
WIDTHS_HOLD(A6, log_closed_in_another_root_is_a_gap, "listed", "root",
	    .finds = { "selfmem.open 10", "coverage.gap 1", "coverage.gap mmfence.gap.reason=log" })

/* The program closes what it was given as a log, too. */
EACH_WIDTH(A2, log_in_a_closed_descriptor_goes_on)
{
	struct run run = {
		.variant = variant, .helper = "listed", .args = { "stderr" }, .log = "stderr"
	};
	size_t records = 0;

	run_helper(&run);
	run_must_hold(&run);
	for (const char *at = run.errors; (at = strstr(at, "\"selfmem.open\"")); at++)
		records++;
	cr_assert_eq(records, 10, "%zu records of 10: %s", records, run.errors);
	run_end(&run);
}
