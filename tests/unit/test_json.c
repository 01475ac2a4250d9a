/* SPDX-License-Identifier: MIT */
/*
 * Any bytes become a JSON string that a strict parser accepts, and text that was
 * UTF-8 before comes back unchanged.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "audit/json.h"

#define BUFFER_BYTES 8192

static char buffer[BUFFER_BYTES];

static unsigned int quote(const void *bytes, size_t length, size_t limit)
{
	struct text text;
	unsigned int result;

	text_init(&text, buffer, sizeof(buffer));
	result = json_add_string(&text, bytes, length, limit);
	cr_assert_not(text.overflow);
	cr_assert_leq(text.length, limit, "%zu bytes where %zu are allowed", text.length, limit);
	return result;
}

/* The string as a reader has it; the caller frees. */
static char *read_back(size_t *length)
{
	json_error_t error;
	json_t *value = json_loads(buffer, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	char *copy;

	cr_assert_not_null(value, "%s in %s", error.text, buffer);
	cr_assert(json_is_string(value));
	*length = json_string_length(value);
	copy = malloc(*length + 1);
	memcpy(copy, json_string_value(value), *length + 1);
	json_decref(value);
	return copy;
}

static void comes_back_as(const void *bytes, size_t length, const char *expected,
			  size_t expected_length)
{
	size_t got;
	char *text;

	quote(bytes, length, BUFFER_BYTES - 1);
	text = read_back(&got);
	cr_assert_eq(got, expected_length, "%s", buffer);
	cr_assert_arr_eq(text, expected, got, "%s", buffer);
	free(text);
}

Test(json, strings_of_every_byte_are_parsed)
{
	for (int first = 0; first < 256; first++) {
		for (int second = 0; second < 256; second++) {
			char pair[2] = { (char)first, (char)second };
			size_t length;

			quote(pair, 1 + (second != 0), BUFFER_BYTES - 1);
			free(read_back(&length));
		}
	}
}

Test(json, utf8_comes_back_unchanged)
{
	for (uint32_t c = 1; c <= 0x10ffff; c++) {
		char utf8[4];
		size_t length;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		if (c < 0x80) {
			utf8[0] = (char)c;
			length = 1;
		} else if (c < 0x800) {
			utf8[0] = (char)(0xc0 | c >> 6);
			utf8[1] = (char)(0x80 | (c & 63));
			length = 2;
		} else if (c < 0x10000) {
			utf8[0] = (char)(0xe0 | c >> 12);
			utf8[1] = (char)(0x80 | (c >> 6 & 63));
			utf8[2] = (char)(0x80 | (c & 63));
			length = 3;
		} else {
			utf8[0] = (char)(0xf0 | c >> 18);
			utf8[1] = (char)(0x80 | (c >> 12 & 63));
			utf8[2] = (char)(0x80 | (c >> 6 & 63));
			utf8[3] = (char)(0x80 | (c & 63));
			length = 4;
		}
		cr_assert_eq(quote(utf8, length, BUFFER_BYTES - 1), JSON_WHOLE, "U+%04X", c);
		if (c % 61 == 0 || c < 0x900)
			comes_back_as(utf8, length, utf8, length);
	}
}

#define FFFD "\xef\xbf\xbd"

static const struct {
	const char *bytes, *expected;
} ill_formed[] = {
	/* Unicode 15, tables 3-8 to 3-11. */
	{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
	{ "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
	{ "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B" },
	{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", FFFD FFFD FFFD FFFD "A" },
	{ "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64",
	  "a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d" },
	{ "\xf5\x80\x80\x80", FFFD FFFD FFFD FFFD },
	{ "\xf0\x9f\x98", FFFD },
	{ "x\xe2\x80", "x" FFFD },
	{ "\xc1\xbf", FFFD FFFD },
};

Test(json, ill_formed_bytes_are_replaced_and_reported)
{
	for (size_t i = 0; i < sizeof(ill_formed) / sizeof(*ill_formed); i++) {
		const char *bytes = ill_formed[i].bytes;

		cr_assert_eq(quote(bytes, strlen(bytes), BUFFER_BYTES - 1), JSON_REPLACED);
		comes_back_as(bytes, strlen(bytes), ill_formed[i].expected,
			      strlen(ill_formed[i].expected));
	}
}

Test(json, control_characters_are_escaped)
{
	quote("\x01\x1f\x7f\b\f\n\r\t\"\\/\xc2\x80\xc2\x9f\xc2\xa0\xe2\x80\xa8", 20, 100);
	cr_assert_str_eq(buffer,
			 "\"\\u0001\\u001f\\u007f\\b\\f\\n\\r\\t\\\"\\\\/\\u0080\\u009f\xc2\xa0"
			 "\xe2\x80\xa8\"");
}

static void check_cut(const char *bytes, size_t length, size_t limit)
{
	static const char mark[] = "\xe2\x80\xa6";
	unsigned int result = quote(bytes, length, limit);
	size_t got;
	char *text = read_back(&got);

	if (!(result & JSON_CUT)) {
		cr_assert(got == length && !memcmp(text, bytes, length), "limit %zu", limit);
	} else {
		cr_assert(got >= 3 && !memcmp(text + got - 3, mark, 3), "limit %zu: %s", limit,
			  buffer);
		cr_assert(!memcmp(text, bytes, got - 3), "limit %zu: %s", limit, buffer);
	}
	free(text);
}

Test(json, long_strings_are_cut_between_characters)
{
	static const char *const texts[] = {
		"",
		"a",
		"abc",
		"abcdefghijklmnopqrstuvwxyz",
		"a\xc3\xa4o\xc3\xb6u\xc3\xbc"
		"zz\xc3\x9f",
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x81\xf0\x9f\x98\x82",
		"\n\n\n\x01\x02\"\"\\\\",
		"ab\x01"
		"cd",
		"abcdef\x01",
		"\xe2\x82\xac\xe2\x82\xac"
		"abcdefgh\xe2\x82\xac",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (size_t limit = JSON_STRING_MIN; limit < 64; limit++)
			check_cut(texts[i], strlen(texts[i]), limit);
}

Test(json, a_string_that_fits_exactly_is_whole)
{
	cr_assert_eq(quote("abcdefgh", 8, 10), JSON_WHOLE);
	cr_assert_eq(quote("abcdefgh", 8, 9), JSON_CUT);
	cr_assert_str_eq(buffer, "\"abcd\xe2\x80\xa6\"");
}

Test(json, random_bytes_are_parsed)
{
	uint64_t state = 88172645463325252u;

	for (int round = 0; round < 200000; round++) {
		char bytes[24];
		size_t length;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			/* Mostly lead and continuation bytes. */
			bytes[i] = (char)(state & 0x100 ? 0x80 | state >> 20 : state >> 20);
		}
		quote(bytes, (size_t)(state >> 40) % sizeof(bytes), 5 + (state >> 50) % 60);
		free(read_back(&length));
	}
}

Test(json, hexadecimal_keeps_the_bytes)
{
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	cr_assert(json_add_hex(&text, "/\xff\x00z", 4, 10));
	cr_assert_str_eq(buffer, "\"2fff007a\"");
	text_init(&text, buffer, sizeof(buffer));
	cr_assert_not(json_add_hex(&text, "/\xff\x00z", 4, 9));
	cr_assert_str_eq(buffer, "\"2fff00\"");
	text_init(&text, buffer, sizeof(buffer));
	cr_assert(json_add_hex(&text, "/\xff\x00z", 2, 10));
	cr_assert_str_eq(buffer, "\"2fff\"");
}
