/* SPDX-License-Identifier: MIT */
/*
 * Golden outputs: see golden.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "runner.h"

#define ANY "<*>"

const char *data_path(const char *name)
{
	return build_path("../tests/data/%s", name);
}

char *data_text(const char *name)
{
	FILE *file = fopen(data_path(name), "re");
	char *text = NULL;
	size_t size = 0;

	cr_assert(file, "there is no %s", data_path(name));
	FILE *out = open_memstream(&text, &size);
	for (int c; (c = fgetc(file)) != EOF;)
		fputc(c, out);
	fclose(out);
	fclose(file);
	return text;
}

static bool matches(const char *line, const char *end, const char *pattern, const char *pattern_end)
{
	while (pattern < pattern_end) {
		if (!strncmp(pattern, ANY, sizeof(ANY) - 1)) {
			pattern += sizeof(ANY) - 1;
			for (; line <= end; line++)
				if (matches(line, end, pattern, pattern_end))
					return true;
			return false;
		}
		if (line == end || *line++ != *pattern++)
			return false;
	}
	return line == end;
}

void golden_text(const char *text, const char *name)
{
	char *whole = data_text(name), *wanted = whole;
	int number = 1;

	while (*text || *wanted) {
		const char *end = strchrnul(text, '\n'), *wanted_end = strchrnul(wanted, '\n');

		cr_assert(matches(text, end, wanted, wanted_end), "%s:%d:\n%.*s\ninstead of\n%.*s",
			  name, number, (int)(end - text), text, (int)(wanted_end - wanted),
			  wanted);
		text = end + (*end != 0);
		wanted = (char *)wanted_end + (*wanted_end != 0);
		number++;
	}
	free(whole);
}

static bool same(const json_t *json, const json_t *wanted, char *where, size_t size);

static bool same_member(const json_t *json, const json_t *wanted, const char *key, char *where,
			size_t size)
{
	char below[512];

	snprintf(below, sizeof(below), "%.250s.%s", where, key);
	if (json && wanted && same(json, wanted, below, sizeof(below)))
		return true;
	snprintf(where, size, "%s", below);
	return false;
}

static bool same(const json_t *json, const json_t *wanted, char *where, size_t size)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(wanted) && !strcmp(json_string_value(wanted), ANY))
		return true;
	if (json_is_object(wanted)) {
		json_object_foreach ((json_t *)json, key, value) {
			if (!same_member(value, json_object_get(wanted, key), key, where, size))
				return false;
		}
		return json_object_size(json) == json_object_size(wanted);
	}
	if (!json_is_array(wanted))
		return json_equal(json, wanted);
	json_array_foreach (wanted, i, value) {
		char index[24];

		snprintf(index, sizeof(index), "%zu", i);
		if (!same_member(json_array_get(json, i), value, index, where, size))
			return false;
	}
	return json_array_size(json) == json_array_size(wanted);
}

void golden_json(const char *text, const char *name)
{
	char *wanted_text = data_text(name), where[512] = "";
	json_error_t error;
	json_t *wanted = json_loads(wanted_text, 0, &error);
	json_t *json = json_loads(text, 0, NULL);

	cr_assert(wanted, "%s:%d: %s", name, error.line, error.text);
	cr_assert(json, "no JSON: %s", text);
	cr_assert(same(json, wanted, where, sizeof(where)), "%s differs at %s:\n%s", name, where,
		  text);
	json_decref(json);
	json_decref(wanted);
	free(wanted_text);
}
