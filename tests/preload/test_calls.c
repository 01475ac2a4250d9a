/* SPDX-License-Identifier: MIT */
/*
 * P1, P2, P4, P5: the program does not notice: results and errno are the same, calls from
 * odd places work, programs that keep the world out go on.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runner.h"

/* The first line that differs, for people. */
static void same_output(const char *bare, const char *fenced)
{
	while (*bare || *fenced) {
		size_t one = strcspn(bare, "\n"), two = strcspn(fenced, "\n");
		cr_assert(one == two && !memcmp(bare, fenced, one), "bare   %.*s\nfenced %.*s",
			  (int)one, bare, (int)two, fenced);
		bare += one + (bare[one] != 0);
		fenced += two + (fenced[two] != 0);
	}
}

static void part_is_the_same(const char *variant, const char *part)
{
	struct run bare = {
		.variant = variant, .helper = "calls", .args = { part }, .preload = RUN_BARE
	};
	struct run fenced = { .variant = variant,
			      .helper = "calls",
			      .args = { part },
			      .options = { "snapshot.paths=**" } };

	run_helper(&bare);
	if (getenv("MMFENCE_USERLAND") && WIFSIGNALED(bare.status))
		cr_skip_test("this libc has not all of these calls");
	run_helper(&fenced);
	cr_assert(run_exit(&bare) == 0 && strlen(bare.output) > 100, "bare: %s", bare.output);
	same_output(bare.output, fenced.output);
	cr_assert(run_exit(&fenced) == 0);
	cr_assert_str_empty(fenced.errors);
	run_end(&bare);
	run_end(&fenced);
}

#define SAME(name, part)                         \
	EACH_VARIANT(P1, name)                   \
	{                                        \
		part_is_the_same(variant, part); \
	}

SAME(open_calls_return_what_they_do_bare, "opening")
SAME(openat_calls_return_what_they_do_bare, "openat")
SAME(fopen_calls_return_what_they_do_bare, "streams")
SAME(freopen_calls_return_what_they_do_bare, "reopening")
SAME(close_and_dup_calls_return_what_they_do_bare, "descriptors")
SAME(mmap_calls_return_what_they_do_bare, "mapping")
SAME(exec_calls_return_what_they_do_bare, "starting")
SAME(calls_that_work_leave_errno_alone, "errno")

/* P1: without a log nothing is written anywhere, and all promises hold. */
EACH_VARIANT(P1, works_without_a_log)
{
	struct run run = {
		.variant = variant, .helper = "overwrite", .args = { "*/self/*" }, .log = ""
	};

	run_helper(&run);
	run_must_hold(&run);
	cr_assert_str_empty(run.errors);
	run_end(&run);
}

/* P1, P2: constructors and destructors of another library, before and after ours. */
static const char *early_library(const char *variant)
{
	return build_path("helpers/%s/early.so", strcmp(variant, "m32") ? "plain" : "m32");
}

EACH_VARIANT(P2, constructor_of_a_library_before_us)
{
	struct run run = { .variant = variant,
			   .helper = "overwrite",
			   .args = { "write/*" },
			   .preload_before = early_library(variant) };

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

EACH_VARIANT(P2, constructor_of_a_library_after_us)
{
	struct run run = { .variant = variant,
			   .helper = "overwrite",
			   .args = { "write/*" },
			   .preload_after = early_library(variant) };

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

/* P2: handlers every millisecond, while threads map and others fork and load libraries. */
static void storm(const char *variant, const char *one, const char *two)
{
	struct run run = {
		.variant = variant, .helper = "storm", .args = { one, two }, .seconds = 20
	};

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

EACH_VARIANT(P2, threads_and_signal_handlers)
{
	storm(variant, "fork=0", "dlopen=0");
}

EACH_VARIANT(P2, fork_in_a_threaded_program)
{
	storm(variant, "signals=0", "dlopen=0");
}

EACH_VARIANT(P2, dlopen_in_parallel)
{
	storm(variant, "fork=0", "dlopen=3");
}

EACH_VARIANT(P2, everything_at_once)
{
	storm(variant, "ms=1000", "threads=4");
}

HELPER_HOLDS(P2, siglongjmp_out_of_a_blocking_open, "restricted", "jumps_out_of_an_open")
HELPER_HOLDS(P2, cancelled_in_a_blocking_open, "restricted", "is_cancelled_in_an_open")
HELPER_HOLDS(P2, small_stack, "restricted", "calls_from_a_small_stack")
HELPER_HOLDS(P2, signal_stack, "restricted", "calls_from_a_signal_stack")

HELPER_HOLDS(P4, closes_everything, "restricted", "closes_everything")
HELPER_HOLDS(P4, runs_at_the_descriptor_limit, "restricted", "runs_at_the_descriptor_limit")
HELPER_HOLDS(P4, has_all_its_descriptors, "restricted", "has_all_its_descriptors")
HELPER_HOLDS(P4, drops_privileges, "restricted", "drops_privileges")

EACH_VARIANT(P4, goes_to_a_chroot)
{
	struct run run = { .variant = variant,
			   .helper = "restricted",
			   .args = { "goes_to_a_chroot" } };

	run_helper(&run);
	run_must_hold(&run);
	run_must_hold_since(&run, "3.17", "snapshot.unprotected",
			    "what is mapped in a root without /proc cannot be copied");
	run_end(&run);
}

HELPER_HOLDS(P4, becomes_a_daemon, "restricted", "becomes_a_daemon")

HELPER_HOLDS(P5, record_locks_stay, "restricted", "keeps_record_locks")
HELPER_HOLDS(P5, read_lease_stays, "restricted", "keeps_its_read_lease")

EACH_VARIANT(P5, write_lease_stays)
{
	struct run run = { .variant = variant,
			   .helper = "restricted",
			   .args = { "keeps_its_write_lease" } };

	run_helper(&run);
	run_must_hold_since(&run, "5.6", "snapshot.unprotected",
			    "a file with a lease of the program's own cannot be opened again");
	run_end(&run);
}

HELPER_HOLDS(P5, position_and_flags_stay, "restricted", "keeps_the_position")
HELPER_HOLDS(P5, no_descriptors_show, "restricted", "sees_no_descriptors")
HELPER_HOLDS(P5, no_children, "restricted", "has_no_children")
HELPER_HOLDS(P5, signal_mask_stays, "restricted", "keeps_its_signal_mask")
HELPER_HOLDS(P5, libc_stays_single_threaded, "restricted", "stays_single_threaded")
HELPER_HOLDS(P5, unshare_works, "restricted", "unshares_*")
HELPER_HOLDS(P5, pthread_exit_of_the_last_thread, "restricted", "ends_by_pthread_exit")
