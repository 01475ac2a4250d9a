/* SPDX-License-Identifier: MIT */
/*
 * P3: beside other preloaded libraries, before and after them, and in programs that bring
 * an allocator, a sanitizer or an unwinder of their own.
 */
#include <string.h>
#include <unistd.h>

#include "runner.h"

/* tcmalloc unwinds in malloc, and a child hangs bare as well where another thread was loading a
 * library when it was forked: the lock of dl_iterate_phdr is held for ever. */
static bool unwinds(const char *library)
{
	return strstr(library, "tcmalloc.so") != NULL;
}

static void beside(const char *library, bool before)
{
	const char *path = library_path(library);

	if (!path)
		cr_skip_test("%s is not installed", library);
	const char *variant = "plain";

	TRY(.helper = "overwrite", .args = { "write/*" }, .seconds = 20,
	    .preload_before = before ? path : NULL, .preload_after = before ? NULL : path,
	    .finds = { "snapshot.create" });
	TRY(.helper = "storm", .args = { "ms=700", unwinds(library) ? "dlopen=0" : NULL },
	    .seconds = 20, .preload_before = before ? path : NULL,
	    .preload_after = before ? NULL : path, .finds = { "snapshot.create" });
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

/* Libraries with one hash table alone, on both sides of ours: each is passed by every call, and
 * what comes after ours is found by that table. */
static void between(const char *variant, const char *before, const char *after)
{
	static const char counts[] = "open 3, posix_spawnp 1, dup2 1, setresuid 1\n";
	struct run run = { .variant = variant,
			   .helper = "chain",
			   .preload_before = build_path("helpers/%s/%s", variant, before),
			   .preload_after = build_path("helpers/%s/%s", variant, after) };
	size_t said = 0;

	run_helper(&run);
	run_must_hold(&run);
	for (const char *at = run.output; (at = strstr(at, counts)); at++)
		said++;
	cr_expect_eq(said, 2, "%s", run.output);
	run_end(&run);
}

#define BETWEEN(name, variant)                                      \
	Test(P3, gnu_hash_before_us_and_system_v_hash_after_##name) \
	{                                                           \
		between(variant, "chain_gnu.so", "chain_sysv.so");  \
	}                                                           \
	Test(P3, system_v_hash_before_us_and_gnu_hash_after_##name) \
	{                                                           \
		between(variant, "chain_sysv.so", "chain_gnu.so");  \
	}

BETWEEN(64_bit, "plain")
BETWEEN(32_bit, "m32")

static void no_complaint(struct run *run)
{
	cr_assert_null(strstr(run->errors, "AddressSanitizer"), "%s", run->errors);
}

/* gcc's runtime is a library that wants to be first. */
static void with_sanitizer(const char *variant, const char *helper, const char *argument)
{
	TRY(.helper = helper, .args = { argument },
	    .env = { "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0" },
	    .finds = { "snapshot.create" }, .look = no_complaint);
}

Test(P3, address_sanitizer_of_gcc)
{
	with_sanitizer("asan", "overwrite", "write/*");
	with_sanitizer("asan", "storm", "fork=0");
}

Test(P3, address_sanitizer_of_clang)
{
	with_sanitizer("asan_static", "overwrite", "write/*");
	with_sanitizer("asan_static", "storm", "fork=0");
}

/* It interposes memcpy and kin, with functions that need a TLS, which the lease thread has not. */
Test(P3, thread_sanitizer)
{
	with_sanitizer("tsan", "ended", NULL);
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

RUNS(ONCE, P3, program_with_its_own_libunwind, .helper = "unwinder", .finds = { "selfmem.open 1" })

/* gcc's runtime wants to be first; `run' says that it need not. */
Test(P3, run_starts_programs_with_address_sanitizer)
{
	struct run run = { .helper = build_path("bin/mmfence"),
			   .preload = RUN_BARE,
			   .args = { "run", "--", "sh", "-c", "\"$0\" write/none; echo $?",
				     build_path("helpers/asan/overwrite") },
			   .env = { "ASAN_OPTIONS=detect_leaks=0:exitcode=55" } };

	if (access(run.args[5], X_OK))
		cr_skip_test("gcc has no libasan here");
	run_helper(&run);
	cr_assert(!strstr(run.errors, "does not come first"), "%s", run.errors);
	cr_assert_str_neq(run.output, "55\n");
	run_end(&run);
}
