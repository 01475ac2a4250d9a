/* SPDX-License-Identifier: MIT */
/*
 * S9, S10 for guarded mappings: when memory, space, descriptors, processes or signals run
 * out, and when the program is stopped for too long. Never a wrong byte unsaid, never a hang.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_guard_stage.h"

/* --- no room for the old pages --- */

static void lost_is_said(struct run *run, const char *reason)
{
	run->helper = "guard_limits";
	run_helper(run);
	run_must_hold(run);
	json_t *event = find_event(run, "snapshot.lost");
	cr_assert(event, "nothing was said");
	cr_assert(strstr(field_string(event, "error.message"), reason), "%s",
		  field_string(event, "error.message"));
	cr_assert(strstr(field_string(event, "file.path"), "/guard.data"));
	cr_assert_str_eq(field_string(event, "event.outcome"), "failure");
	cr_assert(field_number(event, "mmfence.snapshot.id") > 0);
}

EACH_WIDTH(S9, no_memory_at_the_break_is_lost_and_said)
{
	struct run run = { .variant = variant,
			   .args = { "lost_is_said" },
			   .options = { "snapshot.memory=16K" } };

	lost_is_said(&run, "snapshot.memory");
	/* The one that fits is not lost with it. */
	cr_assert(count_events(&run, "snapshot.lost") == 1);
	cr_assert(count_events(&run, "snapshot.preserve") == 1);
	cr_assert_str_eq(field_string(find_event(&run, "snapshot.end"), "mmfence.snapshot.fate"),
			 "lost");
	run_end(&run);
}

EACH_WIDTH(S9, no_memory_at_the_break_lets_the_writer_in)
{
	struct run run = { .variant = variant,
			   .args = { "lost_lets_the_writer_in" },
			   .options = { "snapshot.memory=16K" } };

	lost_is_said(&run, "snapshot.memory");
	run_end(&run);
}

EACH_WIDTH(S9, no_memory_when_made_writable)
{
	struct run plain = { .variant = variant,
			     .args = { "lost_when_made_writable" },
			     .options = { "snapshot.memory=16K" } };
	struct run deny = { .variant = variant,
			    .args = { "lost_when_made_writable" },
			    .options = { "snapshot.memory=16K", "snapshot.on-failure=deny" } };

	lost_is_said(&plain, "snapshot.memory");
	cr_assert_str_eq(plain.output, "writable\n");
	run_end(&plain);
	lost_is_said(&deny, "snapshot.memory");
	cr_assert_str_eq(deny.output, "ENOMEM\n");
	run_end(&deny);
}

EACH_WIDTH(S9, memory_of_preserved_snapshots_is_given_back)
{
	struct run run = { .variant = variant,
			   .helper = "guard_limits",
			   .args = { "room_is_given_back" },
			   .options = { "snapshot.memory=80K" } };

	run_helper(&run);
	run_must_hold(&run);
	guard_events(&run, 50);
	run_end(&run);
}

/* What the helper says the engine is, and the event. */
static void put_aside_in(struct run *run, const char *engine)
{
	run->helper = "guard_limits";
	run->args[0] = "put_aside_somewhere";
	run_helper(run);
	run_must_hold(run);
	run->output[strcspn(run->output, "\n")] = 0;
	cr_assert_str_eq(run->output, engine);
	cr_assert(count_events(run, "snapshot.preserve") == 1);
	all_say(run, "snapshot.preserve", "mmfence.snapshot.engine", engine);
}

EACH_WIDTH(S9, spill_directory_is_used_when_memory_is_used_up)
{
	struct run run = { .variant = variant,
			   .options = { "snapshot.memory=16K", "snapshot.spill-dir=." } };

	put_aside_in(&run, "spill");
	run_end(&run);
}

EACH_WIDTH(S9, spill_directory_is_used_when_it_is_asked_for)
{
	struct run run = { .variant = variant,
			   .options = { "snapshot.preserve=spill", "snapshot.spill-dir=." } };

	put_aside_in(&run, "spill");
	run_end(&run);
}

EACH_WIDTH(S9, full_spill_directory_is_lost_and_said)
{
	struct run run = { .variant = variant,
			   .args = { "lost_lets_the_writer_in" },
			   .options = { "snapshot.memory=16K" } };

	stage_spill(&run, "size=32k");
	lost_is_said(&run, "space");
	run_end(&run);
}

EACH_WIDTH(S9, absent_spill_directory_is_lost_and_said)
{
	struct run run = { .variant = variant,
			   .args = { "lost_lets_the_writer_in" },
			   .options = { "snapshot.memory=16K",
					"snapshot.spill-dir=/nonexistent/directory" } };

	lost_is_said(&run, "spill-dir");
	run_end(&run);
}

/* A clone cannot be made there: the next rung, without an event of failure. */
EACH_WIDTH(S9, clone_directory_on_another_device)
{
	struct run run = { .variant = variant, .options = { "snapshot.clone-dir=/dev/shm" } };

	stage_on(&run, STAGE_EXT4);
	put_aside_in(&run, "memory");
	cr_assert(count_events(&run, "snapshot.lost") == 0);
	run_end(&run);
}

EACH_WIDTH(S9, clone_only_where_there_is_none_is_lost_and_said)
{
	struct run run = { .variant = variant,
			   .args = { "lost_lets_the_writer_in" },
			   .options = { "snapshot.preserve=clone" } };

	stage_on(&run, STAGE_TMPFS);
	lost_is_said(&run, "clone");
	run_end(&run);
}

/* --- descriptors, processes, signals --- */

WIDTHS_HOLD(S9, files_beyond_the_descriptor_limit_are_copied, "guard_limits", "descriptors")
WIDTHS_HOLD(S9, descriptor_limit_that_is_lowered_later, "guard_limits", "limit_is_lowered/*")
WIDTHS_HOLD(S9, full_signal_queue_and_a_break, "guard_limits", "signals_and_a_break")
WIDTHS_HOLD(S9, signal_queue_that_fills_later, "guard_limits", "signals_later")
WIDTHS_HOLD(S9, full_signal_queue_and_own_stores, "guard_limits", "signals_and_stores")
WIDTHS_HOLD(S9, full_signal_queue_and_fork, "guard_limits", "signals_and_fork")
WIDTHS_HOLD(S9, full_signal_queue_and_munmap, "guard_limits", "signals_and_the_end")

EACH_WIDTH(S9, no_lease_thread_leaves_the_plain_mapping_and_says_so)
{
	struct run run = { .variant = variant,
			   .helper = "guard_limits",
			   .args = { "no_lease_thread" } };

	skip_unless_root();
	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.create") == 0);
	json_t *event = find_event(&run, "snapshot.unprotected");
	cr_assert(event, "nothing was said");
	cr_assert_str_eq(field_string(event, "mmfence.snapshot.decision"), "plain");
	run_end(&run);
}

EACH_WIDTH(S9, no_lease_thread_in_the_child_is_lost_and_said)
{
	struct run run = { .variant = variant,
			   .helper = "guard_limits",
			   .args = { "no_lease_thread_in_the_child" } };

	skip_unless_root();
	if (kernel_is_before("5.6"))
		cr_skip_test("before Linux 5.6 what is guarded is copied at a fork, not lost");
	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "snapshot.lost");
	cr_assert(event && count_events(&run, "snapshot.lost") == 1);
	cr_assert(strstr(field_string(event, "error.message"), "lease thread"));
	run_end(&run);
}

/* --- S10 --- */

EACH_WIDTH(S10, stopped_too_long_is_lost_and_said)
{
	struct run run = { .variant = variant,
			   .helper = "guard_limits",
			   .args = { "stopped_too_long" } };

	lease_time_shorten();
	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "snapshot.lost");
	cr_assert(event, "nothing was said");
	cr_assert(strstr(field_string(event, "error.message"), "stopped too long"), "%s",
		  field_string(event, "error.message"));
	cr_assert(count_events(&run, "snapshot.preserve") == 0);
	cr_assert_str_eq(field_string(find_event(&run, "snapshot.end"), "mmfence.snapshot.fate"),
			 "lost");
	run_end(&run);
}

EACH_WIDTH(S10, stopped_for_a_while_is_not_lost)
{
	struct run run = { .variant = variant,
			   .helper = "guard_limits",
			   .args = { "stopped_a_while" } };

	lease_time_keep();
	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.lost") == 0);
	run_end(&run);
}

EACH_WIDTH(S10, fates_are_said_at_the_end)
{
	struct run kept = { .variant = variant,
			    .helper = "guard_view",
			    .args = { "unmapped_gives_the_lease_back" } };
	struct run broken = { .variant = variant,
			      .helper = "guard_limits",
			      .args = { "room_is_given_back" } };

	run_helper(&kept);
	all_say(&kept, "snapshot.end", "mmfence.snapshot.fate", "untouched");
	run_end(&kept);
	run_helper(&broken);
	cr_assert(count_events(&broken, "snapshot.end") == 50);
	all_say(&broken, "snapshot.end", "mmfence.snapshot.fate", "preserved");
	run_end(&broken);
}

/* --- whose file it is --- */

EACH_WIDTH(S10, owner_has_a_guard)
{
	struct run run = { .variant = variant, .helper = "guard_limits", .args = { "own_file" } };

	skip_unless_root();
	run_helper(&run);
	run_must_hold(&run);
	guard_events(&run, 1);
	run_end(&run);
}

EACH_WIDTH(S10, somebody_elses_file_is_copied_and_verified)
{
	struct run run = { .variant = variant,
			   .helper = "guard_limits",
			   .args = { "somebody_elses_file" } };

	skip_unless_root();
	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "snapshot.create");
	cr_assert(event);
	cr_assert_str_eq(field_string(event, "mmfence.snapshot.consistency"), "verified");
	cr_assert(strstr(field_string(event, "mmfence.snapshot.reason"), "owner"));
	cr_assert(strstr(run.output, "memory") || strstr(run.output, "clone"));
	run_end(&run);
}
