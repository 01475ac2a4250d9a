/* SPDX-License-Identifier: MIT */
/*
 * Adds records up: see model.h. Fields that are missing, of another type or absurd are
 * taken calmly: a log may have been damaged, or written by a newer library.
 */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model/entry.h"

void sum_add(int64_t *to, int64_t n)
{
	if (n > 0 && __builtin_add_overflow(*to, n, to))
		*to = INT64_MAX;
}

void sum_take(struct sum *sum, int64_t n)
{
	sum->count++;
	sum_add(&sum->total, n);
	if (n > sum->longest)
		sum->longest = n;
}

/* The first few are told apart, all others are one. */
void reason_count(struct reason *reasons, const char *text)
{
	for (int i = 0; i < REASONS; i++) {
		if (!reasons[i].text)
			reasons[i].text = keep(i < REASONS - 1 ? text : "other reasons");
		if (i == REASONS - 1 || !strcmp(reasons[i].text, text)) {
			reasons[i].count++;
			return;
		}
	}
}

void copy_time(char *to, const char *time)
{
	snprintf(to, TIME_BYTES, "%s", time);
}

void note_span(char *first, char *last, const char *time)
{
	if (!*time)
		return;
	if (!*first || strcmp(time, first) < 0)
		copy_time(first, time);
	if (strcmp(time, last) > 0)
		copy_time(last, time);
}

const char *or_unknown(const char *text)
{
	return *text ? text : "unknown";
}

const char *const event_names[] = {
#define EVENT(id, action, category, type, doc) action,
#define FIELD(id, name, type, doc)
#include "audit/events.def"
#undef EVENT
#undef FIELD
	NULL,
};

const size_t event_kinds = sizeof(event_names) / sizeof(*event_names) - 1;

void event_count(int64_t *counts, const char *action)
{
	size_t i = 0;

	while (i < event_kinds && strcmp(event_names[i], action))
		i++;
	counts[i]++;
}

static void tally_count(struct model *model, const char *action, const char *program,
			const char *host)
{
	char *key = format_text("%s %s %s", action, host, program);
	struct tally *tally = ROW(model->tallies, key, strlen(key), ANY_NUMBER);

	free(key);
	if (!tally->action) {
		tally->action = keep(action);
		tally->program = keep(program);
		tally->host = keep(host);
	}
	tally->count++;
}

struct file_row *file_of(struct entry *entry)
{
	const char *host = entry->process->row.host;
	char *key = format_text("%s %s", host, or_unknown(scan_text(entry->scan, "file.path")));
	struct file_row *row = ROW(entry->model->files, key, strlen(key), ROWS_MOST);

	free(key);
	if (!row) {
		host = "";
		row = ROW(entry->model->files, " " OTHERS, strlen(" " OTHERS), ANY_NUMBER);
	}
	if (!row->host) {
		row->host = keep(host);
		row->path = row->key + strlen(host) + 1;
	}
	return row;
}

/* Processes: by host and pid. */

struct model *model_new(void)
{
	struct model *model = take(sizeof(*model));

	model->actions = take((event_kinds + 1) * sizeof(*model->actions));
	return model;
}

void model_log(struct model *model, const char *path)
{
	char *copy = format_text("%s", path), *directory = dirname(copy);
	size_t size = (model->log_count + 1) * sizeof(*model->logs);

	model->logs = resize(model->logs, size);
	model->log = &model->logs[model->log_count++];
	*model->log = (struct log_row){ .path = keep(path),
					.scope = ROW(model->scopes, directory, strlen(directory),
						     ANY_NUMBER) };
	free(copy);
}

/* Records that do not name their host are of the last one that their directory's logs named. */
static const char *host_of(struct model *model, const struct scan *scan)
{
	const char *host = scan_text(scan, "host.hostname");
	struct host_scope *scope = model->log->scope;

	if (*host)
		ROW(model->hosts, host, strlen(host), ROWS_MOST);
	if (*host && (!scope->host || strcmp(scope->host, host))) {
		free(scope->host);
		scope->host = keep(host);
	}
	return scope->host ? scope->host : "";
}

/* Calls are recorded once a site, and counted in the totals; a process that was killed has none,
 * and one whose first record was dropped has only these. */
static void use_flush(struct totals *totals, struct use *use)
{
	struct site_row *site = use->site;
	bool whole = use->total >= use->seen, remap = !strcmp(site->action, "nonlinear.remap");
	int64_t calls = whole ? use->total : use->seen;
	int64_t failed = whole ? use->total_failed : use->seen_failed;

	sum_add(&site->calls, calls);
	sum_add(&site->failed, failed);
	sum_add(&site->refused, use->refused ? calls : 0);
	sum_add(&totals->refused, use->refused ? calls : 0);
	sum_add(remap ? &totals->nonlinear_calls : &totals->windows, calls);
	sum_add(&totals->failed, remap ? failed : 0);
	if (use->window) {
		use->window->uncounted |= !whole;
		sum_add(&use->window->calls, use->total);
	}
	if (use->finding)
		sum_add(&use->finding->times, calls);
	sum_add(&site->bytes, whole ? use->total_bytes : use->seen_bytes);
}

/* There is room for few of many. Those whose end is not on record come first: check names them. */
static void row_keep(struct model *model, const struct process_row *row)
{
	struct process_row given = *row, *at = model->rows + model->row_count;

	if (model->row_count < PROCESS_ROWS) {
		model->row_count++;
		*at = given;
		return;
	}
	while (row->runs_on && at-- > model->rows)
		if (!at->runs_on) {
			given = *at;
			*at = *row;
			break;
		}
	free(given.host);
	free(given.name);
	free(given.executable);
	free(given.command_line);
}

void process_retire(struct model *model, struct process *process)
{
	struct process_row *row = &process->row;

	struct use *use, *next_use;
	struct held *held, *next;

	marks_retire(model, process);
	HASH_ITER (hh, process->uses, use, next_use) {
		HASH_DEL(process->uses, use);
		use_flush(&model->totals, use);
		if (row->areas > use->site->areas)
			use->site->areas = row->areas;
		free(use->key);
		free(use);
	}
	HASH_ITER (hh, process->held, held, next) {
		HASH_DEL(process->held, held);
		held->file->open += row->runs_on ? held->count : 0;
		free(held->key);
		free(held);
	}
	HASH_DEL(model->processes, process);
	if (process->found_by_pid)
		HASH_DELETE(by_pid, model->pids, process);
	row_keep(model, row);
	free(process->key);
	free(process);
}

static struct process *process_new(struct model *model, const struct scan *scan, const char *host,
				   char *key, bool start, int64_t early)
{
	struct process *process = take(sizeof(*process)), *other;
	struct process_row *row = &process->row;

	/* The one that began first may be over, and its end not on record. */
	if (HASH_COUNT(model->processes) >= ROWS_MOST)
		process_retire(model, model->processes);
	process->key = key;
	row->host = keep(host);
	row->pid = scan_number(scan, "process.pid");
	row->name = keep(or_unknown(scan_text(scan, "process.name")));
	row->executable = keep(scan_text(scan, "process.executable"));
	row->command_line = keep(scan_text(scan, "process.command_line"));
	row->exit_code = -1;
	HASH_ADD_KEYPTR(hh, model->processes, key, strlen(key), process);
	process->scope_pid[0] = (intptr_t)model->log->scope;
	process->scope_pid[1] = row->pid;
	HASH_FIND(by_pid, model->pids, process->scope_pid, sizeof(process->scope_pid), other);
	process->numbers =
		start ? numbers_begin(model, scan, row, early) : numbers_find(model, key);
	if (other) {
		if (start && process->numbers && !process->numbers->highest && other->numbers)
			process->numbers->before = other->numbers->highest;
		HASH_DELETE(by_pid, model->pids, other);
		other->found_by_pid = false;
	}
	HASH_ADD(by_pid, model->pids, scope_pid, sizeof(process->scope_pid), process);
	process->found_by_pid = true;
	model->process_count++;
	return process;
}

static struct process *process_of(struct model *model, const struct scan *scan, bool start)
{
	const char *host = host_of(model, scan);
	int64_t pid = scan_number(scan, "process.pid");
	int64_t scope_pid[2] = { (intptr_t)model->log->scope, pid };
	char key[512];
	struct process *process;
	int64_t early;

	HASH_FIND(by_pid, model->pids, scope_pid, sizeof(scope_pid), process);
	early = process ? process->early : 0;
	/* Without a host: the one that was started last with this pid. */
	if (process && !start && !*scan_text(scan, "host.hostname"))
		return process;
	snprintf(key, sizeof(key), "%s %lld", host, (long long)pid);
	HASH_FIND_STR(model->processes, key, process);
	/* The same pid again: another program (exec), or another process. */
	if (process && start) {
		process_retire(model, process);
		process = NULL;
	}
	return process ? process : process_new(model, scan, host, keep(key), start, early);
}

/* What is no time is neither the first nor the last. */
static const char *time_of(const struct scan *scan)
{
	const char *time = scan_text(scan, "@timestamp");

	return strspn(time, "0123456789-") == 10 && time[10] == 'T' &&
			       !time[strspn(time, "0123456789-:.TZ+")]
		       ? time
		       : "";
}

static void damaged(struct model *model)
{
	model->damaged++;
	model->log->damaged++;
}

static void read_line(struct model *model, struct scan *scan, char *line, size_t length)
{
	struct entry entry = { .model = model, .scan = scan };

	/* A disk that was full leaves empty lines. */
	if (!length)
		return;
	if (!scan_line(scan, line, length))
		entry.action = scan_text(scan, "event.action");
	if (!entry.action || !*entry.action) {
		damaged(model);
		return;
	}
	entry.time = time_of(scan);
	entry.failed = !strcmp(scan_text(scan, "event.outcome"), "failure");
	note_span(model->log->first, model->log->last, entry.time);
	note_span(model->first, model->last, entry.time);
	model->records++;
	model->log->records++;
	/* The process is mmfence's own, and has no part in what happened. */
	if (!strcmp(entry.action, "check.start")) {
		event_count(model->actions, entry.action);
		return;
	}
	bool start = !strcmp(entry.action, "process.start");
	begun_note(model, scan, start);
	entry.process = process_of(model, scan, start);
	note_span(entry.process->row.first, entry.process->row.last, entry.time);
	entry.process->row.records++;
	numbers_take(entry.process, scan_number(scan, "event.sequence"));
	if (model->by_program)
		tally_count(model, entry.action, entry.process->row.name, entry.process->row.host);
	take_action(&entry);
}

int model_read(struct model *model, int fd, void (*at)(void *context, off_t offset), void *context)
{
	struct scan scan = { 0 };
	struct lines lines;
	char *line;
	size_t length;
	int r;
	unsigned int turn = 0;

	lines_open(&lines, fd);
	while ((r = lines_next(&lines, &line, &length)) > 0) {
		if (lines.bad)
			damaged(model);
		else
			read_line(model, &scan, line, length);
		if (at && !(++turn % 4096))
			at(context, lines.offset);
	}
	model->log->bytes = lines.offset;
	lines_close(&lines);
	scan_free(&scan);
	return r;
}

/* A child ends what its parent began: no more are open than have no end. */
static void finish_file(struct file_row *row)
{
	int64_t left = row->snapshots;

	for (int i = 0; i < FATES && left > 0; i++)
		left -= row->fates[i];
	left = left > 0 ? left : 0;
	row->open = row->open < left ? row->open : left;
	row->ended_with_process = left - row->open;
}

void model_finish(struct model *model)
{
	struct process *process, *next;

	/* What a process says at its end is what it said before. */
	if (model->totals.dropped < model->dropped_at_end)
		model->totals.dropped = model->dropped_at_end;
	HASH_ITER (hh, model->processes, process, next) {
		process->row.runs_on = true;
		process_retire(model, process);
	}
	for (struct file_row *row = model->files; row; row = row->hh.next)
		finish_file(row);
	numbers_finish(model);
	totals_finish(model);
}
