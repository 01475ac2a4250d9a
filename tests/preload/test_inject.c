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

static void inject_once(struct run *run)
{
	run->helper = "inject";
	run_helper(run);
	run_must_hold(run);
}

static void expect_output(const struct run *run, const char *expected)
{
	cr_assert_str_eq(run->output, expected, "\n%s\ninstead of\n%s\n%s", run->output, expected,
			 run->errors);
}

static void expect_calls(const char *variant, const char *rule, const char *expected)
{
	struct run run = { .variant = variant, .args = { "calls" } };
	char option[128];

	snprintf(option, sizeof(option), INJECT("%s=EDOM"), rule);
	run.options[0] = option;
	inject_once(&run);
	cr_expect_str_eq(run.output, expected, "%s: %s", rule, run.output);
	run_end(&run);
}

/* Those that a rule names fail, the others do not, and what fails does nothing. */
EACH_VARIANT(inject, each_rule_names_its_calls)
{
	static const char *const rules[][2] = {
		{ "mmap", "anonymous fixed private shared memory #mmap \n" },
		{ "mmap.anonymous", "anonymous fixed #mmap \n" },
		{ "mmap.file", "private shared memory \n" },
		{ "mmap.shared", "shared \n" },
		{ "mmap.private", "anonymous fixed private memory #mmap \n" },
		{ "mmap.fixed", "fixed \n" },
		{ "mmap.selfmem", "memory \n" },
		{ "munmap", "munmap #munmap \n" },
		{ "mremap", "mremap #mremap \n" },
		{ "mprotect", "mprotect pkey-none pkey #mprotect #pkey \n" },
		{ "madvise", "madvise posix_madvise #madvise \n" },
		{ "remap_file_pages", "remap #remap \n" },
		{ "open", "open openat open-memory #open #openat \n" },
		{ "open.selfmem", "open-memory fopen-memory \n" },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		expect_calls(variant, rules[i][0], rules[i][1]);
}

EACH_VARIANT(inject, nothing_fails_that_no_rule_names)
{
	struct run run = { .variant = variant, .args = { "calls" } };

	inject_once(&run);
	expect_output(&run, "\n");
	cr_expect(!find_event(&run, "inject.fault"));
	run_end(&run);
}

/* The first rule that is due says the error; each counts for itself. */
EACH_WIDTH(inject, several_rules)
{
	struct run run = { .variant = variant,
			   .args = { "calls" },
			   .options = {
				   INJECT("mmap.shared=EDOM,mmap=EPERM:when=1,mmap=EDOM:when=1+"
					  "2,munmap=EDOM:when=2") } };

	inject_once(&run);
	/* The mmaps are anonymous (which gets EPERM), fixed, private, shared, memory, #mmap. */
	expect_output(&run, "private shared memory #munmap \n");
	run_end(&run);
}

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

Test(inject, when_as_strace_has_it)
{
	static const char *const expressions[] = { "1",	   "7",	    "1+",     "7+",	 "1+1",
						   "7+3",  "7..30", "7..30+", "7..30+5", "7..7",
						   "39+2", "40",    "41",     "12..12+9" };

	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++) {
		struct run run = { .variant = "plain", .args = { "pattern", "40" } };
		char option[128], *expected = pattern_by_strace(expressions[i]);

		snprintf(option, sizeof(option), INJECT("madvise=ENOENT:when=%s"), expressions[i]);
		run.options[0] = option;
		inject_once(&run);
		cr_expect_str_eq(run.output, expected, "when=%s:\n%s instead of\n%s",
				 expressions[i], run.output, expected);
		free(expected);
		run_end(&run);
	}
}

EACH_WIDTH(inject, after)
{
	struct run run = { .variant = variant,
			   .args = { "pattern", "12" },
			   .options = { INJECT("madvise=ENOENT:after=7") } };

	inject_once(&run);
	expect_output(&run, ".......xxxxx\n");
	run_end(&run);
}

/* Threads count together: no call is counted twice, none goes uncounted. */
EACH_WIDTH(inject, threads_count_together)
{
	struct run run = { .variant = variant,
			   .args = { "threads", "8", "5000" },
			   .options = { INJECT("madvise=ENOENT:when=101..20000") } };

	inject_once(&run);
	expect_output(&run, "19900 of 40000 failed\n");
	json_t *total = find_event(&run, "inject.total");
	cr_assert(field_number(total, "mmfence.inject.calls") == 40000);
	cr_assert(field_number(total, "mmfence.inject.failed") == 19900);
	run_end(&run);
}

static void child_counts(const char *variant, const char *how)
{
	struct run run = { .variant = variant,
			   .args = { how, "4" },
			   .options = { INJECT("madvise=ENOENT:when=2+5") } };

	inject_once(&run);
	/* The parent, its child from the start, the parent again. */
	expect_output(&run, ".x..\n.x..\n..x.\n");
	cr_expect(count_events(&run, "inject.fault") == 3, "%zu records",
		  count_events(&run, "inject.fault"));
	run_end(&run);
}

EACH_WIDTH(inject, child_counts_for_itself)
{
	child_counts(variant, "fork");
}

EACH_WIDTH(inject, child_of_a_raw_clone_counts_for_itself)
{
	child_counts(variant, "clone");
}

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
	struct run run = { .variant = variant,
			   .args = { "areas", "1000" },
			   .options = { INJECT("max_map_count=1000") } };
	unsigned int limit = 0;
	FILE *in = fopen("/proc/sys/vm/max_map_count", "re");

	cr_assert(in && fscanf(in, "%u", &limit) == 1);
	fclose(in);
	if (limit > 300000)
		cr_skip_test("vm.max_map_count is %u: too many to go there", limit);
	char *expected = areas_of_the_kernel(variant, limit);
	inject_once(&run);
	expect_output(&run, expected);
	free(expected);
	json_t *fault = find_event(&run, "inject.fault");
	cr_assert_str_eq(field_string(fault, "error.code"), "ENOMEM");
	cr_assert_str_eq(field_string(fault, "mmfence.inject.rule"), "max_map_count=1000");
	cr_assert(field_number(fault, "mmfence.areas.count") == 997);
	cr_assert(field_number(fault, "mmfence.areas.limit") == 1000);
	run_end(&run);
}

EACH_WIDTH(inject, max_map_count_that_is_not_reached)
{
	struct run run = { .variant = variant,
			   .args = { "calls" },
			   .options = { INJECT("max_map_count=1000") } };

	inject_once(&run);
	expect_output(&run, "\n");
	cr_expect(!find_event(&run, "inject.fault") && !find_event(&run, "inject.total"));
	run_end(&run);
}

/* --- the log --- */

/* The first of each call site, and the totals. */
EACH_WIDTH(inject, records)
{
	struct run run = { .variant = variant,
			   .args = { "pattern", "30" },
			   .options = { INJECT("madvise=ENOENT:when=11+") } };

	inject_once(&run);
	json_t *fault = find_event(&run, "inject.fault");
	cr_assert(count_events(&run, "inject.fault") == 1);
	cr_assert_str_eq(field_string(fault, "error.code"), "ENOENT");
	cr_assert_str_eq(field_string(fault, "event.outcome"), "failure");
	cr_assert_str_eq(field_string(fault, "mmfence.call"), "madvise");
	cr_assert_str_eq(field_string(fault, "mmfence.inject.rule"), "madvise=ENOENT:when=11+");
	cr_assert(field_number(fault, "mmfence.inject.number") == 11);
	cr_assert(field_number(fault, "mmfence.mapping.length") == 4096);
	cr_assert(json_array_size(field(fault, "mmfence.stack")) >= 2, "no backtrace");
	json_t *total = find_event(&run, "inject.total");
	cr_assert(field_number(total, "mmfence.inject.calls") == 30);
	cr_assert(field_number(total, "mmfence.inject.failed") == 20);
	run_end(&run);
}

/* A mapping's file is named; and what failed is not also recorded as what it would have been. */
EACH_VARIANT(inject, memory_is_neither_opened_nor_mapped)
{
	struct run map = { .variant = variant,
			   .args = { "calls" },
			   .options = { INJECT("mmap.selfmem=EDOM") } };
	struct run open = { .variant = variant,
			    .args = { "calls" },
			    .options = { INJECT("open.selfmem=EDOM") } };

	inject_once(&map);
	cr_assert(!find_event(&map, "selfmem.map"));
	cr_assert(strstr(field_string(find_event(&map, "inject.fault"), "file.path"), "/mem"));
	run_end(&map);
	inject_once(&open);
	cr_assert(!find_event(&open, "selfmem.open"));
	cr_assert(count_events(&open, "inject.fault") == 2);
	run_end(&open);
}

/* Without a log the calls fail all the same. */
Test(inject, without_a_log)
{
	struct run run = { .variant = "plain",
			   .args = { "pattern", "5" },
			   .log = "",
			   .options = { INJECT("madvise=ENOENT:when=2..3") } };

	inject_once(&run);
	expect_output(&run, ".xx..\n");
	run_end(&run);
}

/* A bad value in the environment: one line, and the program runs as it is. */
Test(inject, bad_value_of_a_preloaded_program)
{
	struct run run = { .variant = "plain",
			   .args = { "pattern", "3" },
			   .options = { INJECT("madvice=ENOENT") } };

	inject_once(&run);
	expect_output(&run, "...\n");
	cr_assert_str_eq(run.errors,
			 "mmfence: MMFENCE_PROCESS_INJECT: process.inject: \"madvice\" is no call "
			 "that can be made to fail; did you mean \"madvise\"?\n");
	run_end(&run);
}

/* What another program replaces has its totals before that; the other counts from 1. */
EACH_WIDTH(inject, programs_count_for_themselves)
{
	struct run run = { .variant = variant,
			   .args = { "exec", "4" },
			   .options = { INJECT("madvise=ENOENT:when=2+5") } };

	inject_once(&run);
	expect_output(&run, ".x..\n.x..\n");
	cr_assert(count_events(&run, "inject.total") == 2);
	cr_expect(field_number(find_event(&run, "inject.total"), "mmfence.inject.calls") == 4);
	run_end(&run);
}

Test(inject, started_programs_have_it_too)
{
	struct run run = { .helper = "/bin/sh",
			   .options = { INJECT("madvise=ENOENT:when=2") },
			   .args = { "-c", "\"$0\" pattern 3; LD_PRELOAD= \"$0\" pattern 3",
				     build_path("helpers/m32/inject") } };

	skip_without_32_bit();
	run_helper(&run);
	run_must_hold(&run);
	expect_output(&run, ".x.\n.x.\n");
	run_end(&run);
}
