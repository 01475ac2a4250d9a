/* SPDX-License-Identifier: MIT */
/*
 * The report as one JSON document, whose shape is in README: what `--json' prints, and
 * what the text and the page are made of. Rows are written by tables of their fields;
 * here the call sites get their names.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"

#define DOCUMENT_VERSION 2

/* How a member of a row is written. Texts that are empty are left out. */
enum written_as {
	TEXT,  /* a pointer */
	CHARS, /* an array */
	NUMBER,
	SOME,  /* a number that is left out when it is 0 */
	KNOWN, /* a number that is left out when it is negative */
	TRUTH,
	SUM,
	REASONS_OF,
	COUNTS, /* one for each of these names; those that are 0 are left out */
};

struct field {
	const char *name;
	enum written_as kind;
	size_t at;
	const char *const *names;
};

static json_t *put(json_t *object, const char *name, json_t *value)
{
	json_object_set_new(object, name, value);
	return value;
}

/* The name of a log may be no UTF-8. */
static void put_text(json_t *object, const char *name, const char *value)
{
	char *visible = value && *value ? printable(value) : NULL;

	if (visible)
		put(object, name, json_string(value) ?: json_string(visible));
	free(visible);
}

static void put_some(json_t *object, const char *name, int64_t value)
{
	if (value)
		put(object, name, json_integer(value));
}

/* "{"guard": 2}" */
static json_t *counts(const char *const *names, const int64_t *numbers)
{
	json_t *object = json_object();

	for (size_t i = 0; names[i]; i++)
		put_some(object, names[i], numbers[i]);
	return object;
}

static json_t *reasons_json(const struct reason *reasons)
{
	json_t *array = json_array();

	for (int i = 0; i < REASONS && reasons[i].text; i++)
		json_array_append_new(array, json_pack("{s:s, s:I}", "reason", reasons[i].text,
						       "count", (json_int_t)reasons[i].count));
	return array;
}

static json_t *sum_json(const struct sum *sum)
{
	return json_pack("{s:I, s:I, s:I}", "count", (json_int_t)sum->count, "microseconds",
			 (json_int_t)sum->total, "longest", (json_int_t)sum->longest);
}

static void put_field(json_t *object, const struct field *field, const void *row)
{
	const void *at = (const char *)row + field->at;
	const int64_t *numbers = at;

	switch (field->kind) {
	case TEXT:
		put_text(object, field->name, *(const char *const *)at);
		break;
	case CHARS:
		put_text(object, field->name, at);
		break;
	case NUMBER:
		put(object, field->name, json_integer(*numbers));
		break;
	case SOME:
		put_some(object, field->name, *numbers);
		break;
	case KNOWN:
		if (*numbers >= 0)
			put(object, field->name, json_integer(*numbers));
		break;
	case TRUTH:
		put(object, field->name, json_boolean(*(const bool *)at));
		break;
	case SUM:
		put(object, field->name, sum_json(at));
		break;
	case REASONS_OF:
		put(object, field->name, reasons_json(at));
		break;
	case COUNTS:
		put(object, field->name, counts(field->names, numbers));
	}
}

static json_t *row_json(const struct field *fields, const void *row)
{
	json_t *object = json_object();

	for (; fields->name; fields++)
		put_field(object, fields, row);
	return object;
}

/* Members of struct OF, each under its own name. */
#define NAMED(name, kind, member)                      \
	{                                              \
		name, kind, offsetof(OF, member), NULL \
	}
#define MEMBER(kind, member) NAMED(#member, kind, member)
#define LISTING(kind, member, names)                       \
	{                                                  \
#member, kind, offsetof(OF, member), names \
	}
#define T(member)	  MEMBER(TEXT, member)
#define C(member)	  MEMBER(CHARS, member)
#define N(member)	  MEMBER(NUMBER, member)
#define S(member)	  MEMBER(SOME, member)
#define FIELDS(name, ...) static const struct field name[] = { __VA_ARGS__, { NULL, 0, 0, NULL } }

#define OF struct log_row
FIELDS(log_fields, T(path), N(records), N(damaged), N(bytes), C(first), C(last));
#undef OF
#define OF struct process_row
FIELDS(process_fields, T(host), N(pid), T(name), T(executable), T(command_line), C(first), C(last),
       MEMBER(TRUTH, ended), MEMBER(KNOWN, exit_code), N(records), S(snapshots), S(areas));
#undef OF
#define OF struct file_row
FIELDS(file_fields, T(path), T(host), N(snapshots), LISTING(COUNTS, engines, engine_names),
       LISTING(COUNTS, consistency, consistency_names), LISTING(COUNTS, fates, fate_names), N(open),
       S(ended_with_process), N(mapped_bytes), N(copied_bytes), MEMBER(SUM, program_waited),
       MEMBER(SUM, writers_waited), N(preserved), N(lost), N(unprotected), S(denied),
       NAMED("grow_refused", SOME, grown), S(drifted), S(drift_pages), MEMBER(REASONS_OF, reasons));
#undef OF
#define OF struct site_row
FIELDS(site_fields, T(action), T(program), C(site), N(records), N(calls), N(failed), N(bytes),
       S(refused), S(areas), C(first), C(last), T(path), T(error), T(detail));
#undef OF
#define OF struct finding
FIELDS(gap_fields, NAMED("reason", TEXT, what), NAMED("path", TEXT, where),
       NAMED("program", TEXT, process), NAMED("count", NUMBER, times));
#undef OF
#define OF struct missing_row
FIELDS(missing_fields, T(host), N(pid), T(name), N(records));
#undef OF
#define OF struct model
FIELDS(head_fields, N(records), N(damaged), C(first), C(last));
#undef OF
#define OF struct missing
FIELDS(hole_fields, N(records), N(processes));
/* Of an array of rows. */
static json_t *rows_json(const struct field *fields, const void *rows, size_t count, size_t size)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, row_json(fields, (const char *)rows + i * size));
	return array;
}

/* Of a table of the model. */
#define LISTED(fields, rows)                                                     \
	({                                                                       \
		json_t *array_ = json_array();                                   \
		for (__typeof__(rows) row_ = (rows); row_; row_ = row_->hh.next) \
			json_array_append_new(array_, row_json(fields, row_));   \
		array_;                                                          \
	})

#define MORE_FIRST(member) ((a->member < b->member) - (a->member > b->member))

/* What people ask about first: lost, then unprotected, then the busiest; equals by name. */
static int compare_files(struct file_row *a, struct file_row *b)
{
	return MORE_FIRST(lost) ?: MORE_FIRST(unprotected) ?: MORE_FIRST(snapshots)
				?: strcmp(a->key, b->key);
}

void frame_put(json_t *frames, const struct frame *frame, const struct symbol *symbol)
{
	json_t *object = json_object();
	char offset[24];

	put_text(object, "function", symbol->function);
	put_text(object, "file", symbol->file);
	put_some(object, "line", symbol->file ? symbol->line : 0);
	if (symbol->inlined)
		put(object, "inlined", json_true());
	else if (symbol->function || symbol->file)
		put(object, "offset_in_function", json_integer((json_int_t)symbol->offset));
	put_text(object, "module", frame->module ? frame->module->path : NULL);
	put_text(object, "build_id", frame->module ? frame->module->build_id : NULL);
	snprintf(offset, sizeof(offset), "0x%llx", (unsigned long long)frame->offset);
	put_text(object, frame->module ? "offset" : "address", offset);
	put_text(object, "note", symbol->note);
	json_array_append_new(frames, object);
}

/* A return address is behind the call: the call itself ends one byte before. */
json_t *report_stack(const struct frame *frames, uint32_t count)
{
	json_t *array = json_array();

	for (const struct frame *frame = frames; frame < frames + count; frame++) {
		if (frame->module && frame->offset)
			symbols_put(array, frame);
		else
			frame_put(array, frame, &(struct symbol){ .function = NULL });
	}
	return array;
}

static int compare_sites(struct site_row *a, struct site_row *b)
{
	return MORE_FIRST(calls) ?: strcmp(a->program, b->program) ?: strcmp(a->first, b->first)
				 ?: strcmp(a->action, b->action);
}

static json_t *sites_json(const struct model *model, const char *group)
{
	json_t *array = json_array();

	for (const struct site_row *site = model->sites; site; site = site->hh.next) {
		if (strncmp(site->action, group, strlen(group)))
			continue;
		json_t *object = row_json(site_fields, site);

		put(object, "stack", report_stack(site->frames, site->frame_count));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *hosts_json(const struct model *model)
{
	json_t *array = json_array();

	for (const struct member *host = model->hosts; host; host = host->hh.next)
		json_array_append_new(array, json_string(host->key));
	return array;
}

static json_t *events_json(const struct model *model)
{
	json_t *object = counts(event_names, model->actions);

	put_some(object, "unknown", model->actions[event_kinds]);
	return object;
}

static void add_sentence(void *sentences, const char *kind, const char *sentence, enum category why)
{
	(void)why;
	json_array_append_new(sentences, json_pack("{s:s, s:s}", "kind", kind, "text", sentence));
}

static json_t *verdict_json(const struct model *model)
{
	json_t *sentences = json_array(), *numbers = json_object();

	story_tell(&model->totals, add_sentence, sentences);
	for (const struct total *it = total_names; it->name; it++)
		put(numbers, it->name, json_integer(total_of(&model->totals, it)));
	return json_pack("{s:s, s:s, s:o, s:o}", "state", story_state(model)->word, "text",
			 story_state(model)->sentence, "sentences", sentences, "numbers", numbers);
}

json_t *report_document(struct model *model)
{
	const struct missing *missing = &model->missing;
	json_t *holes = row_json(hole_fields, missing), *document = row_json(head_fields, model);

	json_t *gaps = json_array();

	for (const struct finding *it = model->findings; it; it = it->hh.next)
		if (it->category == CATEGORY_GAP)
			json_array_append_new(gaps, row_json(gap_fields, it));
	HASH_SORT(model->sites, compare_sites);
	HASH_SORT(model->files, compare_files);
	put(document, "report",
	    json_pack("{s:i, s:s}", "version", DOCUMENT_VERSION, "mmfence", MMFENCE_VERSION));
	put(document, "logs",
	    rows_json(log_fields, model->logs, model->log_count, sizeof(*model->logs)));
	put(document, "events", events_json(model));
	put(document, "hosts", hosts_json(model));
	put(document, "processes",
	    json_pack("{s:I, s:I, s:o}", "count", (json_int_t)model->process_count, "ended",
		      (json_int_t)model->ended_count, "rows",
		      rows_json(process_fields, model->rows, model->row_count,
				sizeof(*model->rows))));
	put(document, "sigbus", sites_json(model, "mapping."));
	put(document, "snapshots", LISTED(file_fields, model->files));
	put(document, "snapshot_sites", sites_json(model, "snapshot."));
	put(document, "nonlinear", json_pack("{s:o}", "sites", sites_json(model, "nonlinear.")));
	put(document, "selfmem", sites_json(model, "selfmem."));
	put(document, "injected", sites_json(model, "inject."));
	put(document, "gaps", gaps);
	put(document, "dropped",
	    json_pack("{s:I, s:o}", "records", (json_int_t)model->totals.dropped, "reasons",
		      reasons_json(model->drop_reasons)));
	put(holes, "rows",
	    rows_json(missing_fields, missing->rows, (size_t)missing->processes,
		      sizeof(*missing->rows)));
	put(document, "missing", holes);
	put(document, "verdict", verdict_json(model));
	return document;
}
