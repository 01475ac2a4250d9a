/* SPDX-License-Identifier: MIT */
/*
 * Adds up the rows of the model, and says what comes of it.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/model/model.h"

/* "2 guard, 1 memory" */
static char *counts_of(const char *const *names, const int64_t *numbers)
{
	char *text;
	FILE *out = open_text(&text);
	const char *comma = "";

	for (int i = 0; names[i]; i++)
		if (numbers[i]) {
			fprintf(out, "%s%lld %s", comma, (long long)numbers[i], names[i]);
			comma = ", ";
		}
	fclose(out);
	return text;
}

void totals_finish(struct model *model)
{
	struct totals *totals = &model->totals;

	totals->damaged = model->damaged;
	totals->missing = model->missing.records;
	totals->holed = model->missing.processes;
	for (const struct file_row *row = model->files; row; row = row->hh.next) {
		totals->files += row->snapshots > 0;
		totals->drifted += row->drift_pages > 0;
		sum_add(&totals->open, row->open);
	}
	for (const struct site_row *site = model->sites; site; site = site->hh.next)
		totals->sites += !strcmp(site->action, "nonlinear.remap");
	for (const struct finding *it = model->findings; it; it = it->hh.next)
		sum_add(&totals->gaps, it->category == CATEGORY_GAP ? it->times : 0);
	totals->engines_text = counts_of(engine_names, totals->engines);
	totals->consistency_text = counts_of(consistency_names, totals->consistency);
}

const struct state *story_state(const struct model *model)
{
	static const struct state states[] = {
		{ "nothing", "Nothing was recorded" },
		{ "lost", "NOT KEPT" },
		{ "died", "A program died of SIGBUS" },
		{ "incomplete", "Kept, with exceptions" },
		{ "kept", "Everything that mmfence promises was kept" },
	};
	const struct totals *t = &model->totals;
	bool whole = !t->rescued && !t->unprotected && !t->gaps && !t->dropped && !t->missing &&
		     !t->damaged;

	return &states[!model->records ? 0 : t->lost ? 1 : t->sigbus ? 2 : !whole ? 3 : 4];
}

/* Each says nothing where there is nothing to say. What stands between brackets is left out where
 * the first number in it is 0; see words.c. */
static const struct part {
	const char *kind, *words;
	enum category why;
} parts[] = {
	{ "SIGBUS",
	  "[{have:sigbus} time{many:sigbus} a program died of SIGBUS in a file mapping][; "
	  "{have:rescued} mapping{many:rescued} of files that were cut off went on with zeros]",
	  CATEGORY_SIGBUS },
	{ "protected",
	  "[{have:snapshots} snapshot{many:snapshots} of {files} file{many:files} ({engines}; "
	  "{consistency}), {size:copied_bytes} copied][; {have:open} had not ended when the log did]",
	  CATEGORIES },
	{ "preserved",
	  "[{have:preserved} in time][; {have:waits} time{many:waits} a writer waited, at most "
	  "{time:longest_wait}]",
	  CATEGORIES },
	{ "drift",
	  "[{have:drift_pages} page{many:drift_pages} of {drifted} file{many:drifted} would have "
	  "changed under the program]",
	  CATEGORIES },
	{ "LOST",
	  "[{have:lost} snapshot{many:lost} did not last: the program may have seen others' changes]",
	  CATEGORY_LOST },
	{ "unprotected",
	  "[{have:unprotected} mapping{many:unprotected} had no snapshot][, of which {have:denied} "
	  "failed with ENOMEM as was asked]",
	  CATEGORY_UNPROTECTED },
	{ "refused",
	  "[{have:refused} call{many:refused}][, of which {have:grown} to grow a mapping beyond its "
	  "snapshot]",
	  CATEGORIES },
	{ "opened", "[memory as a file {have:memory_opened} time{many:memory_opened}]",
	  CATEGORIES },
	{ "reached", "[{have:reached} call{many:reached} into processes, without a file]",
	  CATEGORIES },
	{ "views",
	  "[{have:views} of a process's own memory][, {have:unsynchronised} not synchronised with "
	  "its threads]",
	  CATEGORIES },
	{ "nonlinear",
	  "[{have:nonlinear_calls} call{many:nonlinear_calls} of remap_file_pages from {sites} call "
	  "site{many:sites}][, of which {have:failed} failed][; {have:windows} window{many:windows} "
	  "by mmap]",
	  CATEGORIES },
	{ "areas", "[a process came to {have:most_areas} of {area_limit} (vm.max_map_count)]",
	  CATEGORIES },
	{ "not seen", "[{have:gaps} time{many:gaps} a program ran that mmfence cannot look into]",
	  CATEGORY_GAP },
	{ "DROPPED", "[{have:dropped} record{many:dropped} could not be written]", CATEGORIES },
	{ "MISSING", "[{have:missing} record{many:missing} of {holed} process{eses:holed}]",
	  CATEGORIES },
	{ "damaged", "[{have:damaged} line{many:damaged} of the log could not be read]",
	  CATEGORIES },
};

#define TOTAL(name) { #name, offsetof(struct totals, name) },
const struct total total_names[] = { TOTALS(TOTAL){ NULL, 0 } };

int64_t total_of(const struct totals *totals, const struct total *total)
{
	return *(const int64_t *)((const char *)totals + total->at);
}

/* One at a time. */
static const struct scan_value *find_total(const void *context, const char *name)
{
	static struct scan_value value;
	const struct totals *totals = context;

	value = (struct scan_value){ .type = SCAN_STRING, .text = totals->engines_text };
	if (!strcmp(name, "consistency"))
		value.text = totals->consistency_text;
	for (const struct total *it = total_names; it->name; it++)
		if (!strcmp(name, it->name))
			value = (struct scan_value){ .type = SCAN_INTEGER,
						     .integer = total_of(totals, it) };
	value.length = value.type == SCAN_STRING;
	return &value;
}

char *story_part(const struct totals *totals, const char *words)
{
	char *text = words_fill(words, find_total, totals);

	/* What would stand before the second half of a sentence is not there. */
	char *sentence = keep(text + strspn(text, ";, "));

	free(text);
	return sentence;
}

void story_tell(const struct totals *totals,
		void (*say)(void *context, const char *kind, const char *sentence,
			    enum category why),
		void *context)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		char *sentence = story_part(totals, parts[i].words);

		if (*sentence)
			say(context, parts[i].kind, sentence, parts[i].why);
		free(sentence);
	}
}
