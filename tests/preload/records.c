/* SPDX-License-Identifier: MIT */
/*
 * The table of events, turned into a check: see records.h.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "records.h"
#include "runner.h"

enum id {
#define EVENT(id, action, category, type, doc) ID_##id,
#define FIELD(id, name, type, doc)
#include "audit/events.def"
#undef EVENT
#undef FIELD
	ID_COUNT,
	ID_ALL
};

static const struct {
	const char *action, *category, *type;
} events[] = {
#define EVENT(id, action, category, type, doc) { action, category, type },
#define FIELD(id, name, type, doc)
#include "audit/events.def"
#undef EVENT
#undef FIELD
};

enum kind { kind_string, kind_integer, kind_boolean, kind_address, kind_array, kind_object };

static const struct {
	enum id event;
	const char *name;
	enum kind kind;
} fields[] = {
#define EVENT(id, action, category, type, doc)
#define FIELD(id, name, type, doc) { ID_##id, name, kind_##type },
#include "audit/events.def"
#undef EVENT
#undef FIELD
};

static void check_kind(const json_t *value, enum kind kind, const char *name)
{
	const char *text = json_string_value(value);

	switch (kind) {
	case kind_string:
		cr_assert(text, "%s is no string", name);
		break;
	case kind_integer:
		cr_assert(json_is_integer(value), "%s is no integer", name);
		break;
	case kind_boolean:
		cr_assert(json_is_boolean(value), "%s is no boolean", name);
		break;
	case kind_address:
		cr_assert(text && !strncmp(text, "0x", 2) && text[2] &&
				  strspn(text + 2, "0123456789abcdef") == strlen(text + 2),
			  "%s is no address", name);
		break;
	case kind_array:
		cr_assert(json_is_array(value), "%s is no array", name);
		break;
	case kind_object:
		cr_assert(json_is_object(value), "%s is no object", name);
		break;
	}
}

/* What every record may have besides. */
static const struct {
	const char *name;
	enum kind kind;
} common[] = {
	{ "@timestamp", kind_string },	       { "ecs.version", kind_string },
	{ "event.kind", kind_string },	       { "event.action", kind_string },
	{ "event.category", kind_array },      { "event.type", kind_array },
	{ "event.outcome", kind_string },      { "event.sequence", kind_integer },
	{ "process.pid", kind_integer },       { "process.thread.id", kind_integer },
	{ "process.name", kind_string },       { "process.executable", kind_string },
	{ "mmfence.call", kind_string },       { "mmfence.stack", kind_array },
	{ "mmfence.modules", kind_array },     { "mmfence.raw", kind_object },
	{ "mmfence.truncated", kind_boolean },
};

static bool is_common(const char *name, const json_t *value)
{
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (!strcmp(common[i].name, name)) {
			check_kind(value, common[i].kind, name);
			return true;
		}
	return false;
}

static bool is_field(size_t event, const char *name, const json_t *value)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if ((fields[i].event == (enum id)event || fields[i].event == ID_ALL) &&
		    !strcmp(fields[i].name, name)) {
			check_kind(value, fields[i].kind, name);
			return true;
		}
	return false;
}

static void check_fields(const json_t *object, size_t event, const char *prefix)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		char name[128];
		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (is_common(name, value) || is_field(event, name, value))
			continue;
		cr_assert(json_is_object(value),
			  "%s has a field %s, which events.def does not name", events[event].action,
			  name);
		check_fields(value, event, name);
	}
}

static bool holds(const json_t *list, const char *word)
{
	const json_t *first = json_is_array(list) ? json_array_get(list, 0) : list;

	return json_string_value(first) && !strcmp(json_string_value(first), word);
}

/* 2026-01-31T12:34:56.789…Z */
static void check_time(const char *time)
{
	int year, month, day, hour, minute, second;

	cr_assert(time &&
			  sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour,
				 &minute, &second) == 6 &&
			  time[strlen(time) - 1] == 'Z',
		  "@timestamp is %s", time ? time : "absent");
}

bool is_forged(const json_t *record)
{
	const char *name = field_string(record, "process.name");

	return name && !strcmp(name, "forged");
}

static void check_common(const json_t *record)
{
	const char *outcome = field_string(record, "event.outcome");

	check_time(field_string(record, "@timestamp"));
	cr_assert(field_string(record, "ecs.version"));
	cr_assert_str_eq(field_string(record, "event.kind"), "event");
	cr_assert(outcome && (!strcmp(outcome, "success") || !strcmp(outcome, "failure") ||
			      !strcmp(outcome, "unknown")));
	cr_assert(field_number(record, "event.sequence") > 0 || is_forged(record));
	cr_assert(field_number(record, "process.pid") > 0);
	cr_assert(field_number(record, "process.thread.id") > 0);
	cr_assert(field_string(record, "process.name"));
}

void record_check(const json_t *record)
{
	const char *action = field_string(record, "event.action");
	size_t event = 0;

	cr_assert(action, "a record without event.action");
	while (event < ID_COUNT && strcmp(action, events[event].action))
		event++;
	cr_assert(event < ID_COUNT, "events.def has no event %s", action);
	cr_assert(holds(field(record, "event.category"), events[event].category));
	cr_assert(holds(field(record, "event.type"), events[event].type));
	check_common(record);
	check_fields(record, event, "");
}
