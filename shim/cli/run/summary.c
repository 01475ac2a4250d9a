/* SPDX-License-Identifier: MIT */
/*
 * Prints the model of a run in at most 24 lines: see summary.h. Paths in a log come from the
 * program: control characters never reach the terminal.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/totals.h"
#include "cli/run/destination.h"
#include "cli/text/show.h"
#include "cli/run/summary.h"

#define TOP	   3
#define PATH_SHOWN 56

static void put_heading(FILE *out, const char *heading)
{
	fprintf(out, "  %-12s ", heading);
}

/* "2 memory, 1 guard": the most first. */
static void put_counts(FILE *out, const char *const *names, const int64_t *numbers, int count)
{
	const char *comma = "";

	for (int64_t most, last = INT64_MAX; last > 0; last = most) {
		most = 0;
		for (int i = 0; i < count; i++)
			if (numbers[i] < last && numbers[i] > most)
				most = numbers[i];
		for (int i = 0; i < count && most; i++) {
			if (numbers[i] != most)
				continue;
			fprintf(out, "%s%lld %s", comma, (long long)most, names[i]);
			comma = ", ";
		}
	}
}

/* Why, how often, and one file as an example. */
struct row {
	const char *what, *example;
	int64_t number;
};

struct rows {
	struct row top[TOP]; /* the most first */
	size_t count, used;
};

static void add_row(struct rows *rows, struct row row)
{
	size_t at = rows->used;

	if (!row.number)
		return;
	rows->count++;
	while (at > 0 && rows->top[at - 1].number < row.number)
		at--;
	if (at == TOP)
		return;
	if (rows->used < TOP)
		rows->used++;
	memmove(rows->top + at + 1, rows->top + at, (rows->used - at - 1) * sizeof(row));
	rows->top[at] = row;
}

static void put_rows(FILE *out, const struct rows *rows)
{
	for (size_t i = 0; i < rows->used; i++) {
		const struct row *row = &rows->top[i];

		fprintf(out, "%17s%lld × ", "", (long long)row->number);
		put_visible(out, *row->what ? row->what : "unknown", 80);
		if (*row->example) {
			fputs(", such as ", out);
			put_visible(out, row->example, PATH_SHOWN);
		}
		if (rows->count > rows->used && i + 1 == rows->used)
			fprintf(out, "; %zu more", rows->count - rows->used);
		fputc('\n', out);
	}
}

static int compare_findings(struct finding *a, struct finding *b)
{
	if (a->category != b->category)
		return a->category < b->category ? -1 : 1;
	return strcmp(a->what, b->what);
}

/* The findings of a category, those of one reason together; they stand in the order of reasons. */
static void put_reasons(FILE *out, const struct model *model, enum category category)
{
	struct rows rows = { 0 };
	struct row row = { "", "", 0 };

	for (const struct finding *it = model->findings; it; it = it->hh.next) {
		if (it->category != category)
			continue;
		if (strcmp(it->what, row.what)) {
			add_row(&rows, row);
			row = (struct row){ it->what, "", 0 };
		}
		sum_add(&row.number, it->times);
		if (!*row.example)
			row.example = it->where;
	}
	add_row(&rows, row);
	put_rows(out, &rows);
}

static void put_refusals(FILE *out, const struct model *model)
{
	static const char *const calls[][2] = { { "selfmem.open", "open of memory" },
						{ "selfmem.map", "mapping of memory" },
						{ "nonlinear.remap", "remap_file_pages" } };
	struct rows rows = { 0 };

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		struct row row = { calls[i][1], "", 0 };

		for (const struct site *site = model->sites; site; site = site->hh.next) {
			if (!site->refused || strcmp(site->group, calls[i][0]))
				continue;
			sum_add(&row.number, site->refused);
			row.example = site->path;
		}
		add_row(&rows, row);
	}
	put_rows(out, &rows);
}

/* What would have prevented it, each of the first few once. */
static void put_cures(FILE *out, const struct model *model)
{
	const char *said[TOP];
	size_t count = 0, i;

	for (const struct finding *it = model->findings; it && count < TOP; it = it->hh.next) {
		if (it->category != CATEGORY_SIGBUS || !it->cure || !*it->cure)
			continue;
		for (i = 0; i < count && strcmp(said[i], it->cure); i++)
			;
		if (i < count)
			continue;
		said[count++] = it->cure;
		fprintf(out, "%17scure: ", "");
		put_visible(out, it->cure, 200);
		fputc('\n', out);
	}
}

/* The handler of ours was not asked. */
static void put_unseen_sigbus(FILE *out)
{
	put_heading(out, "SIGBUS");
	fputs("the command died of it, but not of a file mapping that mmfence saw: it was sent by "
	      "a\n                 process, or the program handles, ignores or blocks it\n",
	      out);
}

static void put_sigbus(FILE *out, const struct model *model, const struct totals *t, int status)
{
	if (!t->killed && status == 128 + SIGBUS)
		put_unseen_sigbus(out);
	if (!t->killed && !t->rescued)
		return;
	put_heading(out, "SIGBUS");
	say_sigbus(out, t);
	fputc('\n', out);
	put_reasons(out, model, CATEGORY_SIGBUS);
	put_cures(out, model);
}

static void put_protected(FILE *out, const struct totals *t)
{
	if (t->snapshots) {
		put_heading(out, "protected");
		fprintf(out, "%lld snapshot%s (", (long long)t->snapshots, plural(t->snapshots));
		put_counts(out, engine_names, t->engines, ENGINES);
		fputs("; ", out);
		put_counts(out, consistency_names, t->consistencies, CONSISTENCIES);
		fputs("), ", out);
		put_size(out, t->copied);
		fputs(" copied\n", out);
	}
	if (t->preserved) {
		put_heading(out, "preserved");
		say_preserved(out, t, "");
		fputc('\n', out);
	}
	if (t->drifted) {
		put_heading(out, "drift");
		say_drift(out, t);
		fputc('\n', out);
	}
}

static void put_unprotected(FILE *out, const struct model *model, const struct totals *t)
{
	if (t->lost) {
		put_heading(out, "LOST");
		fprintf(out, "%lld snapshot%s did not last\n", (long long)t->lost, plural(t->lost));
		put_reasons(out, model, CATEGORY_LOST);
	}
	if (t->unprotected) {
		put_heading(out, "unprotected");
		fprintf(out, "%lld mapping%s", (long long)t->unprotected, plural(t->unprotected));
		if (t->denied)
			fprintf(out, ", of which %lld failed with ENOMEM as was asked",
				(long long)t->denied);
		fputc('\n', out);
		put_reasons(out, model, CATEGORY_UNPROTECTED);
	}
}

static const char *example_of(const struct model *model, const char *group)
{
	for (const struct site *site = model->sites; site; site = site->hh.next)
		if (!strcmp(site->group, group) && site->records > site->refused)
			return site->path;
	return "";
}

static void put_refused(FILE *out, const struct model *model, const struct totals *t)
{
	int64_t refused = t->refused + t->denied + t->grown;

	if (refused) {
		put_heading(out, "refused");
		fprintf(out, "%lld call%s", (long long)refused, plural(refused));
		if (t->grown)
			fprintf(out, ", of which %lld to grow a mapping beyond its snapshot",
				(long long)t->grown);
		fputc('\n', out);
		put_refusals(out, model);
	}
	if (t->opened) {
		put_heading(out, "opened");
		fprintf(out, "memory as a file %lld time%s, such as ", (long long)t->opened,
			plural(t->opened));
		put_visible(out, example_of(model, "selfmem.open"), PATH_SHOWN);
		fputc('\n', out);
	}
	if (t->views) {
		put_heading(out, "views");
		fprintf(out, "%lld of a process's own memory", (long long)t->views);
		if (t->unsynchronised)
			fprintf(out, ", %lld not synchronised with its threads",
				(long long)t->unsynchronised);
		fputc('\n', out);
	}
}

static void put_nonlinear(FILE *out, const struct model *model, const struct totals *t)
{
	if (t->calls || t->windows) {
		put_heading(out, "nonlinear");
		say_calls(out, t);
		if (t->windows)
			fprintf(out, "; %lld window%s by mmap", (long long)t->windows,
				plural(t->windows));
		fputc('\n', out);
	}
	if (model->most_areas) {
		put_heading(out, "areas");
		fprintf(out, "a process came to %lld of %lld (vm.max_map_count)\n",
			(long long)model->most_areas, (long long)model->area_limit);
	}
}

static void put_unseen(FILE *out, const struct model *model, const struct totals *t)
{
	if (t->gaps) {
		put_heading(out, "not seen");
		fprintf(out, "%lld program%s that mmfence cannot look into\n", (long long)t->gaps,
			plural(t->gaps));
		put_reasons(out, model, CATEGORY_GAP);
	}
}

static void put_missing(FILE *out, const struct model *model, const struct totals *t, int full)
{
	if (t->dropped) {
		put_heading(out, "DROPPED");
		fprintf(out, "%lld record%s could not be written\n", (long long)t->dropped,
			plural(t->dropped));
	}
	if (t->missing) {
		put_heading(out, "MISSING");
		fprintf(out, "%lld record%s of %lld process%s\n", (long long)t->missing,
			plural(t->missing), (long long)t->holed, t->holed == 1 ? "" : "es");
	}
	if (full && model->records) {
		put_heading(out, "DROPPED");
		fprintf(out,
			"records may be missing, because none can be written to the log any more: %s\n",
			strerror(full));
	}
	if (t->damaged) {
		put_heading(out, "damaged");
		fprintf(out, "%lld line%s of the log could not be read\n", (long long)t->damaged,
			plural(t->damaged));
	}
}

static void put_log(FILE *out, const struct log *log)
{
	char *name = log_shown(log);

	put_heading(out, "log");
	put_visible(out, name, 4096);
	fputc('\n', out);
	free(name);
}

#define NOT_KNOWN "so that what happened is not known"

/* A command that could not be started has no log either. */
static void put_no_log(FILE *out, const struct log *log, bool started)
{
	if (!log->known && started)
		fputs("mmfence: no log came to be, or it is gone, " NOT_KNOWN "\n", out);
	else if (!log->known)
		fputs("mmfence: nothing happened that mmfence records\n", out);
	else if (log_is_gone(log))
		fputs("mmfence: the log is gone, " NOT_KNOWN "\n", out);
	else
		fputs("mmfence: there is no log to read for a summary\n", out);
}

static void put_no_records(FILE *out, const struct totals *t, bool cut, int full)
{
	if (cut)
		fputs("mmfence: the log was emptied, cut or replaced while the command ran, " NOT_KNOWN
		      "\n",
		      out);
	else if (t->damaged)
		fputs("mmfence: no record of the log could be read, " NOT_KNOWN "\n", out);
	else if (!full)
		fputs("mmfence: nothing happened that mmfence records\n", out);
	else
		fprintf(out,
			"mmfence: there are no records, and none can be written to the log: %s, " NOT_KNOWN
			"\n",
			strerror(full));
}

static void put_records(FILE *out, const struct model *model, bool cut)
{
	fprintf(out, "mmfence: %lld record%s of %lld process%s\n", (long long)model->records,
		plural(model->records), (long long)model->process_count,
		model->process_count == 1 ? "" : "es");
	if (cut) {
		put_heading(out, "CUT");
		fputs("the log was emptied, cut or replaced while the command ran\n", out);
	}
}

void summary_print(const struct log *log, bool started, int status, FILE *out)
{
	struct totals totals;
	struct model *model;
	size_t files;

	if (log->elsewhere) {
		fprintf(out,
			"mmfence: the records went to %s, where they cannot be read back for a summary\n",
			destination_shown(log->template));
		return;
	}
	model = log_read(log, &files);
	int full = files ? log_refuses(log) : 0;
	bool cut = log_is_cut(log);
	totals_take(&totals, model);
	HASH_SORT(model->findings, compare_findings);
	if (!files)
		put_no_log(out, log, started);
	else if (!model->records)
		put_no_records(out, &totals, cut, full);
	else
		put_records(out, model, cut);
	put_sigbus(out, model, &totals, status);
	put_protected(out, &totals);
	put_unprotected(out, model, &totals);
	put_refused(out, model, &totals);
	put_nonlinear(out, model, &totals);
	put_unseen(out, model, &totals);
	put_missing(out, model, &totals, full);
	put_log(out, log);
}
