/* SPDX-License-Identifier: MIT */
/*
 * The command's own reading of JSON: what it takes and what it refuses is what jansson
 * takes and refuses, line for line, also of lines that were damaged at random.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model/scan.h"

static const char record[] =
	"{\"@timestamp\":\"2026-11-21T12:03:17.720428Z\",\"event\":{\"action\":\"nonlinear.remap\","
	"\"category\":[\"process\"],\"outcome\":\"success\"},\"process\":{\"pid\":13666,\"name\":"
	"\"gr\\u00fc\\u00dfe \\ud83d\\ude00 \xc3\xbc \\\"q\\\" \\\\ \\/ \\b\\f\\n\\r\\t\"},\"mmfence\":{"
	"\"stack\":[\"0x55ccf46042b1\",\"0x7f582269c24a\"],\"empty\":{},\"none\":[],\"yes\":true,"
	"\"no\":false,\"null\":null,\"real\":-1.5e-3,\"n\":-9223372036854775807}}";

static bool same(const struct scan *scan, const struct scan_value *value, const json_t *json)
{
	const struct scan_value *it;
	size_t i = 0;

	switch (value->type) {
	case SCAN_OBJECT:
		if (!json_is_object(json))
			return false;
		for (it = scan_first(scan, value); it; it = scan_next(scan, value, it + 1)) {
			json_t *member = json_object_get(json, it->text);
			if (!member || !same(scan, it + 1, member))
				return false;
			i++;
		}
		return i == json_object_size(json);
	case SCAN_ARRAY:
		for (it = scan_first(scan, value); it; it = scan_next(scan, value, it))
			if (!json_array_get(json, i) || !same(scan, it, json_array_get(json, i++)))
				return false;
		return json_is_array(json) && i == json_array_size(json);
	case SCAN_STRING:
		return json_is_string(json) && json_string_length(json) == value->length &&
		       !memcmp(json_string_value(json), value->text, value->length + 1);
	case SCAN_INTEGER:
		return json_is_integer(json) && json_integer_value(json) == value->integer;
	case SCAN_REAL:
		return json_is_real(json);
	case SCAN_TRUE:
		return json_is_true(json);
	case SCAN_FALSE:
		return json_is_false(json);
	default:
		return json_is_null(json);
	}
}

/* Whether both refuse it, or both read the same. Of two members of one name, and of numbers that no
 * double can hold, they may think differently: such lines say nothing. Half of a surrogate pair is
 * a question mark to yajl, and the least number of 64 bits is too small. */
static void compare(const char *text, size_t length)
{
	json_error_t error;
	json_t *json = json_loadb(text, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	char *line = memcpy(malloc(length), text, length);
	struct scan scan = { 0 };
	int result = scan_line(&scan, line, length);
	enum json_error_code code = json ? 0 : json_error_code(&error);
	bool half = !json && strstr(error.text, "Unicode");
	bool least = memmem(text, length, "-9223372036854775808", 20);

	if (code != json_error_duplicate_key && code != json_error_numeric_overflow && !half &&
	    !least) {
		cr_assert_eq(!json, result != 0, "%d, and jansson says %s: %.*s", result,
			     json ? "yes" : error.text, (int)length, text);
		if (json)
			cr_assert(same(&scan, scan.values, json), "%.*s", (int)length, text);
	}
	json_decref(json);
	scan_free(&scan);
	free(line);
}

Test(scan, reads_what_jansson_reads)
{
	static const char *const lines[] = {
		record,
		"",
		" ",
		"{}",
		"[]",
		"[ ]",
		" { } ",
		"null",
		"true",
		"false",
		"nul",
		"truee",
		"0",
		"-0",
		"00",
		"01",
		"-",
		"1.",
		".5",
		"1.5",
		"1e",
		"1e5",
		"1e+",
		"1E-5",
		"+1",
		"9223372036854775807",
		"9223372036854775808",
		"-9223372036854775809",
		"\"",
		"\"\"",
		"\"a",
		"\"\\\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u0000\"",
		"\"\\ud800\"",
		"\"\\ud800\\u0041\"",
		"\"\\udc00\"",
		"\"\\ud83d\\ude00\"",
		"\"\t\"",
		"\"\x7f\"",
		"\"\xc0\x80\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xf0\x9f\x98\x80\"",
		"\"\xe2\x82\"",
		"\"\xff\"",
		"[1,]",
		"[,1]",
		"[1 2]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{a:1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1}}",
		"[[[]]",
		"{\"a\":{\"b\":[1,{}]}}",
		"{\"a\" : \"b\" , \"c\" : [ 1 , 2 ] }",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		compare(lines[i], strlen(lines[i]));
}

Test(scan, every_beginning_of_a_record)
{
	for (size_t i = 0; i < sizeof(record); i++)
		compare(record, i);
}

Test(scan, records_damaged_at_random)
{
	static const char odd[] = "\"\\{}[],:0-.eEu \t\n\x01\x7f\xc3\xed\xff";
	char text[sizeof(record)];

	srand(1);
	for (int i = 0; i < 200000; i++) {
		memcpy(text, record, sizeof(record));
		for (int j = rand() % 3; j >= 0; j--)
			text[(size_t)rand() % (sizeof(record) - 1)] =
				rand() % 2 ? odd[(size_t)rand() % (sizeof(odd) - 1)]
					   : text[(size_t)rand() % (sizeof(record) - 1)];
		compare(text, sizeof(record) - 1);
	}
}

Test(scan, depth_is_bounded)
{
	char deep[4096];
	struct scan scan = { 0 };

	memset(deep, '[', sizeof(deep) / 2);
	memset(deep + sizeof(deep) / 2, ']', sizeof(deep) / 2);
	cr_assert(scan_line(&scan, deep, sizeof(deep)));
	cr_assert(!scan_line(&scan, deep + sizeof(deep) / 2 - 60, 120));
	scan_free(&scan);
}

Test(scan, members_by_dotted_names)
{
	struct scan scan = { 0 };

	cr_assert(!scan_line(&scan, record, sizeof(record) - 1));
	cr_expect_str_eq(scan_text(&scan, "event.action"), "nonlinear.remap");
	cr_expect_eq(scan_number(&scan, "process.pid"), 13666);
	cr_expect_eq(scan_number(&scan, "mmfence.n"), -INT64_MAX);
	cr_expect_str_eq(scan_text(&scan, "event.actio"), "");
	cr_expect_str_eq(scan_text(&scan, "event.action.more"), "");
	cr_expect_eq(scan_number(&scan, "event.action"), 0);
	cr_expect(!scan_get(&scan, "mmfence.empty.x"));
	scan_free(&scan);
}
