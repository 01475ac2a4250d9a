/* SPDX-License-Identifier: MIT */
/*
 * Prints a tally in at most 24 lines: see summary.h. Paths in a log come from the
 * program: control characters never reach the terminal.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/run/destination.h"
#include "cli/text/show.h"
#include "cli/run/summary.h"
#include "cli/model/tally.h"

#define TOP	   3
#define PATH_SHOWN 56

static void put_heading(FILE *out, const char *heading)
{
	fprintf(out, "  %-12s ", heading);
}

/* "2 memory, 1 guard" */
static void put_keys(FILE *out, json_t *table)
{
	struct tally_entry top[4];
	size_t used = tally_top(table, top, 4);

	for (size_t i = 0; i < used; i++) {
		fprintf(out, "%s%lld ", i ? ", " : "", (long long)top[i].number);
		put_visible(out, top[i].key, 24);
	}
}

/* One line for each of the most frequent, with an example. */
static void put_reasons(FILE *out, json_t *table, size_t most)
{
	struct tally_entry top[TOP];
	size_t used = tally_top(table, top, most);
	size_t left = json_object_size(table) - used;

	for (size_t i = 0; i < used; i++) {
		fprintf(out, "%17s%lld × ", "", (long long)top[i].number);
		put_visible(out, top[i].key, 80);
		if (*top[i].example) {
			fputs(", such as ", out);
			put_visible(out, top[i].example, PATH_SHOWN);
		}
		if (left && i + 1 == used)
			fprintf(out, "; %zu more", left);
		fputc('\n', out);
	}
}

static void put_protected(FILE *out, const struct tally *tally)
{
	if (tally->snapshots) {
		put_heading(out, "protected");
		fprintf(out, "%lld snapshot%s (", (long long)tally->snapshots,
			plural(tally->snapshots));
		put_keys(out, tally->engines);
		fputs("; ", out);
		put_keys(out, tally->consistencies);
		fputs("), ", out);
		put_size(out, tally->copied);
		fputs(" copied\n", out);
	}
	if (tally->preserved) {
		put_heading(out, "preserved");
		fprintf(out, "%lld when somebody was about to write, ",
			(long long)tally->preserved);
		put_size(out, tally->preserved_bytes);
		fprintf(out, " copied, the longest in %lld µs\n", (long long)tally->longest_wait);
	}
	if (tally->drifted) {
		put_heading(out, "drift");
		fprintf(out, "%lld page%s of %lld file%s would have changed under the program\n",
			(long long)tally->drift_pages, plural(tally->drift_pages),
			(long long)tally->drifted, plural(tally->drifted));
	}
}

static void put_unprotected(FILE *out, const struct tally *tally)
{
	json_int_t lost = tally_sum(tally->lost);

	if (lost) {
		put_heading(out, "LOST");
		fprintf(out, "%lld snapshot%s did not last\n", (long long)lost, plural(lost));
		put_reasons(out, tally->lost, 2);
	}
	if (tally->unprotected) {
		put_heading(out, "unprotected");
		fprintf(out, "%lld mapping%s", (long long)tally->unprotected,
			plural(tally->unprotected));
		if (tally->denied)
			fprintf(out, ", of which %lld failed with ENOMEM as was asked",
				(long long)tally->denied);
		fputc('\n', out);
		put_reasons(out, tally->reasons, TOP);
	}
}

static void put_refused(FILE *out, const struct tally *tally)
{
	json_int_t refused = tally_sum(tally->refused) + tally->grown;
	json_int_t opened = tally_sum(tally->opened);

	if (refused) {
		put_heading(out, "refused");
		fprintf(out, "%lld call%s", (long long)refused, plural(refused));
		if (tally->grown)
			fprintf(out, ", of which %lld to grow a mapping beyond its snapshot",
				(long long)tally->grown);
		fputc('\n', out);
		put_reasons(out, tally->refused, TOP);
	}
	if (opened) {
		struct tally_entry top;

		tally_top(tally->opened, &top, 1);
		put_heading(out, "opened");
		fprintf(out, "memory as a file %lld time%s, such as ", (long long)opened,
			plural(opened));
		put_visible(out, top.example, PATH_SHOWN);
		fputc('\n', out);
	}
	if (tally->views) {
		put_heading(out, "views");
		fprintf(out, "%lld of a process's own memory", (long long)tally->views);
		if (tally->unsynchronised)
			fprintf(out, ", %lld not synchronised with its threads",
				(long long)tally->unsynchronised);
		fputc('\n', out);
	}
}

static void put_nonlinear(FILE *out, const struct tally *tally)
{
	json_int_t failed;
	json_int_t calls = tally_calls(tally, &failed);
	size_t sites = json_object_size(tally->sites);

	if (calls || tally->rewired) {
		put_heading(out, "nonlinear");
		fprintf(out, "%lld call%s of remap_file_pages from %zu place%s", (long long)calls,
			plural(calls), sites, plural((json_int_t)sites));
		if (failed)
			fprintf(out, ", %lld failed", (long long)failed);
		if (tally->rewired)
			fprintf(out, "; %lld window%s by mmap", (long long)tally->rewired,
				plural(tally->rewired));
		fputc('\n', out);
	}
	if (tally->areas) {
		put_heading(out, "areas");
		fprintf(out, "a process came to %lld of %lld (vm.max_map_count)\n",
			(long long)tally->areas, (long long)tally->area_limit);
	}
}

static void put_unseen(FILE *out, const struct tally *tally)
{
	json_int_t gaps = tally_sum(tally->gaps);

	if (gaps) {
		put_heading(out, "not seen");
		fprintf(out, "%lld program%s that mmfence cannot look into\n", (long long)gaps,
			plural(gaps));
		put_reasons(out, tally->gaps, TOP);
	}
}

static void put_missing(FILE *out, const struct tally *tally, int full)
{
	if (tally->dropped) {
		put_heading(out, "DROPPED");
		fprintf(out, "%lld record%s could not be written\n", (long long)tally->dropped,
			plural(tally->dropped));
	}
	if (full && tally->records) {
		put_heading(out, "DROPPED");
		fprintf(out,
			"records may be missing, because none can be written to the log any more: %s\n",
			strerror(full));
	}
	if (tally->damaged) {
		put_heading(out, "damaged");
		fprintf(out, "%lld line%s of the log could not be read\n",
			(long long)tally->damaged, plural(tally->damaged));
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

static void put_no_records(FILE *out, const struct tally *tally, bool cut, int full)
{
	if (cut)
		fputs("mmfence: the log was emptied, cut or replaced while the command ran, " NOT_KNOWN
		      "\n",
		      out);
	else if (tally->damaged)
		fputs("mmfence: no record of the log could be read, " NOT_KNOWN "\n", out);
	else if (!full)
		fputs("mmfence: nothing happened that mmfence records\n", out);
	else
		fprintf(out,
			"mmfence: there are no records, and none can be written to the log: %s, " NOT_KNOWN
			"\n",
			strerror(full));
}

static void put_records(FILE *out, const struct tally *tally, bool cut)
{
	fprintf(out, "mmfence: %lld record%s of %lld process%s\n", (long long)tally->records,
		plural(tally->records), (long long)tally->processes,
		tally->processes == 1 ? "" : "es");
	if (cut) {
		put_heading(out, "CUT");
		fputs("the log was emptied, cut or replaced while the command ran\n", out);
	}
}

void summary_print(const struct log *log, bool started, FILE *out)
{
	struct tally tally;

	if (log->elsewhere) {
		fprintf(out,
			"mmfence: the records went to %s, where they cannot be read back for a summary\n",
			destination_shown(log->template));
		return;
	}
	tally_init(&tally);
	size_t files = log_read(log, tally_line, &tally);
	int full = files ? log_refuses(log) : 0;
	bool cut = log_is_cut(log);
	tally_finish(&tally);

	if (!files)
		put_no_log(out, log, started);
	else if (!tally.records)
		put_no_records(out, &tally, cut, full);
	else
		put_records(out, &tally, cut);
	put_protected(out, &tally);
	put_unprotected(out, &tally);
	put_refused(out, &tally);
	put_nonlinear(out, &tally);
	put_unseen(out, &tally);
	put_missing(out, &tally, full);
	put_log(out, log);
	tally_free(&tally);
}
