/* SPDX-License-Identifier: MIT */
/*
 * glob_list_match against what policy.h promises, and against fnmatch(3) where the
 * two must agree. Never touches files.
 */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wctype.h>

#include "policy/policy.h"

static void expect_match(const char *patterns, const char *path)
{
	cr_expect(glob_list_match(patterns, path), "%s should match %s", patterns, path);
}

static void expect_no_match(const char *patterns, const char *path)
{
	cr_expect(!glob_list_match(patterns, path), "%s should not match %s", patterns, path);
}

Test(glob, star_stays_within_a_directory)
{
	expect_match("/a/*.db", "/a/x.db");
	expect_match("/a/*.db", "/a/.db");
	expect_match("/*/x", "/a/x");
	expect_no_match("/a/*.db", "/a/b/x.db");
	expect_no_match("/a*", "/a/b");
	expect_no_match("/*", "/a/b");
	expect_no_match("*.db", "/x.db");
	expect_match("/a/*", "/a/.hidden");
	expect_match("/a/b*c*d", "/a/b__c_c__d");
	expect_no_match("/a/b*c*d", "/a/b__d__c");
}

Test(glob, double_star_spans_directories)
{
	expect_match("/a/**/z", "/a/z");
	expect_match("/a/**/z", "/a/b/z");
	expect_match("/a/**/z", "/a/b/c/d/z");
	expect_no_match("/a/**/z", "/a/b/zz");
	expect_no_match("/a/**/z", "/z");
	expect_no_match("/a/**/z", "/b/a/z");
	expect_match("/a/**/b/**/c", "/a/b/b/x/b/y/c");
	expect_no_match("/a/**/b/**/c", "/a/x/y/c");
	expect_match("/a/**/b*/c", "/a/x/bb/y/b/c");
}

Test(glob, double_star_at_the_start)
{
	expect_match("**/x.db", "/x.db");
	expect_match("**/x.db", "/a/b/x.db");
	expect_match("**/*.db", "/a/b/x.db");
	expect_match("**", "/a/b");
	expect_match("/**", "/a");
	expect_no_match("**/x.db", "/a/xx.db");
	expect_no_match("**/b/x.db", "/a/x.db");
}

Test(glob, double_star_at_the_end_needs_a_name)
{
	expect_match("/a/**", "/a/b");
	expect_match("/a/**", "/a/b/c");
	expect_no_match("/a/**", "/a");
	expect_no_match("/a/**", "/ab");
	expect_match("/a/**/**", "/a/b");
}

Test(glob, double_star_within_a_name_is_a_star)
{
	expect_match("/a/**b", "/a/xb");
	expect_no_match("/a/**b", "/a/x/b");
}

Test(glob, sets)
{
	expect_match("/[abc]", "/b");
	expect_match("/[!abc]", "/d");
	expect_match("/[^abc]", "/d");
	expect_no_match("/[!abc]", "/a");
	expect_match("/[]x]", "/]");
	expect_match("/[!]x]", "/a");
	expect_match("/[a-c]", "/b");
	expect_match("/[-a]", "/-");
	expect_match("/[a-]", "/-");
	expect_match("/[\\]]", "/]");
	expect_match("/v[[:digit:]].[[:alpha:]]", "/v7.x");
	expect_no_match("/v[[:digit:]]", "/vx");
	expect_match("/[ab", "/[ab");
	expect_no_match("/[ab", "/a");
	expect_no_match("/a[b/c]d", "/abd");
	expect_match("/[[\\:x]", "/:");
}

Test(glob, question_mark_is_a_character)
{
	expect_match("/?", "/a");
	expect_no_match("/?", "/ab");
	expect_no_match("/?", "/");
	expect_no_match("/a?b", "/a/b");
	expect_match("/?.db", "/\xc3\xa4.db");
	expect_match("/?.db", "/\xf0\x9f\x90\xa7.db");
	expect_match("/[\xc3\xa4\xc3\xb6].db", "/\xc3\xb6.db");
	expect_match("/[\xce\xb1-\xcf\x89]", "/\xce\xb2");
	expect_match("/?", "/\xff");
	expect_no_match("/?", "/\xff\xfe");
	expect_no_match("/[\xc3\xa4]", "/\xc3");
	expect_no_match("/[\xc3\xa4]", "/\xe4");
	expect_no_match("/?", "/\xc0\xaf");
}

Test(glob, backslash_takes_the_next_literally)
{
	expect_match("/\\*", "/*");
	expect_no_match("/\\*", "/a");
	expect_match("/a\\b", "/ab");
	expect_match("/\\[a]", "/[a]");
	expect_no_match("/a\\", "/a\\");
}

Test(glob, lists)
{
	expect_match("/a:/b", "/a");
	expect_match("/a:/b", "/b");
	expect_no_match("/a:/b", "/a:/b");
	expect_match("/a\\:/b", "/a:/b");
	expect_no_match("/a\\:/b", "/b");
	expect_match("::/b:", "/b");
	expect_match("/[[:upper:]]:/b", "/X");
	expect_match("/[[:upper:]]:/b", "/b");
	expect_no_match("", "/a");
	expect_no_match("", "");
	expect_no_match(":", "");
	cr_expect(!glob_list_match(NULL, "/a"));
	cr_expect(!glob_list_match("/a", NULL));
}

Test(glob, futile_patterns_are_found)
{
	size_t length;

	cr_expect_null(glob_list_futile("/a:**/b:*/c:**", &length));
	cr_expect_null(glob_list_futile("", &length));
	const char *list = "/a:*.db:/c";
	cr_expect_eq(glob_list_futile(list, &length), list + 3);
	cr_expect_eq(length, 4);
	cr_expect_not_null(glob_list_futile("**.db", &length));
}

Test(glob, hard_patterns_take_no_time)
{
	char path[4096] = "", name[256];
	char deep[2048] = "", stars[256] = "/";
	clock_t start = clock();

	memset(name, 'a', sizeof(name) - 1);
	name[255] = 0;
	while (strlen(path) < 3900)
		strcat(path, "/a");
	while (strlen(deep) < 2000)
		strcat(deep, "**/a/");
	strcat(deep, "b");
	while (strlen(stars) < 200)
		strcat(stars, "*a");
	strcat(stars, "b");
	for (int i = 0; i < 10; i++) {
		expect_no_match("**/**/**/**/**/**/**/**/**/**/**/**/b", path);
		expect_no_match(deep, path);
		memmove(name + 1, name, 254);
		name[0] = '/';
		expect_no_match(stars, name);
	}
	cr_expect_lt(clock() - start, 2 * CLOCKS_PER_SEC);
}

/* Names and patterns of few letters, so that many match. */
static void random_text(char *out, const char *letters, unsigned int most, unsigned int *seed)
{
	unsigned int length = (unsigned int)rand_r(seed) % most;

	for (unsigned int i = 0; i < length; i++)
		*out++ = letters[(size_t)rand_r(seed) % strlen(letters)];
	*out = 0;
}

/* '/' is left to other tests: there, and for a set that never ends, glibc has its own ideas. */
Test(glob, one_name_agrees_with_fnmatch)
{
	char pattern[16] = "/", name[16] = "/";
	unsigned int seed = 1998;
	int matches = 0;

	cr_assert(setlocale(LC_ALL, "C.UTF-8"));
	for (int i = 0; i < 300000; i++) {
		random_text(pattern + 1, "ab]*?[!-\\c*", 9, &seed);
		random_text(name + 1, "abc]-!", 7, &seed);
		if (strstr(pattern, "**") || strchr(pattern, '['))
			if (!strchr(pattern, ']') || strstr(pattern, "**"))
				continue;
		bool expected = !fnmatch(pattern, name, FNM_PATHNAME);

		matches += expected;
		cr_assert_eq(glob_list_match(pattern, name), expected, "%s %s: fnmatch says %d",
			     pattern, name, expected);
	}
	cr_expect_gt(matches, 5000);
}

/* Without ** and sets, whole paths must agree too. */
Test(glob, paths_agree_with_fnmatch)
{
	char pattern[24] = "/", path[24] = "/";
	unsigned int seed = 2014;
	int matches = 0;

	for (int i = 0; i < 300000; i++) {
		random_text(pattern + 1, "ab/*?a", 12, &seed);
		random_text(path + 1, "aab/", 12, &seed);
		if (strstr(pattern, "**"))
			continue;
		bool expected = !fnmatch(pattern, path, FNM_PATHNAME);

		matches += expected;
		cr_assert_eq(glob_list_match(pattern, path), expected, "%s %s: fnmatch says %d",
			     pattern, path, expected);
	}
	cr_expect_gt(matches, 2000);
}

/* Of every ASCII character, what libc says in the C locale. */
Test(glob, classes)
{
	static const char *const names[] = {
		"alnum", "alpha", "blank", "cntrl", "digit", "graph",
		"lower", "print", "punct", "space", "upper", "xdigit"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		for (int c = 1; c < 128; c++) {
			char pattern[32], path[] = { '/', (char)c, 0 };
			if (c == '/')
				continue;
			snprintf(pattern, sizeof(pattern), "/[[:%s:]]", names[i]);
			cr_expect_eq(glob_list_match(pattern, path),
				     !!iswctype((wint_t)c, wctype(names[i])), "%s and character %d",
				     pattern, c);
		}
}
