/* SPDX-License-Identifier: MIT */
/*
 * A3: no record lands in a descriptor of the program's. A2, P4, P5: the program may close the
 * log's like any other, and records go on all the same.
 */
#include <string.h>

#include "runner.h"

static void closes(const char *variant, const char *way, const char *how_many)
{
	struct run run = { .variant = variant, .helper = "descriptors", .args = { way, how_many } };

	run_helper(&run);
	run_must_hold(&run);
	size_t records = count_events(&run, "snapshot.create");
	cr_assert(records == 10, "%s: %zu records of 10", way, records);
	run_end(&run);
}

/* Also where the program has all numbers and leaves none for a log. */
#define CLOSES(name, way)                     \
	EACH_VARIANT(A3, log_survives_##name) \
	{                                     \
		closes(variant, way, "some"); \
		closes(variant, way, "all");  \
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
	closes(variant, "dup2", NULL);
	closes(variant, "dup3", NULL);
	closes(variant, "syscall_dup2", NULL);
}

EACH_WIDTH(A3, log_survives_dup2_by_hand)
{
	closes(variant, "hand_dup2", NULL);
	closes(variant, "hand_dup2_some", NULL);
}

/* No record is lost, of those that the case makes. */
static void lists(const char *variant, const char *test, size_t records)
{
	struct run run = { .variant = variant, .helper = "listed", .args = { test } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert_eq(count_events(&run, "selfmem.open"), records, "%s: %zu records of %zu", test,
		     count_events(&run, "selfmem.open"), records);
	cr_assert_null(find_event(&run, "log.dropped"));
	run_end(&run);
}

#define LISTS(suite, name, test, records)      \
	EACH_VARIANT(suite, name)              \
	{                                      \
		lists(variant, test, records); \
	}

/* What the lease thread has open is nobody else's before Linux 6.9. */
static void lists_since_6_9(const char *variant, const char *test, size_t records)
{
	struct run run = { .variant = variant, .helper = "listed", .args = { test } };

	if (!kernel_is_before("6.9")) {
		lists(variant, test, records);
		return;
	}
	run_helper(&run);
	run_must_hold_since(&run, "6.9", "coverage.gap", "the log cannot be had again");
}

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

EACH_WIDTH(A2, log_goes_on_when_closed_without_privileges)
{
	lists_since_6_9(variant, "nobody.twice", 10);
}

EACH_WIDTH(A2, log_goes_on_in_children_without_privileges)
{
	lists_since_6_9(variant, "nobody.children", 10);
}

LISTS(P4, log_goes_on_with_a_full_table, "full", 10)
LISTS(A2, log_goes_on_while_threads_close, "threads", 2000)
LISTS(P2, log_goes_on_while_a_handler_closes, "handler", 1000)

EACH_WIDTH(A2, lease_thread_has_the_log_without_privileges)
{
	struct run run = { .variant = variant, .helper = "listed", .args = { "nobody.break" } };

	skip_unless_root();
	run_helper(&run);
	run_must_hold(&run);
	cr_assert_eq(count_events(&run, "snapshot.preserve"), 1);
	run_end(&run);
}

/* Closed for good where there is no /proc, and so no lease thread to hand it to: that is said. */
EACH_WIDTH(A6, log_closed_in_another_root_is_a_gap)
{
	struct run run = { .variant = variant, .helper = "listed", .args = { "root" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert_eq(count_events(&run, "selfmem.open"), 10);
	cr_assert_eq(count_events(&run, "coverage.gap"), 1);
	cr_assert_str_eq(field_string(find_event(&run, "coverage.gap"), "mmfence.gap.reason"),
			 "log");
	run_end(&run);
}

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
