/* SPDX-License-Identifier: MIT */
/*
 * The verdict: what was protected, what was lost, refused and missed, in this order of
 * weight, as sentences and as numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/totals.h"
#include "cli/report/report.h"
#include "cli/text/show.h"

#define N(n)	  (long long)(n)
#define PLURAL(n) N(n), plural(n)

static void say_touched(FILE *out, const struct totals *t)
{
	say_sigbus(out, t);
	fputc('.', out);
}

static void say_protected(FILE *out, const struct totals *t)
{
	if (!t->snapshots) {
		fputs("No file mapping needed a snapshot.", out);
	} else {
		fprintf(out, "%lld snapshot%s of %lld file%s, ", PLURAL(t->snapshots),
			PLURAL(t->files));
		fprintf(out, "%lld under guard, ", N(t->engines[ENGINE_GUARD]));
		put_size(out, t->copied);
		fputs(" copied.", out);
	}
	if (t->preserved) {
		fputc(' ', out);
		say_preserved(out, t, " preserved");
		fputc('.', out);
	}
	if (t->drifted) {
		fputc(' ', out);
		say_drift(out, t);
		fputc('.', out);
	}
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
	say_calls(out, t);
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
	if (t->killed || t->rescued || t->unprotected || t->gaps || t->dropped || t->missing ||
	    t->damaged)
		return "incomplete";
	return "kept";
}

static json_t *numbers_of(const struct totals *t)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"snapshots", t->snapshots, "files", t->files, "copied_bytes", t->copied,
		"preserved", t->preserved, "lost", t->lost, "refused",
		t->refused + t->denied + t->grown, "unprotected", t->unprotected, "nonlinear_calls",
		t->calls, "gaps", t->gaps, "dropped", t->dropped, "missing", t->missing, "damaged",
		t->damaged, "memory_opened", t->opened, "sigbus", t->killed, "rescued", t->rescued);
}

json_t *report_verdict(const struct model *model)
{
	json_t *sentences = json_array();
	struct totals totals;

	totals_take(&totals, model);
	if (totals.killed || totals.rescued)
		add_sentence(sentences, "sigbus", &totals, say_touched);
	add_sentence(sentences, "protected", &totals, say_protected);
	add_sentence(sentences, "lost", &totals, say_lost);
	add_sentence(sentences, "refused", &totals, say_refused);
	add_sentence(sentences, "missed", &totals, say_missed);
	if (totals.calls)
		add_sentence(sentences, "nonlinear", &totals, say_nonlinear);
	return json_pack("{s:s, s:o, s:o}", "state", state_of(&totals, model->records), "sentences",
			 sentences, "numbers", numbers_of(&totals));
}
