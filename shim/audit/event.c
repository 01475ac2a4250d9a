/* SPDX-License-Identifier: MIT */
/*
 * Builds records: see event.h and record.h. A field that does not fit is cut or
 * left out and the record says so; what is written is always one line of JSON.
 */
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "audit/identity.h"
#include "audit/json.h"
#include "audit/record.h"
#include "audit/sink.h"
#include "kernel/vma.h"
#include "support/call.h"
#include "support/sys.h"

#define NUMBER_BYTES 24

_Static_assert(sizeof(struct record) <= RECORD_HEAD_BYTES, "struct record outgrew its place");
_Static_assert(RECORD_WORK_BYTES >= 4096, "no room for a path");

static const char *const types[] = {
#define EVENT(id, action, category, type, doc) type,
#define FIELD(id, name, type, doc)
#include "audit/events.def"
#undef EVENT
#undef FIELD
};

/* What is the same in every record of an event. */
static const char *const headers[] = {
#define EVENT(id, action, category, type, doc)                                                   \
	"\",\"ecs\":{\"version\":\"8.11.0\"},\"event\":{\"kind\":\"event\",\"action\":\"" action \
	"\",\"category\":[\"" category "\"],\"type\":[\"" type "\"],\"outcome\":\"",
#define FIELD(id, name, type, doc)
#include "audit/events.def"
#undef EVENT
#undef FIELD
};

bool audit_enabled(void)
{
	return sink_enabled();
}

static void region_init(struct region *region, char *start, size_t size)
{
	text_init(&region->text, start, size);
	region->group[0] = 0;
}

static size_t region_room(const struct text *text)
{
	size_t used = text->length + RECORD_RESERVE;

	return used < text->size ? text->size - used : 0;
}

/* Whether size bytes more fit into the region; the record remembers when not. */
static bool record_fits(struct record *record, const struct region *region, size_t size)
{
	if (size <= region_room(&region->text))
		return true;
	record->truncated = true;
	return false;
}

char *record_work(struct record *record)
{
	return (char *)record + SCRATCH_BYTES - RECORD_WORK_BYTES;
}

static void close_groups(struct region *region, size_t keep)
{
	for (const char *c = region->group + keep; *c; c++)
		if (*c == '.')
			text_add_char(&region->text, '}');
	region->group[keep] = 0;
}

/* Closes and opens objects so that a member of the group name[0..prefix) may follow. */
static void open_groups(struct region *region, const char *name, size_t prefix)
{
	struct text *text = &region->text;
	size_t keep = 0;

	for (size_t i = 0; i < prefix && region->group[i] == name[i]; i++)
		if (name[i] == '.')
			keep = i + 1;
	if (region->group[keep])
		close_groups(region, keep);
	if (text->length && text->start[text->length - 1] != '{')
		text_add_bytes(text, ",\"", 2);
	else
		text_add_char(text, '"');
	for (size_t i = keep, part = keep; i < prefix; i++) {
		if (name[i] != '.')
			continue;
		text_add_bytes(text, name + part, i - part);
		text_add_bytes(text, "\":{\"", 4);
		part = i + 1;
	}
	memcpy(region->group + keep, name + keep, prefix - keep);
	region->group[prefix] = 0;
}

/* Writes the name of a member, up to its colon. The text to put the value in, or NULL when there
 * is no room for one of `size` bytes. */
static struct text *member(struct record *record, const char *name, size_t size)
{
	static const char mmfence[] = "mmfence.";
	struct region *region = &record->main;
	size_t length = 0, prefix = 0;

	if (!strncmp(name, mmfence, sizeof(mmfence) - 1)) {
		region = &record->extra;
		name += sizeof(mmfence) - 1;
	}
	for (; name[length]; length++)
		if (name[length] == '.')
			prefix = length + 1;
	/* A level of the name is at least two bytes of it, and costs four and its brace. */
	if (length >= RECORD_NAME) {
		record->truncated = true;
		return NULL;
	}
	if (!record_fits(record, region, 4 * length + RECORD_NAME + size))
		return NULL;
	open_groups(region, name, prefix);
	text_add_bytes(&region->text, name + prefix, length - prefix);
	text_add_bytes(&region->text, "\":", 2);
	return &region->text;
}

static void add_raw(struct record *record, const char *name, const char *value, size_t length)
{
	struct text *raw = &record->raw;
	size_t room = region_room(raw), needed = strlen(name) + 8;

	if (room < needed) {
		record->truncated = true;
		return;
	}
	if (raw->length)
		text_add_char(raw, ',');
	text_add_char(raw, '"');
	text_add(raw, name);
	text_add(raw, "\":");
	if (!json_add_hex(raw, value, length, room - needed + 2))
		record->truncated = true;
}

void record_str(struct record *record, const char *name, const char *value)
{
	struct text *text = record && value ? member(record, name, JSON_STRING_MIN) : NULL;
	unsigned int result;
	size_t length, room;

	if (!text)
		return;
	length = strlen(value);
	room = region_room(text);
	result = json_add_string(text, value, length,
				 room < RECORD_VALUE_BYTES ? room : RECORD_VALUE_BYTES);
	if (result & JSON_CUT)
		record->truncated = true;
	if (result & JSON_REPLACED)
		add_raw(record, name, value, length);
}

void record_int(struct record *record, const char *name, int64_t value)
{
	struct text *text = record ? member(record, name, NUMBER_BYTES) : NULL;

	if (text)
		text_add_int(text, value);
}

void record_uint(struct record *record, const char *name, uint64_t value)
{
	struct text *text = record ? member(record, name, NUMBER_BYTES) : NULL;

	if (text)
		text_add_uint(text, value);
}

void record_bool(struct record *record, const char *name, bool value)
{
	struct text *text = record ? member(record, name, NUMBER_BYTES) : NULL;

	if (text)
		text_add(text, value ? "true" : "false");
}

void record_address(struct record *record, const char *name, uintptr_t value)
{
	struct text *text = record ? member(record, name, NUMBER_BYTES) : NULL;

	if (!text)
		return;
	text_add(text, "\"0x");
	text_add_hex(text, value, 1);
	text_add_char(text, '"');
}

void record_number_string(struct record *record, const char *name, uint64_t value)
{
	struct text *text = record ? member(record, name, NUMBER_BYTES) : NULL;

	if (!text)
		return;
	text_add_char(text, '"');
	text_add_uint(text, value);
	text_add_char(text, '"');
}

void record_mapping(struct record *record, uintptr_t address, uint64_t length, int64_t offset,
		    int protection, bool shared)
{
	char text[5];

	vma_protection_text(protection, shared, text);
	if (address)
		record_address(record, "mmfence.mapping.address", address);
	record_uint(record, "mmfence.mapping.length", length);
	record_int(record, "mmfence.mapping.offset", offset);
	record_str(record, "mmfence.mapping.protection", text);
}

void record_site(struct record *record, uint64_t hash)
{
	char buffer[20];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	text_add_hex(&text, hash, 16);
	record_str(record, "mmfence.site", buffer);
}

void record_error(struct record *record, int error, const char *message)
{
	const char *code;

	if (error < 0)
		error = -error;
	code = error ? error_name(error) : NULL;
	if (code)
		record_str(record, "error.code", code);
	else if (error)
		record_number_string(record, "error.code", (uint64_t)(unsigned int)error);
	record_str(record, "error.message", message);
}

static void add_process(struct record *record, const struct identity *who)
{
	const struct image *program = identity_image();
	struct text *text = &record->main.text;

	record_int(record, "process.pid", who->pid);
	record_int(record, "process.thread.id", who->tid);
	if (program && program->json_length && program->json_length <= RECORD_VALUE_BYTES) {
		close_groups(&record->main, strlen("process."));
		text_add_char(text, ',');
		text_add_bytes(text, program->json, program->json_length);
	} else if (program) {
		record_str(record, "process.name", program->name);
		if (program->executable[0])
			record_str(record, "process.executable", program->executable);
	}
}

static void add_head(struct record *record, enum event_action action, enum event_outcome outcome)
{
	static const char *const outcomes[] = { "success", "failure", "unknown" };
	struct text *text = &record->main.text;
	struct moment now;

	clock_read(CLOCK_REALTIME, &now);
	text_add(text, "{\"@timestamp\":\"");
	clock_format(text, &now);
	text_add(text, headers[action]);
	text_add(text, outcomes[outcome]);
	text_add(text, "\",\"sequence\":");
	text_add_uint(text, identity_sequence());
	text_add_char(text, '}');
}

/* What was refused or failed is worth a look, what is an error of ours more so. */
static int level_of(enum event_action action, enum event_outcome outcome)
{
	if (!strcmp(types[action], "error"))
		return LOG_ERR;
	return outcome == OUTCOME_FAILURE || !strcmp(types[action], "denied") ? LOG_WARNING
									      : LOG_INFO;
}

struct record *record_open(enum event_action action, enum event_outcome outcome,
			   const struct trace *trace, const struct identity *who)
{
	struct record *record = scratch_take();
	char *at = (char *)record + RECORD_HEAD_BYTES;

	region_init(&record->main, at, RECORD_MAIN_BYTES);
	region_init(&record->extra, at += RECORD_MAIN_BYTES, RECORD_EXTRA_BYTES);
	text_init(&record->raw, at + RECORD_EXTRA_BYTES, RECORD_RAW_BYTES);
	record->truncated = false;
	record->level = level_of(action, outcome);
	add_head(record, action, outcome);
	add_process(record, who);
	if (trace && trace->count &&
	    !stack_add(&record->extra.text, trace, RECORD_EXTRA_BYTES * 3 / 4))
		record->truncated = true;
	return record;
}

struct record *record_begin(enum event_action action, enum event_outcome outcome,
			    const struct trace *trace)
{
	struct identity who;

	if (!sink_enabled())
		return NULL;
	who = identity_get();
	preface_write(&who);
	return record_open(action, outcome, trace, &who);
}

struct record *record_of_call(enum event_action action, enum event_outcome outcome,
			      const struct call *call)
{
	struct trace trace;

	if (!sink_enabled())
		return NULL;
	trace_capture(&trace, call->ip, call->cfa);
	return record_begin(action, outcome, &trace);
}

/* The regions follow each other, so that this moves text down, never onto what is still needed. */
static void append(struct text *text, const struct text *more)
{
	memmove(text->start + text->length, more->start, more->length);
	text->length += more->length;
}

struct line record_close(struct record *record)
{
	struct text *text = &record->main.text;
	struct text *extra = &record->extra.text;

	close_groups(&record->main, 0);
	close_groups(&record->extra, 0);
	text->size = RECORD_MAIN_BYTES + RECORD_EXTRA_BYTES + RECORD_RAW_BYTES;
	if (extra->length || record->raw.length || record->truncated) {
		text_add(text, ",\"mmfence\":{");
		if (record->truncated)
			text_add(text, "\"truncated\":true");
		if (record->truncated && extra->length)
			text_add_char(text, ',');
		append(text, extra);
		if (record->raw.length) {
			text_add(text,
				 text->start[text->length - 1] == '{' ? "\"raw\":{" : ",\"raw\":{");
			append(text, &record->raw);
			text_add_char(text, '}');
		}
		text_add_char(text, '}');
	}
	text_add(text, "}\n");
	return (struct line){
		.text = text->start,
		.length = text->length,
		.room = text->start + text->length,
		.room_size = SCRATCH_BYTES - RECORD_HEAD_BYTES - text->length,
		.level = record->level,
	};
}

void record_emit(struct record *record)
{
	struct line line;

	if (!record)
		return;
	line = record_close(record);
	sink_write(&line);
	identity_finished();
	scratch_put(record);
}
