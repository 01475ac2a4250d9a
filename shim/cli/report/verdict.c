/* SPDX-License-Identifier: MIT */
/*
 * The verdict: what was protected, what was lost, refused and missed, in this order of
 * weight, as sentences and as numbers. Made of the rest of the document alone.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/report/document.h"
#include "cli/report/report.h"
#include "cli/text/show.h"

struct totals {
	int64_t files, snapshots, open, outlived, guarded, copied, lost, unprotected, denied, grown;
	int64_t preserved, waits, longest, waited, drift_pages, drifted;
	int64_t calls, failed, refused, sites, attempts;
	int64_t opened, gaps, dropped, damaged, missing, holed;
};

static void add_files(struct totals *totals, const json_t *files)
{
	const json_t *row;
	size_t i;

	json_array_foreach(files, i, row)
	{
		json_int_t longest = get_number(row, "writers_waited.longest");

		totals->files += get_number(row, "snapshots") > 0;
		sum_add(&totals->snapshots, get_number(row, "snapshots"));
		sum_add(&totals->open, get_number(row, "open"));
		sum_add(&totals->outlived, get_number(row, "ended_with_process"));
		sum_add(&totals->guarded, get_number(row, "engines.guard"));
		sum_add(&totals->copied, get_number(row, "copied_bytes"));
		sum_add(&totals->lost, get_number(row, "lost"));
		sum_add(&totals->unprotected, get_number(row, "unprotected"));
		sum_add(&totals->denied, get_number(row, "denied"));
		sum_add(&totals->grown, get_number(row, "grow_refused"));
		sum_add(&totals->preserved, get_number(row, "preserved"));
		sum_add(&totals->waits, get_number(row, "writers_waited.count"));
		sum_add(&totals->waited, get_number(row, "writers_waited.microseconds"));
		if (longest > totals->longest)
			totals->longest = longest;
		sum_add(&totals->drift_pages, get_number(row, "drift_pages"));
		sum_add(&totals->drifted, get_number(row, "drifted"));
	}
}

static void add_sites(struct totals *totals, const json_t *sites)
{
	const json_t *row;
	size_t i;

	json_array_foreach(sites, i, row)
	{
		sum_add(&totals->refused, get_number(row, "refused"));
		if (!strcmp(get_text(row, "action"), "nonlinear.remap")) {
			totals->sites++;
			sum_add(&totals->calls, get_number(row, "calls"));
			sum_add(&totals->failed, get_number(row, "failed"));
		} else if (!strcmp(get_text(row, "action"), "selfmem.open")) {
			sum_add(&totals->opened, get_number(row, "calls"));
		}
	}
}

static void add_gaps(struct totals *totals, const json_t *gaps)
{
	const json_t *row;
	size_t i;

	json_array_foreach(gaps, i, row) sum_add(&totals->gaps, get_number(row, "count"));
}

#define N(n)	  (long long)(n)
#define PLURAL(n) N(n), plural(n)

static void say_protected(FILE *out, const struct totals *t)
{
	if (!t->snapshots) {
		fputs("No file mapping needed a snapshot.", out);
	} else {
		fprintf(out, "%lld snapshot%s of %lld file%s, ", PLURAL(t->snapshots),
			PLURAL(t->files));
		fprintf(out, "%lld under guard, ", N(t->guarded));
		put_size(out, t->copied);
		fputs(" copied.", out);
	}
	if (t->preserved) {
		fprintf(out, " %lld preserved in time", N(t->preserved));
		if (t->waits) {
			fprintf(out, "; %lld time%s a writer waited, at most ", PLURAL(t->waits));
			put_duration(out, t->longest);
		}
		fputc('.', out);
	}
	if (t->drifted)
		fprintf(out, " %lld page%s would have changed under the program.",
			PLURAL(t->drift_pages));
	if (t->outlived)
		fprintf(out, " %lld ended with %s process.", N(t->outlived),
			t->outlived == 1 ? "its" : "their");
	if (t->open)
		fprintf(out, " %lld had not ended when the log did.", N(t->open));
}

static void say_lost(FILE *out, const struct totals *t)
{
	if (t->lost)
		fprintf(out,
			"%lld snapshot%s did not last: the program may have seen others' "
			"changes.",
			PLURAL(t->lost));
	else
		fputs("Nothing.", out);
}

static void say_refused(FILE *out, const struct totals *t)
{
	json_int_t all = t->refused + t->denied + t->grown;

	if (all)
		fprintf(out, "%lld call%s of the programs.", PLURAL(all));
	else
		fputs("Nothing.", out);
	if (t->denied)
		fprintf(out, " %lld mapping%s that could have no snapshot failed, as was asked.",
			PLURAL(t->denied));
	if (t->grown)
		fprintf(out, " %lld mapping%s could not grow beyond the snapshot.",
			PLURAL(t->grown));
}

static void say_missed(FILE *out, const struct totals *t)
{
	json_int_t plain = t->unprotected - t->denied;

	if (plain)
		fprintf(out, "%lld mapping%s had no snapshot. ", PLURAL(plain));
	if (t->gaps)
		fprintf(out, "%lld time%s a program ran that mmfence cannot look into. ",
			PLURAL(t->gaps));
	if (t->dropped)
		fprintf(out, "%lld record%s could not be written. ", PLURAL(t->dropped));
	if (t->missing)
		fprintf(out, "%lld record%s of %lld process%s %s missing. ", PLURAL(t->missing),
			N(t->holed), t->holed == 1 ? "" : "es", t->missing == 1 ? "is" : "are");
	if (t->damaged)
		fprintf(out, "%lld line%s of the logs could not be read. ", PLURAL(t->damaged));
	if (!plain && !t->gaps && !t->dropped && !t->missing && !t->damaged)
		fputs("Nothing that is known of. ", out);
	fseek(out, -1, SEEK_CUR); /* the space */
	fputc(0, out);
}

static void say_nonlinear(FILE *out, const struct totals *t)
{
	fprintf(out, "%lld call%s of remap_file_pages from %lld call site%s", PLURAL(t->calls),
		PLURAL(t->sites));
	if (t->failed)
		fprintf(out, ", of which %lld failed", N(t->failed));
	fputc('.', out);
}

/* A sentence of the verdict: how it is to be read, and the words. */
static void add_sentence(json_t *sentences, const char *kind, const struct totals *t,
			 void (*say)(FILE *, const struct totals *))
{
	char *text;
	size_t size;
	FILE *out = open_text(&text, &size);

	say(out, t);
	fclose(out);
	json_array_append_new(sentences, json_pack("{s:s, s:s}", "kind", kind, "text", text));
	free(text);
}

static const char *state_of(const struct totals *t, json_int_t records)
{
	if (!records)
		return "nothing";
	if (t->lost)
		return "lost";
	if (t->unprotected || t->gaps || t->dropped || t->missing || t->damaged)
		return "incomplete";
	return "kept";
}

static json_t *numbers_of(const struct totals *t)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "snapshots", t->snapshots, "files", t->files, "copied_bytes", t->copied,
			 "preserved", t->preserved, "lost", t->lost, "refused",
			 t->refused + t->denied + t->grown, "unprotected", t->unprotected,
			 "nonlinear_calls", t->calls, "gaps", t->gaps, "dropped", t->dropped,
			 "missing", t->missing, "damaged", t->damaged, "memory_opened", t->opened);
}

json_t *report_verdict(const json_t *document)
{
	struct totals totals = { .dropped = get_number(document, "dropped.records"),
				 .missing = get_number(document, "missing.records"),
				 .holed = get_number(document, "missing.processes"),
				 .damaged = get_number(document, "damaged") };
	json_t *sentences = json_array();

	add_files(&totals, get(document, "snapshots"));
	add_sites(&totals, get(document, "nonlinear.sites"));
	add_sites(&totals, get(document, "selfmem"));
	add_gaps(&totals, get(document, "gaps"));
	add_sentence(sentences, "protected", &totals, say_protected);
	add_sentence(sentences, "lost", &totals, say_lost);
	add_sentence(sentences, "refused", &totals, say_refused);
	add_sentence(sentences, "missed", &totals, say_missed);
	if (totals.calls)
		add_sentence(sentences, "nonlinear", &totals, say_nonlinear);
	return json_pack("{s:s, s:o, s:o}", "state",
			 state_of(&totals, get_number(document, "records")), "sentences", sentences,
			 "numbers", numbers_of(&totals));
}
