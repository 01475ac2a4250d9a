/* SPDX-License-Identifier: MIT */
/*
 * Which rows stand in which columns, and what a cell says: see report.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"

#define SITE_COLUMNS                                                                   \
	{                                                                              \
		{ "Program", "program", CELL_TEXT, false },                            \
			{ "Event", "action", CELL_TEXT, false },                       \
			{ "Calls", "calls", CELL_NUMBER, false },                      \
			{ "Failed", "failed", CELL_NUMBER, false },                    \
			{ "Refused", "refused", CELL_NUMBER, false },                  \
			{ "Areas", "areas", CELL_NUMBER, false },                      \
			{ "Bytes", "bytes", CELL_SIZE, false },                        \
			{ "File", "path", CELL_PATH, false },                          \
			{ "Notes", "detail", CELL_NOTES, false },                      \
			{ "Call stack, innermost first", "stack", CELL_STACK, false }, \
	}

const struct rows report_tables[] = {
	{ "sigbus", "SIGBUS in file mappings by call site", NULL, SITE_COLUMNS },
	{ "snapshots",
	  "Snapshots by file",
	  "Program, writers: how often they waited, and how long at most. Plain: mappings that got "
	  "none. To the end: of the process. Open: its end is not on record.",
	  { { "Taken", "snapshots", CELL_NUMBER, false },
	    { "Lost", "lost", CELL_BAD, false },
	    { "Plain", "unprotected", CELL_BAD, false },
	    { "Engine", "engines", CELL_COUNTS, false },
	    { "Consistency", "consistency", CELL_COUNTS, true },
	    { "Fate", "", CELL_FATE, false },
	    { "Drift", "drift_pages", CELL_NUMBER, false },
	    { "Mapped", "mapped_bytes", CELL_SIZE, true },
	    { "Copied", "copied_bytes", CELL_SIZE, true },
	    { "Program", "program_waited", CELL_WAIT, true },
	    { "Writers", "writers_waited", CELL_WAIT, false },
	    { "Reasons", "reasons", CELL_REASONS, true },
	    { "File", "path", CELL_PATH, false } } },
	{ "snapshot_sites", "File mappings by call site", NULL, SITE_COLUMNS },
	{ "nonlinear.sites", "Nonlinear mappings by call site", NULL, SITE_COLUMNS },
	{ "selfmem", "Memory opened or mapped as a file", NULL, SITE_COLUMNS },
	{ "injected", "Calls that were made to fail", NULL, SITE_COLUMNS },
	{ "gaps",
	  "Not looked into",
	  NULL,
	  { { "Times", "count", CELL_NUMBER, false },
	    { "Reason", "reason", CELL_TEXT, false },
	    { "Started by", "program", CELL_TEXT, false },
	    { "Program", "path", CELL_PATH, false } } },
	{ "missing.rows",
	  "Missing records",
	  "Their event.sequence skips them.",
	  { { "Records", "records", CELL_BAD, false },
	    { "Process", "name", CELL_TEXT, false },
	    { "PID", "pid", CELL_NUMBER, false },
	    { "Host", "host", CELL_TEXT, false } } },
	{ "dropped.reasons",
	  "Why records could not be written",
	  NULL,
	  { { "Times", "count", CELL_NUMBER, false }, { "Reason", "reason", CELL_TEXT, false } } },
	{ "processes.rows",
	  "Processes",
	  NULL,
	  { { "Name", "name", CELL_TEXT, false },
	    { "PID", "pid", CELL_NUMBER, false },
	    { "Host", "host", CELL_TEXT, false },
	    { "First record", "first", CELL_TEXT, true },
	    { "Last record", "last", CELL_TEXT, true },
	    { "End", "", CELL_END, false },
	    { "Records", "records", CELL_NUMBER, false },
	    { "Snapshots", "snapshots", CELL_NUMBER, false },
	    { "Areas", "areas", CELL_NUMBER, false },
	    { "Command line", "command_line", CELL_PATH, false } } },
	{ "logs",
	  "Logs",
	  NULL,
	  { { "Records", "records", CELL_NUMBER, false },
	    { "Damaged lines", "damaged", CELL_BAD, false },
	    { "Size", "bytes", CELL_SIZE, false },
	    { "First record", "first", CELL_TEXT, true },
	    { "Last record", "last", CELL_TEXT, true },
	    { "Log", "path", CELL_PATH, false } } },
	{ NULL, NULL, NULL, { { NULL, NULL, 0, false } } },
};

bool cell_is_number(enum cell cell)
{
	return cell == CELL_NUMBER || cell == CELL_BAD || cell == CELL_SIZE || cell == CELL_WAIT;
}

/* "2 guard, 1 memory" */
static void put_counts(FILE *out, const json_t *counts)
{
	const char *key, *comma = "";
	json_t *value;

	json_object_foreach ((json_t *)counts, key, value) {
		fprintf(out, "%s%lld %s", comma, (long long)json_integer_value(value), key);
		comma = ", ";
	}
}

/* "2 × larger than snapshot.copy-limit" */
static void put_reasons(FILE *out, const json_t *reasons)
{
	const json_t *reason;
	size_t i;

	json_array_foreach (reasons, i, reason)
		fprintf(out, "%s%lld × %s", i ? "; " : "", (long long)number(reason, "count"),
			text(reason, "reason"));
}

/* What never ended has no fate on record. */
static void put_fate(FILE *out, const json_t *row)
{
	json_int_t open = number(row, "open"), with = number(row, "ended_with_process");
	json_int_t preserved = number(row, "preserved");
	bool ended = json_object_size(field(row, "fates"));

	put_counts(out, field(row, "fates"));
	if (with)
		fprintf(out, "%s%lld to the end", ended ? ", " : "", (long long)with);
	if (open)
		fprintf(out, "%s%lld open", ended || with ? ", " : "", (long long)open);
	if ((open || with) && preserved)
		fprintf(out, ", %lld preserved", (long long)preserved);
}

static void put_cell(FILE *out, const json_t *document, const json_t *row,
		     const struct column *column)
{
	json_int_t n = number(row, column->name);

	switch (column->cell) {
	case CELL_NUMBER:
	case CELL_BAD:
		if (n)
			fprintf(out, "%lld", (long long)n);
		break;
	case CELL_SIZE:
		if (n)
			put_size(out, n);
		break;
	case CELL_WAIT:
		n = number(field(row, column->name), "count");
		if (n) {
			fprintf(out, "%lld × ≤ ", (long long)n);
			put_duration(out, number(field(row, column->name), "longest"));
		}
		break;
	case CELL_COUNTS:
		put_counts(out, field(row, column->name));
		break;
	case CELL_REASONS:
		put_reasons(out, field(row, column->name));
		break;
	case CELL_FATE:
		put_fate(out, row);
		break;
	case CELL_END:
		if (field(row, "exit_code"))
			fprintf(out, "exit %lld", (long long)number(row, "exit_code"));
		else
			fputs(json_is_true(field(row, "ended")) ? "ended" : "not recorded", out);
		break;
	case CELL_NOTES:
		fprintf(out, "%s%s%s", text(row, "detail"),
			*text(row, "detail") && *text(row, "error") ? ", " : "",
			text(row, "error"));
		break;
	default:
		fputs(text(row, column->name), out);
		if (column->cell == CELL_PATH && *text(row, "host") &&
		    json_array_size(field(document, "hosts")) > 1)
			fprintf(out, " on %s", text(row, "host"));
	}
}

char *cell_text(const json_t *document, const json_t *row, const struct column *column)
{
	char *cell;
	FILE *out = open_text(&cell);

	put_cell(out, document, row, column);
	fclose(out);
	return cell;
}

static bool is_used(const json_t *document, const json_t *rows, size_t most,
		    const struct column *column)
{
	const json_t *row;
	bool used = column->cell == CELL_STACK;
	size_t i;

	json_array_foreach (rows, i, row) {
		char *cell = i < most && !used ? cell_text(document, row, column) : NULL;

		used |= cell && *cell;
		free(cell);
	}
	return used;
}

size_t columns_used(const json_t *document, const struct rows *spec, size_t rows,
		    const struct column *used[COLUMNS])
{
	size_t count = 0;

	for (const struct column *column = spec->columns; column->heading; column++)
		if (is_used(document, field(document, spec->name), rows, column))
			used[count++] = column;
	return count;
}

char *frame_text(const json_t *frame)
{
	const char *function = text(frame, "function"), *file = text(frame, "file");
	const char *module = text(frame, "module"), *note = text(frame, "note");
	char *words;
	FILE *out = open_text(&words);

	fputs(function, out);
	if (*file)
		fprintf(out, "%s(%s:%lld)", *function ? " " : "", file,
			(long long)number(frame, "line"));
	else if (*function)
		fprintf(out, "+0x%llx in %s", (long long)number(frame, "offset_in_function"),
			module);
	else if (*module)
		fprintf(out, "%s+%s", module, text(frame, "offset"));
	else
		fputs(text(frame, "address"), out);
	if (json_is_true(field(frame, "inlined")))
		fputs(" inlined", out);
	if (*note)
		fprintf(out, " [%s]", note);
	fclose(out);
	return words;
}

char *head_text(const json_t *document)
{
	json_int_t records = number(document, "records");
	json_int_t processes = number(document, "processes.count");
	size_t logs = json_array_size(field(document, "logs"));
	size_t hosts = json_array_size(field(document, "hosts"));
	char *on = hosts > 1 ? format_text(" on %zu hosts", hosts) : format_text("%s", "");
	const char *first = text(document, "first");
	char *head = format_text("%lld record%s of %lld process%s%s in %zu log%s%s%s%s%s",
				 (long long)records, plural(records), (long long)processes,
				 processes == 1 ? "" : "es", on, logs, plural((int64_t)logs),
				 *first ? ", " : "", first, *first ? " to " : "",
				 text(document, "last"));

	free(on);
	return head;
}
