/* SPDX-License-Identifier: MIT */
/*
 * P3: beside other preloaded libraries, before and after them, and in programs that bring
 * an allocator, a sanitizer or an unwinder of their own.
 */
#include <string.h>
#include <unistd.h>

#include "runner.h"

static void hold(struct run *run, const char *helper, const char *argument)
{
	run->variant = "plain";
	run->helper = helper;
	run->args[0] = argument;
	run->seconds = 20;
	run_helper(run);
	run_must_hold(run);
	cr_assert(count_events(run, "snapshot.create") > 0, "the fence was not there");
	run_end(run);
}

static void beside(const char *library, bool before)
{
	const char *path = library_path(library);

	if (!path)
		cr_skip_test("%s is not installed", library);
	struct run correct = { .preload_before = before ? path : NULL,
			       .preload_after = before ? NULL : path };
	struct run storm = correct;
	hold(&correct, "overwrite", "write/*");
	hold(&storm, "storm", "ms=700");
}

#define BESIDE(name, library)           \
	Test(P3, name##_before_us)      \
	{                               \
		beside(library, true);  \
	}                               \
	Test(P3, name##_after_us)       \
	{                               \
		beside(library, false); \
	}

BESIDE(jemalloc, "libjemalloc.so.2")
BESIDE(tcmalloc, "libtcmalloc.so.4")
BESIDE(tcmalloc_minimal, "libtcmalloc_minimal.so.4")
BESIDE(mimalloc, "libmimalloc.so.2")
BESIDE(eatmydata, "libeatmydata.so.1")

/* gcc's runtime is a library that wants to be first. */
static void with_asan(const char *variant, const char *helper, const char *argument)
{
	struct run run = { .variant = variant,
			   .helper = helper,
			   .args = { argument },
			   .env = { "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.create") > 0, "the fence was not there");
	cr_assert_null(strstr(run.errors, "AddressSanitizer"), "%s", run.errors);
	run_end(&run);
}

Test(P3, address_sanitizer_of_gcc)
{
	with_asan("asan", "overwrite", "write/*");
	with_asan("asan", "storm", "fork=0");
}

Test(P3, address_sanitizer_of_clang)
{
	with_asan("asan_static", "overwrite", "write/*");
	with_asan("asan_static", "storm", "fork=0");
}

/* A sanitized program fails without the fence as well as a plain one. */
Test(bare, address_sanitizer)
{
	struct run run = { .variant = "asan",
			   .helper = "overwrite",
			   .args = { "--bare", "write/*" },
			   .preload = RUN_BARE };

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

Test(P3, program_with_its_own_libunwind)
{
	struct run run = { .variant = "plain", .helper = "unwinder" };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "selfmem.open") == 1);
	run_end(&run);
}
