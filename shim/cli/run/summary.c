/* SPDX-License-Identifier: MIT */
/*
 * Prints the model of a run in at most 24 lines. Paths in a log come from the
 * program: control characters never reach the terminal.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run/run.h"

#define TOP	   3
#define PATH_SHOWN 56
#define HEADING	   "  %-12s "

struct summary {
	const struct model *model;
	FILE *out;
};

/* The reasons of a category, those that happened most first; findings of one reason together. */
struct row {
	const char *what, *example, *cure;
	int64_t number;
};

static int compare_rows(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	return one->number < other->number ? 1 : one->number > other->number ? -1 : 0;
}

static int compare_findings(struct finding *a, struct finding *b)
{
	if (a->category != b->category)
		return a->category < b->category ? -1 : 1;
	return strcmp(a->what, b->what);
}

static size_t collect(const struct model *model, enum category category, struct row *rows)
{
	size_t count = 0;

	for (const struct finding *it = model->findings; it; it = it->hh.next) {
		if (it->category != category)
			continue;
		if (!count || strcmp(it->what, rows[count - 1].what))
			rows[count++] = (struct row){ it->what, it->where, it->cure, 0 };
		sum_add(&rows[count - 1].number, it->times);
		if (!*rows[count - 1].example)
			rows[count - 1].example = it->where;
	}
	return count;
}

static void put_sentence(void *context, const char *kind, const char *sentence, enum category why)
{
	struct summary *summary = context;
	struct row *rows = take((HASH_COUNT(summary->model->findings) + 1) * sizeof(*rows));
	size_t count = collect(summary->model, why, rows);

	fprintf(summary->out, HEADING "%s\n", kind, sentence);
	qsort(rows, count, sizeof(*rows), compare_rows);
	for (size_t i = 0; i < count && i < TOP; i++) {
		fprintf(summary->out, "%17s%lld × ", "", (long long)rows[i].number);
		put_visible(summary->out, *rows[i].what ? rows[i].what : "unknown", 80);
		fputs(*rows[i].example ? ", such as " : "", summary->out);
		put_visible(summary->out, rows[i].example, PATH_SHOWN);
		if (count > TOP && i + 1 == TOP)
			fprintf(summary->out, "; %zu more", count - TOP);
		fputc('\n', summary->out);
		if (!rows[i].cure || !*rows[i].cure)
			continue;
		fprintf(summary->out, "%17scure: ", "");
		put_visible(summary->out, rows[i].cure, 200);
		fputc('\n', summary->out);
	}
	free(rows);
}

/* The handler of ours was not asked, if all of the log can be read. */
static void put_ending(FILE *out, const struct log *log, bool doubt, int signal)
{
	bool unsaid = signal == SIGBUS && !log->model->totals.sigbus;

	if (unsaid && (doubt || log->model->damaged || !log->files))
		fprintf(out, HEADING "the command died of it; why is not on record\n", "SIGBUS");
	else if (unsaid)
		fprintf(out,
			HEADING "the command died of it, but not of a file mapping that mmfence "
				"saw: it was sent by a\n%17sprocess, or the program handles, "
				"ignores or blocks it\n",
			"SIGBUS", "");
	else if (signal && signal != SIGBUS)
		fprintf(out, HEADING "the command was killed by SIG%s\n", "ended",
			sigabbrev_np(signal) ?: "RT");
}

/* What is said where there are no records. */
static const char *silence(const struct log *log)
{
	if (log->model->damaged)
		return "no record of the log could be read, so that what happened is not known";
	return !log->files && log->name ? "there is no log to read for a summary"
					: "nothing happened that mmfence records";
}

void summary_print(struct log *log, bool started, int signal, FILE *out)
{
	char *visible = printable(log_shown(log)), *doubt;

	if (log->elsewhere) {
		fprintf(out,
			"mmfence: the records went to %s, where they cannot be read back for a summary\n",
			log->template);
		return;
	}
	log_read(log);
	doubt = log_doubt(log, started);
	HASH_SORT(log->model->findings, compare_findings);
	if (log->model->records)
		fprintf(out, "mmfence: %lld record%s of %lld process%s\n",
			(long long)log->model->records, plural(log->model->records),
			(long long)log->model->process_count,
			log->model->process_count == 1 ? "" : "es");
	else
		fprintf(out, "mmfence: %s\n", doubt ? doubt : silence(log));
	if (doubt && log->model->records)
		fprintf(out, HEADING "%s\n", "NOT KNOWN", doubt);
	put_ending(out, log, doubt, signal);
	story_tell(&log->model->totals, put_sentence,
		   &(struct summary){ .model = log->model, .out = out });
	if (!log_drop_empty(log))
		fprintf(out, HEADING "%s\n", "log", visible);
	free(doubt);
	free(visible);
}
