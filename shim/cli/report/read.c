/* SPDX-License-Identifier: MIT */
/*
 * Adds records up: see report.h. Fields that are missing, of another type or absurd are
 * taken calmly: a log may have been damaged, or written by a newer library.
 */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/report/report.h"
#include "cli/report/entry.h"

void *take(size_t size)
{
	void *block = calloc(1, size);

	if (block)
		return block;
	complain("out of memory");
	exit(STATUS_USAGE);
}

char *keep(const char *text)
{
	char *copy = strdup(text);

	if (copy)
		return copy;
	complain("out of memory");
	exit(STATUS_USAGE);
}

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

void more_take(struct more *more, const char *name, int64_t value, enum fold fold)
{
	for (int i = 0; i < MORE_FIELDS; i++, more++) {
		bool first = !*more->name;

		if (first)
			snprintf(more->name, sizeof(more->name), "%s", name);
		if (strncmp(more->name, name, sizeof(more->name) - 1))
			continue;
		if (first || (fold == FOLD_MOST && value > more->value) ||
		    (fold == FOLD_LEAST && value < more->value))
			more->value = value;
		else if (fold == FOLD_SUM)
			sum_add(&more->value, value);
		return;
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

/* Processes: by host and pid, or by what the record itself says is the process's identity. */

void report_log(struct report *report, struct log_row *log, const char *path)
{
	char *copy = format_text("%s", path), *directory = dirname(copy);

	report->log = log;
	log->path = path;
	HASH_FIND_STR(report->scopes, directory, log->scope);
	if (!log->scope) {
		log->scope = take(sizeof(*log->scope));
		log->scope->directory = keep(directory);
		log->scope->number = HASH_COUNT(report->scopes);
		HASH_ADD_KEYPTR(hh, report->scopes, log->scope->directory, strlen(directory),
				log->scope);
	}
	free(copy);
}

/* "" when the record does not say. */
static const char *named_host(const struct scan *scan)
{
	const char *host = scan_text(scan, "host.hostname");

	return *host ? host : scan_text(scan, "host.name");
}

/* Records that do not name their host are of the last one that their directory's logs named. */
static const char *host_of(const struct report *report, const struct scan *scan)
{
	const char *host = named_host(scan);

	return *host ? host : report->log->scope->host ? report->log->scope->host : "";
}

static void note_host(struct report *report, const struct scan *scan)
{
	const char *host = named_host(scan);
	struct scope *scope = report->log->scope;

	if (!*host || (scope->host && !strcmp(scope->host, host)))
		return;
	free(scope->host);
	scope->host = keep(host);
}

static void use_flush(struct report *report, struct use *use)
{
	struct site *site = use->site;
	bool whole = use->total >= use->seen;

	sum_add(&site->calls, whole ? use->total : use->seen);
	sum_add(&site->failed, whole ? use->total_failed : use->seen_failed);
	sum_add(&site->bytes, whole ? use->total_bytes : use->seen_bytes);
	window_total(report, use->windows, whole ? use->total : -1);
}

void process_retire(struct report *report, struct process *process, double now)
{
	struct process_row *row = &process->row;

	for (struct use *use = process->uses, *next; use; use = next) {
		next = use->next;
		use_flush(report, use);
		if (row->areas > use->site->areas)
			use->site->areas = row->areas;
		free(use);
	}
	for (struct held *held = process->held, *next; held; held = next) {
		next = held->next;
		held->file->open += process->runs_on ? held->count : 0;
		free(held);
	}
	life_process_end(report, process, now);
	HASH_DEL(report->processes, process);
	if (process->found_by_pid)
		HASH_DELETE(by_pid, report->pids, process);
	if (report->row_count < PROCESS_ROWS) {
		report->rows[report->row_count++] = *row;
	} else {
		free(row->host);
		free(row->name);
		free(row->executable);
		free(row->command_line);
	}
	free(process->key);
	free(process);
}

static struct process *process_new(struct report *report, const struct scan *scan, const char *host,
				   char *key, bool start, int64_t early)
{
	struct process *process = take(sizeof(*process)), *other;
	struct process_row *row = &process->row;

	process->key = key;
	row->host = keep(host);
	row->pid = scan_number(scan, "process.pid");
	row->name = keep(or_unknown(scan_text(scan, "process.name")));
	row->executable = keep(scan_text(scan, "process.executable"));
	row->command_line = keep(scan_text(scan, "process.command_line"));
	row->exit_code = -1;
	HASH_ADD_KEYPTR(hh, report->processes, key, strlen(key), process);
	process->scope_pid[0] = report->log->scope->number;
	process->scope_pid[1] = row->pid;
	HASH_FIND(by_pid, report->pids, process->scope_pid, sizeof(process->scope_pid), other);
	process->numbers =
		start ? numbers_begin(report, scan, row, early) : numbers_find(report, key);
	if (other) {
		if (start && process->numbers && !process->numbers->highest && other->numbers)
			process->numbers->before = other->numbers->highest;
		HASH_DELETE(by_pid, report->pids, other);
		other->found_by_pid = false;
	}
	HASH_ADD(by_pid, report->pids, scope_pid, sizeof(process->scope_pid), process);
	process->found_by_pid = true;
	process->serial = report->process_count++;
	return process;
}

static struct process *process_of(struct report *report, const struct scan *scan, bool start)
{
	const char *host = host_of(report, scan), *entity = scan_text(scan, "process.entity_id");
	int64_t pid = scan_number(scan, "process.pid");
	int64_t scope_pid[2] = { report->log->scope->number, pid };
	char key[512];
	struct process *process;
	int64_t early;

	HASH_FIND(by_pid, report->pids, scope_pid, sizeof(scope_pid), process);
	early = process ? process->early : 0;
	/* Without a host or an identity of its own: the one that was started last with this pid. */
	if (process && !start && !*entity && !*named_host(scan))
		return process;
	if (*entity)
		snprintf(key, sizeof(key), "%s %s", host, entity);
	else
		snprintf(key, sizeof(key), "%s %lld", host, (long long)pid);
	HASH_FIND_STR(report->processes, key, process);
	/* The same pid again: another program (exec), or another process. */
	if (process && start) {
		process_retire(report, process, report_seconds(process->row.last));
		process = NULL;
	}
	return process ? process : process_new(report, scan, host, keep(key), start, early);
}

static void note_time(struct report *report, const char *time, double now)
{
	note_span(report->log->first, report->log->last, time);
	note_span(report->first_text, report->last_text, time);
	if (now <= 0)
		return;
	if (!report->first || now < report->first)
		report->first = now;
	if (now > report->last)
		report->last = now;
}

void report_damaged(struct report *report)
{
	report->damaged++;
	report->log->damaged++;
}

void report_line(struct report *report, struct scan *scan, char *line, size_t length)
{
	struct entry entry = { .report = report, .scan = scan };

	/* A disk that was full leaves empty lines. */
	if (!length)
		return;
	if (!scan_line(scan, line, length))
		entry.action = scan_text(scan, "event.action");
	if (!entry.action || !*entry.action) {
		report_damaged(report);
		return;
	}
	entry.time = scan_text(scan, "@timestamp");
	entry.now = report_seconds(entry.time);
	/* What is no time is neither the first nor the last. */
	if (entry.now <= 0 || entry.time[strspn(entry.time, "0123456789-:.TZ+")])
		entry.time = "";
	entry.failed = !strcmp(scan_text(scan, "event.outcome"), "failure");
	note_time(report, entry.time, entry.now);
	report->records++;
	report->log->records++;
	report->truncated += scan_get(scan, "mmfence.truncated") != NULL;
	note_host(report, scan);
	/* The process is mmfence's own, and has no part in what happened. */
	if (!strcmp(entry.action, "check.start")) {
		event_count(report->actions, entry.action);
		return;
	}
	entry.process = process_of(report, scan, !strcmp(entry.action, "process.start"));
	note_span(entry.process->row.first, entry.process->row.last, entry.time);
	entry.process->row.records++;
	numbers_take(entry.process, scan_number(scan, "event.sequence"));
	take_action(&entry);
}

void report_finish(struct report *report)
{
	struct process *process, *next;

	HASH_ITER (hh, report->processes, process, next) {
		process->runs_on = true;
		process_retire(report, process, report_seconds(process->row.last));
	}
	numbers_finish(report);
}
