/* SPDX-License-Identifier: MIT */
/*
 * P1, P2, P4, P5: the program does not notice: results and errno are the same, calls from
 * odd places work, programs that keep the world out go on.
 */
#include <string.h>

#include "runner.h"

#define SAME(name, part)                                                                           \
	HELPER_HOLDS(P1, name, "calls", part, .options = { "snapshot.paths=**" }, .as_bare = true, \
		     .complains = "")

SAME(open_calls_return_what_they_do_bare, "opening")
SAME(openat_calls_return_what_they_do_bare, "openat")
SAME(fopen_calls_return_what_they_do_bare, "streams")
SAME(freopen_calls_return_what_they_do_bare, "reopening")
SAME(close_and_dup_calls_return_what_they_do_bare, "descriptors")
SAME(mmap_calls_return_what_they_do_bare, "mapping")
SAME(exec_calls_return_what_they_do_bare, "starting")
SAME(calls_that_work_leave_errno_alone, "errno")

/* P1: without a log nothing is written anywhere, and all promises hold. */
HELPER_HOLDS(P1, works_without_a_log, "overwrite", "*/self/*", .log = "", .complains = "")

/* P1, P2: constructors and destructors of another library, before and after ours. */
static const char *early_library(const char *variant)
{
	return build_path("helpers/%s/early.so", strcmp(variant, "m32") ? "plain" : "m32");
}

HELPER_HOLDS(P2, constructor_of_a_library_before_us, "overwrite", "write/*",
	     .preload_before = early_library(variant))

HELPER_HOLDS(P2, constructor_of_a_library_after_us, "overwrite", "write/*",
	     .preload_after = early_library(variant))

/* P2: handlers every millisecond, while threads map and others fork and load libraries. */
#define STORM(name, ...) \
	RUNS(EACH_VARIANT, P2, name, .helper = "storm", .args = { __VA_ARGS__ }, .seconds = 20)

STORM(threads_and_signal_handlers, "fork=0", "dlopen=0")
STORM(fork_in_a_threaded_program, "signals=0", "dlopen=0")
STORM(dlopen_in_parallel, "fork=0", "dlopen=3")
STORM(everything_at_once, "ms=1000", "threads=4")

/* What is mapped in a root without /proc cannot be copied there. */
HELPER_HOLDS(P4, goes_to_a_chroot, "restricted", "goes_to_a_chroot", .since = "3.17",
	     .otherwise = "snapshot.unprotected")

HELPER_HOLDS(P5, read_lease_stays, "restricted", "keeps_its_read_lease")

/* A file with a lease of the program's own cannot be opened again there. */
HELPER_HOLDS(P5, write_lease_stays, "restricted", "keeps_its_write_lease", .since = "5.6",
	     .otherwise = "snapshot.unprotected")

HELPER_HOLDS(P5, unshare_works, "restricted", "unshares_*")
