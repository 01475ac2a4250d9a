/* SPDX-License-Identifier: MIT */
/*
 * Fault injection (SEMANTICS 6, process.inject): which calls fail, that nothing else is done,
 * when= against strace, max_map_count against the kernel, and the records.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"

#define INJECT(...) "process.inject=" __VA_ARGS__

#define CALLS(rule, failing)                                                              \
	TRY(.helper = "inject", .args = { "calls" }, .options = { INJECT(rule "=EDOM") }, \
	    .says = failing)

/* Those that a rule names fail, the others do not, and what fails does nothing. */
EACH_VARIANT(inject, each_rule_names_its_calls)
{
	CALLS("mmap", "anonymous fixed private shared memory #mmap \n");
	CALLS("mmap.anonymous", "anonymous fixed #mmap \n");
	CALLS("mmap.file", "private shared memory \n");
	CALLS("mmap.shared", "shared \n");
	CALLS("mmap.private", "anonymous fixed private memory #mmap \n");
	CALLS("mmap.fixed", "fixed \n");
	CALLS("mmap.selfmem", "memory \n");
	CALLS("munmap", "munmap #munmap \n");
	CALLS("mremap", "mremap #mremap \n");
	CALLS("mprotect", "mprotect pkey_none pkey #mprotect #pkey \n");
	CALLS("madvise", "madvise posix_madvise #madvise \n");
	CALLS("remap_file_pages", "remap #remap \n");
	CALLS("open", "open openat open_memory #open #openat \n");
	CALLS("open.selfmem", "open_memory fopen_memory \n");
}

HELPER_HOLDS(inject, nothing_fails_that_no_rule_names, "inject", "calls", .says = "\n",
	     .finds = { "inject.fault 0" })

/* The first rule that is due says the error; each counts for itself. */
/* The mmaps are anonymous (which gets EPERM), fixed, private, shared, memory, #mmap. */
WIDTHS_HOLD(inject, several_rules, "inject", "calls",
	    .options = { INJECT("mmap.shared=EDOM,mmap=EPERM:when=1,mmap=EDOM:when=1+"
				"2,munmap=EDOM:when=2") },
	    .says = "private shared memory #munmap \n")

/* --- when --- */

static char *pattern_by_strace(const char *when)
{
	struct run run = { .helper = "/usr/bin/strace", .preload = RUN_BARE };
	char inject[128];

	snprintf(inject, sizeof(inject), "inject=madvise:error=ENOENT:when=%s", when);
	const char *args[] = {
		"-o", "/dev/null", "-e", inject, build_path("helpers/plain/inject"), "pattern", "40"
	};
	memcpy(run.args, args, sizeof(args));
	if (access(run.helper, X_OK))
		cr_skip_test("there is no strace");
	run_helper(&run);
	if (run_exit(&run))
		cr_skip_test("strace cannot trace here: %s", run.errors);
	char *pattern = strdup(run.output);
	run_end(&run);
	return pattern;
}

ONCE(inject, when_as_strace_has_it)
{
	static const char *const expressions[] = { "1",	   "7",	    "1+",     "7+",	 "1+1",
						   "7+3",  "7..30", "7..30+", "7..30+5", "7..7",
						   "39+2", "40",    "41",     "12..12+9" };

	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++) {
		char option[128], *expected = pattern_by_strace(expressions[i]);

		snprintf(option, sizeof(option), INJECT("madvise=ENOENT:when=%s"), expressions[i]);
		TRY(.helper = "inject", .args = { "pattern", "40" }, .options = { option },
		    .says = expected);
		free(expected);
	}
}

RUNS(EACH_WIDTH, inject, after, .helper = "inject", .args = { "pattern", "12" },
     .options = { INJECT("madvise=ENOENT:after=7") }, .says = ".......xxxxx\n")

/* Threads count together: no call is counted twice, none goes uncounted. */
RUNS(EACH_WIDTH, inject, threads_count_together, .helper = "inject",
     .args = { "threads", "8", "5000" }, .options = { INJECT("madvise=ENOENT:when=101..20000") },
     .says = "19900 of 40000 failed\n",
     .finds = { "inject.total mmfence.inject.calls=40000 & mmfence.inject.failed=19900" })

/* The parent, its child from the start, the parent again. */
#define CHILD_COUNTS(name, how)                                                              \
	RUNS(EACH_WIDTH, inject, name, .helper = "inject", .args = { how, "4" },             \
	     .options = { INJECT("madvise=ENOENT:when=2+5") }, .says = ".x..\n.x..\n..x.\n", \
	     .finds = { "inject.fault 3" })

CHILD_COUNTS(child_counts_for_itself, "fork")
CHILD_COUNTS(child_of_a_raw_clone_counts_for_itself, "clone")

/* --- max_map_count --- */

static char *areas_of_the_kernel(const char *variant, unsigned int limit)
{
	struct run run = { .variant = variant, .helper = "inject", .preload = RUN_BARE };
	char number[16];

	snprintf(number, sizeof(number), "%u", limit);
	run.args[0] = "areas";
	run.args[1] = number;
	run_helper(&run);
	run_must_hold(&run);
	char *output = strdup(run.output);
	run_end(&run);
	return output;
}

/* What a kernel refuses at its limit is refused at a smaller one, call by call. */
EACH_WIDTH(inject, max_map_count_is_as_the_kernel_has_it)
{
	unsigned int limit = 0;
	FILE *in = fopen("/proc/sys/vm/max_map_count", "re");

	cr_assert(in && fscanf(in, "%u", &limit) == 1);
	fclose(in);
	if (limit > 300000)
		cr_skip_test("vm.max_map_count is %u: too many to go there", limit);
	char *expected = areas_of_the_kernel(variant, limit);
	TRY(.helper = "inject", .args = { "areas", "1000" },
	    .options = { INJECT("max_map_count=1000") }, .says = expected,
	    .finds = { "inject.fault error.code=ENOMEM",
		       "inject.fault mmfence.inject.rule=max_map_count=1000",
		       "inject.fault mmfence.areas.count=997 & mmfence.areas.limit=1000" });
	free(expected);
}

WIDTHS_HOLD(inject, max_map_count_that_is_not_reached, "inject", "calls",
	    .options = { INJECT("max_map_count=1000") }, .says = "\n",
	    .finds = { "inject.fault 0", "inject.total 0" })

/* --- the log --- */

/* The first of each call site, and the totals. */
RUNS_AND(EACH_WIDTH, inject, records, .helper = "inject", .args = { "pattern", "30" },
	 .options = { INJECT("madvise=ENOENT:when=11+") },
	 .finds = { "inject.fault 1",
		    "inject.fault error.code=ENOENT & event.outcome=failure & mmfence.call=madvise",
		    "inject.fault mmfence.inject.rule=madvise=ENOENT:when=11+",
		    "inject.fault mmfence.inject.number=11 & mmfence.mapping.length=4096",
		    "inject.fault mmfence.stack>1",
		    "inject.total mmfence.inject.calls=30 & mmfence.inject.failed=20" })
{
	cr_assert_eq(strlen(field_string(find_event(run, "inject.fault"), "mmfence.site") ?: ""),
		     16);
}

/* A mapping's file is named; and what failed is not also recorded as what it would have been. */
EACH_VARIANT(inject, memory_is_neither_opened_nor_mapped)
{
	TRY(.helper = "inject", .args = { "calls" }, .options = { INJECT("mmap.selfmem=EDOM") },
	    .finds = { "selfmem.map 0", "inject.fault file.path~/mem" });
	TRY(.helper = "inject", .args = { "calls" }, .options = { INJECT("open.selfmem=EDOM") },
	    .finds = { "selfmem.open 0", "inject.fault 2" });
}

/* Without a log the calls fail all the same. */
RUNS(ONCE, inject, without_a_log, .helper = "inject", .args = { "pattern", "5" }, .log = "",
     .options = { INJECT("madvise=ENOENT:when=2..3") }, .says = ".xx..\n")

/* A bad value in the environment: one line, and the program runs as it is. */
RUNS(ONCE, inject, bad_value_of_a_preloaded_program, .helper = "inject", .args = { "pattern", "3" },
     .options = { INJECT("madvice=ENOENT") }, .says = "...\n",
     .complains = "mmfence: MMFENCE_PROCESS_INJECT: process.inject: \"madvice\" is no call "
		  "that can be made to fail; did you mean \"madvise\"?\n")

/* What another program replaces has its totals before that; the other counts from 1. */
RUNS(EACH_WIDTH, inject, programs_count_for_themselves, .helper = "inject", .args = { "exec", "4" },
     .options = { INJECT("madvise=ENOENT:when=2+5") }, .says = ".x..\n.x..\n",
     .finds = { "inject.total 2", "inject.total mmfence.inject.calls=4" })

Test(inject, started_programs_have_it_too)
{
	struct run run = { .helper = "/bin/sh",
			   .options = { INJECT("madvise=ENOENT:when=2") },
			   .args = { "-c", "\"$0\" pattern 3; LD_PRELOAD= \"$0\" pattern 3",
				     build_path("helpers/m32/inject") } };

	skip_without_32_bit();
	run.says = ".x.\n.x.\n";
	run_and_look(&run);
}
