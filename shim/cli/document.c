/* SPDX-License-Identifier: MIT */
/*
 * "file.path" in nested objects: see document.h.
 */
#include <stdio.h>
#include <string.h>

#include "cli/document.h"

const json_t *get(const json_t *object, const char *name)
{
	char part[64];

	while (object && *name) {
		size_t length = strcspn(name, ".");

		snprintf(part, sizeof(part), "%.*s", (int)length, name);
		object = json_object_get(object, part);
		name += length + (name[length] == '.');
	}
	return object;
}

const char *get_text(const json_t *object, const char *name)
{
	const char *value = json_string_value(get(object, name));

	return value ? value : "";
}

json_int_t get_number(const json_t *object, const char *name)
{
	return json_integer_value(get(object, name));
}
