/* SPDX-License-Identifier: MIT */
/*
 * The library's own memcpy and kin do what the standard says, at every length, distance and
 * alignment at which they work differently. (In this program they are everybody's.)
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/text.h"

#define MOST  2600
#define GUARD 64

static const size_t lengths[] = { 0,  1,  2,  3,  4,  5,  7,	8,    9,    15,	  16,	17,
				  31, 32, 33, 63, 64, 65, 1000, 1023, 1024, 1025, 2000, 2500 };

#define EACH_LENGTH(i) (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)

static char *pattern(char *out, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (char)(i * 7 + i / 251);
	return out;
}

/* Volatile, so that no compiler knows what is called. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

static void check_move(size_t from, size_t to, size_t length)
{
	static char before[MOST + 2 * GUARD], after[MOST + 2 * GUARD];

	pattern(before, sizeof(before));
	pattern(after, sizeof(after));
	bool apart = from + length <= to || to + length <= from;
	cr_assert_eq((apart ? copy : move)(after + to, after + from, length), after + to);
	for (size_t i = 0; i < sizeof(after); i++) {
		char wanted = i >= to && i < to + length ? before[from + i - to] : before[i];

		cr_assert_eq(after[i], wanted, "%zu bytes from %zu to %zu: byte %zu", length, from,
			     to, i);
	}
}

Test(string, copies_whatever_overlaps)
{
	for
		EACH_LENGTH(i)
	for (size_t from = 0; from < GUARD; from += 5)
		for (size_t to = 0; to < GUARD; to += 3)
			check_move(from, to, lengths[i]);
	for
		EACH_LENGTH(i)
	if (2 * lengths[i] < MOST)
		check_move(3, 3 + lengths[i], lengths[i]);
}

Test(string, sets_what_it_should)
{
	static char memory[MOST + 2 * GUARD];

	for
		EACH_LENGTH(i)
		{
			for (size_t at = 0; at < 9; at++) {
				pattern(memory, sizeof(memory));
				cr_assert_eq(set(memory + at, 0x1a5, lengths[i]), memory + at);
				for (size_t k = 0; k < sizeof(memory); k++) {
					bool inside = k >= at && k < at + lengths[i];

					cr_assert_eq(memory[k],
						     inside ? (char)0xa5 : (char)(k * 7 + k / 251));
				}
			}
		}
}

Test(string, compares_bytes_without_sign)
{
	static char a[MOST], b[MOST];

	for
		EACH_LENGTH(i)
		{
			for (size_t at = 0; at < lengths[i]; at += 1 + lengths[i] / 40) {
				pattern(a, MOST);
				pattern(b, MOST);
				cr_assert_eq(compare(a, b, lengths[i]), 0);
				a[at] = 1;
				b[at] = (char)0x80;
				cr_assert_lt(compare(a, b, lengths[i]), 0);
				cr_assert_gt(compare(b, a, lengths[i]), 0);
				cr_assert_eq(compare(a, b, at), 0);
			}
		}
}

/* Not what lies before them. */
Test(string, what_is_compared_begins_where_it_is_said)
{
	const char *a = "BBBBBBBBAAAAAAAACCCCCCCC" + 8, *b = "CCCCCCCCAAAAAAAABBBBBBBB" + 8;

	cr_assert_gt(compare(a, b, 16), 0);
	cr_assert_lt(compare(b, a, 16), 0);
}

Test(string, texts)
{
	char out[32] = "xxxxxxxxxxxxxxx", text[80];

	for (size_t length = 0; length < 70; length++) {
		for (size_t at = 0; at < 9; at++) {
			memset(text, "a\x01\x80\xff@"[at % 5], sizeof(text));
			text[at + length] = 0;
			cr_assert_eq(strlen(text + at), length);
			cr_assert_eq(strnlen(text + at, 40), length < 40 ? length : 40);
			cr_assert_eq(strchr(text + at, 0), text + at + length);
			cr_assert_null(strchr(text + at, 'b'));
		}
	}
	const char *volatile path = "/a/bb/c";
	cr_expect_str_eq(strrchr(path, '/'), "/c");
	cr_expect_str_eq(strchr(path, 'b'), "bb/c");
	cr_expect_str_eq(strstr(path, "b/"), "b/c");
	cr_expect_str_eq(strstr(path, ""), path);
	cr_expect_null(strstr(path, "cc"));
	cr_expect_eq(strcspn(path, "b"), 3);
	cr_expect_eq(strcspn(path, "cb"), 3);
	cr_expect_eq(strcspn(path, ""), 7);
	cr_expect_eq(strspn(path, "/a"), 3);
	cr_expect_eq(memchr(path, 'c', 6), NULL);
	cr_expect_eq(memchr(path, 'c', 7), path + 6);
	cr_expect(strcmp(path, "/a/bb/d") < 0 && strcmp(path, "/a/bb/") > 0 &&
		  !strcmp(path, "/a/bb/c"));
	cr_expect(!strncmp(path, "/a/x", 3) && strncmp(path, "/a/x", 4) < 0);
	cr_expect_eq(stpcpy(out, path), out + 7);
	cr_expect_str_eq(strcat(out, "!"), "/a/bb/c!");
	cr_expect_eq(strncpy(out, "ab", 4), out);
	cr_expect_eq(memcmp(out, "ab\0\0b/c!", 9), 0);
}

/* Where a number ends, and what it is. */
Test(string, numbers)
{
	static const struct {
		const char *text;
		unsigned int base;
		uint64_t value;
		size_t length;
	} numbers[] = {
		{ "1290:", 10, 1290, 4 }, { "12ab", 10, 12, 2 }, { "12ab-", 16, 0x12ab, 4 },
		{ "7fg", 16, 0x7f, 2 },	  { "178", 8, 0xf, 2 },	 { "x", 16, 0, 0 },
		{ "", 10, 0, 0 },	  { "9A", 16, 9, 1 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint64_t value;
		const char *text = numbers[i].text;
		const char *end = text_read_number(text, numbers[i].base, &value);

		cr_expect_eq(value, numbers[i].value, "%s", text);
		cr_expect_eq(end, text + numbers[i].length, "%s", text);
	}
}
