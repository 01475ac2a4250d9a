/* SPDX-License-Identifier: MIT */
/*
 * The report as one JSON document, whose shape is in README: what `--json' prints, and
 * what the text and the page are made of. Here the call sites get their names.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/totals.h"
#include "cli/report/report.h"
#include "cli/report/symbols.h"

#define DOCUMENT_VERSION 1

static void put(json_t *object, const char *name, json_t *value)
{
	json_object_set_new(object, name, value);
}

static void put_number(json_t *object, const char *name, int64_t value)
{
	put(object, name, json_integer(value));
}

/* Nothing is left out that has something to say, and nothing put in that has not. */
static void put_text(json_t *object, const char *name, const char *value)
{
	if (value && *value)
		put(object, name, json_string(value));
}

static void put_some(json_t *object, const char *name, int64_t value)
{
	if (value)
		put_number(object, name, value);
}

/* "{"guard": 2}": those that are not 0. */
static json_t *counts(const char *const *names, const int64_t *numbers, size_t count)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++)
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

static json_t *logs_json(const struct model *model)
{
	json_t *array = json_array();

	for (size_t i = 0; i < model->log_count; i++) {
		const struct log_row *row = &model->logs[i];
		json_t *object = json_object();

		put_text(object, "path", row->path);
		put_number(object, "records", row->records);
		put_number(object, "damaged", row->damaged);
		put_number(object, "bytes", row->bytes);
		put_text(object, "first", row->first);
		put_text(object, "last", row->last);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *processes_json(const struct model *model)
{
	json_t *object = json_object(), *rows = json_array();

	put_number(object, "count", model->process_count);
	put_number(object, "ended", model->ended_count);
	for (size_t i = 0; i < model->row_count; i++) {
		const struct process_row *row = &model->rows[i];
		json_t *it = json_object();

		put_text(it, "host", row->host);
		put_number(it, "pid", row->pid);
		put_text(it, "name", row->name);
		put_text(it, "executable", row->executable);
		put_text(it, "command_line", row->command_line);
		put_text(it, "first", row->first);
		put_text(it, "last", row->last);
		put(it, "ended", json_boolean(row->ended));
		if (row->exit_code >= 0)
			put_number(it, "exit_code", row->exit_code);
		put_number(it, "records", row->records);
		put_some(it, "snapshots", row->snapshots);
		put_some(it, "areas", row->areas);
		json_array_append_new(rows, it);
	}
	put(object, "rows", rows);
	return object;
}

static json_t *file_json(const struct file_row *row)
{
	json_t *object = json_object();

	put_text(object, "path", row->path);
	put_text(object, "host", row->host);
	put_number(object, "snapshots", row->snapshots);
	put(object, "engines", counts(engine_names, row->engines, ENGINES));
	put(object, "consistency", counts(consistency_names, row->consistencies, CONSISTENCIES));
	put(object, "fates", counts(fate_names, row->fates, FATES));
	put_number(object, "open", file_open(row));
	put_some(object, "ended_with_process", file_outlived(row));
	put_number(object, "mapped_bytes", row->mapped);
	put_number(object, "copied_bytes", row->copied);
	put(object, "program_waited", sum_json(&row->took));
	put(object, "writers_waited", sum_json(&row->waits));
	put_number(object, "preserved", row->preserved);
	put_number(object, "lost", row->lost);
	put_number(object, "unprotected", row->unprotected);
	put_some(object, "denied", row->denied);
	put_some(object, "grow_refused", row->grown);
	put_some(object, "drifted", row->drifts);
	put_some(object, "drift_pages", row->drift_pages);
	put(object, "reasons", reasons_json(row->reasons));
	return object;
}

/* What people ask about first: lost, then unprotected, then the busiest; equals by name. */
static int compare_files(struct file_row *a, struct file_row *b)
{
	if (a->lost != b->lost)
		return a->lost < b->lost ? 1 : -1;
	if (a->unprotected != b->unprotected)
		return a->unprotected < b->unprotected ? 1 : -1;
	if (a->snapshots != b->snapshots)
		return a->snapshots < b->snapshots ? 1 : -1;
	return strcmp(a->key, b->key);
}

static json_t *files_json(struct model *model)
{
	json_t *array = json_array();
	struct file_row *row, *next;

	HASH_SORT(model->files, compare_files);
	HASH_ITER (hh, model->files, row, next) {
		json_array_append_new(array, file_json(row));
	}
	return array;
}

static void symbol_json(json_t *frames, const struct frame *frame, const struct symbol *symbol,
			const char *note)
{
	json_t *object = json_object();

	if (symbol) {
		put_text(object, "function", symbol->function);
		put_text(object, "file", symbol->file);
		put_some(object, "line", symbol->line);
		if (symbol->inlined)
			put(object, "inlined", json_true());
		else
			put_number(object, "offset_in_function", (int64_t)symbol->offset);
	}
	if (frame->module) {
		put_text(object, "module", frame->module->path);
		put_text(object, "build_id", frame->module->build_id);
	}
	char *offset = format_text("0x%llx", (unsigned long long)frame->offset);
	put_text(object, frame->module ? "offset" : "address", offset);
	free(offset);
	put_text(object, "note", note);
	json_array_append_new(frames, object);
}

/* A return address is behind the call: the call itself ends one byte before. */
static json_t *stack_json(const struct site *site, struct symbols *symbols)
{
	json_t *frames = json_array();

	for (uint32_t i = 0; i < site->frame_count; i++) {
		const struct frame *frame = &site->frames[i];
		struct symbol found[SYMBOLS_MOST];
		const char *note = NULL;
		size_t count = 0;

		if (frame->module && frame->offset)
			count = symbols_find(symbols, frame->module->path, frame->module->build_id,
					     frame->offset - 1, found, &note);
		if (!count)
			symbol_json(frames, frame, NULL, note);
		for (size_t j = 0; j < count; j++)
			symbol_json(frames, frame, &found[j], note);
		symbols_free(found, count);
	}
	return frames;
}

static json_t *site_json(const struct site *site, struct symbols *symbols)
{
	json_t *object = json_object();
	bool counted =
		!strcmp(site->group, "nonlinear.remap") || !strcmp(site->group, "nonlinear.rewire");

	put_text(object, "action", site->group);
	put_text(object, "program", site->program);
	put_text(object, "site", site->hash);
	put_number(object, "records", site->records);
	put_number(object, "calls", counted ? site->calls : site->records);
	put_number(object, "failed", counted ? site->failed : site->failed_records);
	put_number(object, "bytes", site->bytes);
	put_some(object, "refused", site->refused);
	put_some(object, "areas", site->areas);
	put_text(object, "first", site->first);
	put_text(object, "last", site->last);
	put_text(object, "path", site->path);
	put_text(object, "error", site->error);
	put_text(object, "detail", site->detail);
	for (int i = 0; i < MORE_FIELDS && *site->more[i].name; i++)
		put_number(object, site->more[i].name, site->more[i].value);
	put(object, "stack", stack_json(site, symbols));
	return object;
}

static int64_t site_calls(const struct site *site)
{
	return site->calls > site->records ? site->calls : site->records;
}

static int compare_sites(struct site *a, struct site *b)
{
	int64_t left = site_calls(a), right = site_calls(b);
	int order;

	if (left != right)
		return left < right ? 1 : -1;
	order = strcmp(a->program, b->program);
	if (!order)
		order = strcmp(a->first, b->first);
	return order ? order : strcmp(a->group, b->group);
}

static json_t *sites_json(const struct model *model, const char *group, struct symbols *symbols)
{
	json_t *array = json_array();

	for (struct site *site = model->sites; site; site = site->hh.next)
		if (!strncmp(site->group, group, strlen(group)))
			json_array_append_new(array, site_json(site, symbols));
	return array;
}

static json_t *series_json(struct series *const *all, bool window)
{
	json_t *array = json_array();

	for (int i = 0; i < SERIES && all[i]; i++) {
		const struct series *series = all[i];
		json_t *points = json_array(), *object = json_object();

		put_text(object, "program", series->program);
		put_number(object, "pid", series->pid);
		put_text(object, "path", series->path);
		put_number(object, "seen", series->seen);
		put_some(object, "calls", series->uncounted ? 0 : series->calls);
		put_some(object, "most", series->top);
		put_some(object, "limit", series->limit);
		for (size_t j = 0; j < series->count; j++) {
			const struct point *point = &series->points[j];
			json_t *it = window ? json_pack("[I, I, I, b]", (json_int_t)point->x,
							(json_int_t)point->y, (json_int_t)point->z,
							point->odd)
					    : json_pack("[f, I]", point->x, (json_int_t)point->y);
			json_array_append_new(points, it);
		}
		put(object, "points", points);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *lives_json(const struct model *model)
{
	json_t *array = json_array();

	for (size_t i = 0; i < model->life_count; i++) {
		const struct life *life = &model->lives[i];
		json_t *object = json_object();

		put_text(object, "path", life->file->path);
		put_text(object, "host", life->file->host);
		put_text(object, "program", life->program);
		put_number(object, "pid", life->pid);
		put_number(object, "id", life->id);
		put_text(object, "engine", engine_names[life->engine]);
		put_text(object, "fate", fate_names[life->fate]);
		put(object, "start", json_real(life->start));
		if (life->preserved > 0)
			put(object, "changed", json_real(life->preserved));
		put(object, "end", json_real(life->end > 0 ? life->end : model->last));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *gaps_json(const struct model *model)
{
	json_t *array = json_array();

	for (const struct gap_row *row = model->gaps; row; row = row->hh.next) {
		json_t *object = json_object();

		put_text(object, "reason", row->reason);
		put_text(object, "path", row->path);
		put_text(object, "program", row->program);
		put_text(object, "message", row->message);
		put_number(object, "count", row->count);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *census_json(const struct model *model)
{
	json_t *array = json_array();

	for (const struct census *census = model->census; census; census = census->hh.next) {
		json_t *object = json_object(), *pages = json_object();

		put_text(object, "program", census->program);
		put_number(object, "pid", census->pid);
		put_text(object, "path", census->path);
		put_text(object, "time", census->time);
		for (int j = 0; j < MORE_FIELDS && *census->more[j].name; j++)
			put_number(pages, census->more[j].name, census->more[j].value);
		put(object, "pages", pages);
		json_array_append_new(array, object);
	}
	return array;
}

/* The hosts that rows are of, each once. */
static json_t *hosts_json(const struct model *model)
{
	json_t *hosts = json_object(), *array = json_array();
	const char *name;
	json_t *value;

	for (size_t i = 0; i < model->row_count; i++)
		if (*model->rows[i].host)
			put(hosts, model->rows[i].host, json_true());
	for (const struct file_row *row = model->files; row; row = row->hh.next)
		if (*row->host)
			put(hosts, row->host, json_true());
	json_object_foreach(hosts, name, value) json_array_append_new(array, json_string(name));
	json_decref(hosts);
	return array;
}

static json_t *events_json(const struct model *model)
{
	json_t *object = json_object();

	for (size_t i = 0; i < event_kinds; i++)
		put_some(object, event_names[i], model->actions[i]);
	put_some(object, "unknown", model->actions[event_kinds]);
	return object;
}

static json_t *dropped_json(const struct model *model)
{
	json_t *object = json_object();

	put_number(object, "records", model->dropped);
	put(object, "reasons", reasons_json(model->drop_reasons));
	return object;
}

static json_t *missing_json(const struct missing *missing)
{
	json_t *object = json_object(), *rows = json_array();

	put_number(object, "records", missing->records);
	put_number(object, "processes", missing->processes);
	for (size_t i = 0; i < missing->row_count; i++) {
		const struct missing_row *row = &missing->rows[i];
		json_t *it = json_object();

		put_text(it, "host", row->host);
		put_number(it, "pid", row->pid);
		put_text(it, "name", row->name);
		put_number(it, "records", row->records);
		json_array_append_new(rows, it);
	}
	put(object, "rows", rows);
	return object;
}

static json_t *nonlinear_json(const struct model *model, struct symbols *symbols)
{
	json_t *object = json_object();

	put(object, "sites", sites_json(model, "nonlinear.", symbols));
	put(object, "areas", series_json(model->pressure, false));
	put(object, "windows", series_json(model->windows, true));
	return object;
}

json_t *report_document(struct model *model, struct symbols *symbols)
{
	json_t *document = json_object(), *head = json_object();

	HASH_SORT(model->sites, compare_sites);
	put_number(head, "version", DOCUMENT_VERSION);
	put_text(head, "mmfence", MMFENCE_VERSION);
	put(document, "report", head);
	put_number(document, "records", model->records);
	put_number(document, "damaged", model->damaged);
	put_number(document, "truncated", model->truncated);
	put_text(document, "first", model->first_text);
	put_text(document, "last", model->last_text);
	put(document, "logs", logs_json(model));
	put(document, "events", events_json(model));
	put(document, "hosts", hosts_json(model));
	put(document, "processes", processes_json(model));
	put(document, "sigbus", sites_json(model, "mapping.", symbols));
	put(document, "snapshots", files_json(model));
	put(document, "snapshot_sites", sites_json(model, "snapshot.", symbols));
	put(document, "timeline", lives_json(model));
	put_number(document, "timeline_left_out", model->lives_left_out);
	put(document, "nonlinear", nonlinear_json(model, symbols));
	put(document, "selfmem", sites_json(model, "selfmem.", symbols));
	put(document, "injected", sites_json(model, "inject.", symbols));
	put(document, "census", census_json(model));
	put(document, "gaps", gaps_json(model));
	put(document, "dropped", dropped_json(model));
	put(document, "missing", missing_json(&model->missing));
	put(document, "verdict", report_verdict(model));
	return document;
}
