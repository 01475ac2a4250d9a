/* SPDX-License-Identifier: MIT */
/*
 * process.inject: the grammar, what when= means, and the sentences.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/inject.h"
#include "policy/policy.h"

static struct inject_rule rules[INJECT_RULES];
static char sentence[512];

static int parse(const char *list)
{
	struct text error;

	text_init(&error, sentence, sizeof(sentence));
	return inject_parse(list, rules, &error);
}

/* Which of the first twelve calls fail. */
static void expect_pattern(const char *suffix, const char *pattern)
{
	char list[128], got[13] = "";

	snprintf(list, sizeof(list), "munmap=EINVAL%s", suffix);
	cr_assert(parse(list) == 1, "%s: %s", list, sentence);
	for (unsigned int i = 0; i < 12; i++)
		got[i] = inject_due(&rules[0].when, i + 1) ? 'x' : '.';
	cr_expect_str_eq(got, pattern, "%s: %s instead of %s", suffix, got, pattern);
}

static void expect_wrong(const char *list, const char *expected)
{
	cr_expect(parse(list) == -EINVAL, "%s is taken", list);
	cr_expect_str_eq(sentence, expected, "%s: %s", list, sentence);
}

/* The patterns are those that strace 6.1 gives; tests/preload/test_inject.c asks it itself. */
Test(inject, when_means_what_it_means_to_strace)
{
	expect_pattern("", "xxxxxxxxxxxx");
	expect_pattern(":when=3", "..x.........");
	expect_pattern(":when=3+", "..xxxxxxxxxx");
	expect_pattern(":when=3+2", "..x.x.x.x.x.");
	expect_pattern(":when=1+1", "xxxxxxxxxxxx");
	expect_pattern(":when=3..5", "..xxx.......");
	expect_pattern(":when=3..5+", "..xxx.......");
	expect_pattern(":when=3..9+2", "..x.x.x.x...");
	expect_pattern(":when=3..10+4", "..x...x.....");
	expect_pattern(":when=3..3", "..x.........");
	expect_pattern(":when=4..4+9", "...x........");
	expect_pattern(":when=03", "..x.........");
	expect_pattern(":when=65535", "............");
	expect_pattern(":when=3:when=5", "....x.......");
}

Test(inject, after)
{
	expect_pattern(":after=0", "xxxxxxxxxxxx");
	expect_pattern(":after=3", "...xxxxxxxxx");
	expect_pattern(":when=2:after=10", "..........xx");
}

Test(inject, large_numbers)
{
	cr_assert(parse("mmap=ENOMEM:when=4294967295+4294967295") == 1);
	cr_expect(!inject_due(&rules[0].when, 4294967294));
	cr_expect(inject_due(&rules[0].when, 4294967295));
	cr_expect(!inject_due(&rules[0].when, 4294967296));
	cr_expect(inject_due(&rules[0].when, 8589934590));
	cr_expect(parse("mmap=ENOMEM:when=4294967296") == -EINVAL);
	cr_expect(parse("mmap=ENOMEM:when=99999999999999999999999999") == -EINVAL);
}

#define WHEN                                                                                \
	" is not when=FIRST, FIRST+, FIRST+STEP, FIRST..LAST or FIRST..LAST+STEP, counted " \
	"from 1"

Test(inject, bad_expressions)
{
	static const char *const bad[] = { "0",	   "0+",  "5..3",    "3+0", "3..",    "..3", "3...",
					   "3+-1", "0x3", "3..5..6", "",    "3+2+",   "+",   "3-5",
					   "3 ",   "x",	  "-1",	     "3.5", "3..4+0", "3.." };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char list[64], expected[256];

		snprintf(list, sizeof(list), "mmap=ENOMEM:when=%s", bad[i]);
		snprintf(expected, sizeof(expected), "\"when=%s\"" WHEN, bad[i]);
		expect_wrong(list, expected);
	}
	expect_wrong("mmap=ENOMEM:after=", "\"after=\" is not after=NUMBER");
	expect_wrong("mmap=ENOMEM:after=1+", "\"after=1+\" is not after=NUMBER");
	expect_wrong("mmap=ENOMEM:", "\"\" is neither when=EXPR nor after=NUMBER");
	expect_wrong("mmap=ENOMEM:3", "\"3\" is neither when=EXPR nor after=NUMBER");
	expect_wrong("mmap=ENOMEM:when=3:x", "\"x\" is neither when=EXPR nor after=NUMBER");
}

Test(inject, calls_and_errors)
{
	cr_assert(parse("mmap.selfmem=EACCES,open=EWOULDBLOCK,madvise=12,max_map_count=1000") == 4);
	cr_expect(rules[0].calls == INJECT_BIT(INJECT_MMAP) && rules[0].error == EACCES);
	cr_expect(rules[0].filter == INJECT_IF_SELFMEM);
	cr_expect(rules[1].calls & INJECT_BIT(INJECT_OPEN) && rules[1].error == EAGAIN);
	cr_expect(rules[2].error == ENOMEM && rules[2].length == strlen("madvise=12"));
	cr_expect(rules[3].areas == 1000 && rules[3].error == ENOMEM);
	cr_expect(parse("") == 0);
}

/* Every errno has its name. */
Test(inject, every_errno)
{
	for (int i = 1; i < 134; i++) {
		char list[64];

		if (!strerrorname_np(i))
			continue;
		snprintf(list, sizeof(list), "mmap=%s", strerrorname_np(i));
		cr_assert(parse(list) == 1, "%s: %s", list, sentence);
		cr_assert(rules[0].error == i);
	}
}

Test(inject, bad_lists)
{
	expect_wrong("mmapp=ENOMEM",
		     "\"mmapp\" is no call that can be made to fail; did you mean \"mmap\"?");
	expect_wrong("max_map_coun=3",
		     "\"max_map_coun\" is no call that can be made to fail; did you mean "
		     "\"max_map_count\"?");
	expect_wrong("getpid=ENOMEM", "\"getpid\" is no call that can be made to fail");
	expect_wrong("mmap=ENOMEN", "\"ENOMEN\" is no errno; did you mean \"ENOMEM\"?");
	expect_wrong("mmap=0", "\"0\" is no errno");
	expect_wrong("mmap=4096", "\"4096\" is no errno");
	expect_wrong("mmap=", "\"\" is no errno");
	expect_wrong("mmap", "\"mmap\" is not CALL=ERRNO[:when=EXPR]");
	expect_wrong("mmap=ENOMEM,", "\"\" is not CALL=ERRNO[:when=EXPR]");
	expect_wrong(",mmap=ENOMEM", "\"\" is not CALL=ERRNO[:when=EXPR]");
	expect_wrong("max_map_count=0", "max_map_count wants a number of areas, and nothing else");
	expect_wrong("max_map_count=10:when=3",
		     "max_map_count wants a number of areas, and nothing else");
	expect_wrong("max_map_count=ENOMEM",
		     "max_map_count wants a number of areas, and nothing else");
}

Test(inject, too_many)
{
	char list[1024] = "mmap=1";

	for (int i = 1; i < INJECT_RULES; i++)
		strcat(list, ",mmap=1");
	cr_expect(parse(list) == INJECT_RULES);
	strcat(list, ",mmap=1");
	expect_wrong(list, "more than 32 calls to fail");
}

/* The option is a list: what is added comes behind, what is wrong changes nothing. */
Test(inject, option_adds_up)
{
	static struct policy policy;
	char error[256];

	policy_defaults(&policy);
	cr_expect(!policy_set(&policy, "process.inject", "mmap=ENOMEM", error, sizeof(error)));
	cr_expect(!policy_add(&policy, "process.inject", "munmap=EINVAL:when=3..", error,
			      sizeof(error)) == 0);
	cr_expect_str_eq(error, "process.inject: \"when=3..\"" WHEN);
	cr_expect_str_eq(policy.process_inject, "mmap=ENOMEM");
	cr_expect(!policy_add(&policy, "process.inject", "munmap=EINVAL:when=3", error,
			      sizeof(error)));
	cr_expect_str_eq(policy.process_inject, "mmap=ENOMEM,munmap=EINVAL:when=3");
}
