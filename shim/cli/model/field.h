/* SPDX-License-Identifier: MIT */
/*
 * Fields of a record by their dotted names.
 */
#ifndef MMFENCE_CLI_MODEL_FIELD_H
#define MMFENCE_CLI_MODEL_FIELD_H

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* "file.path" in nested objects; NULL when it is not there. */
static inline const json_t *field(const json_t *record, const char *name)
{
	char part[64];

	while (record && *name) {
		size_t length = strcspn(name, ".");

		snprintf(part, sizeof(part), "%.*s", (int)length, name);
		record = json_object_get(record, part);
		name += length + (name[length] == '.');
	}
	return record;
}

static inline const char *text(const json_t *record, const char *name)
{
	const char *value = json_string_value(field(record, name));

	return value ? value : "";
}

static inline json_int_t number(const json_t *record, const char *name)
{
	return json_integer_value(field(record, name));
}

#endif
