/* SPDX-License-Identifier: MIT */
/*
 * Adds up the rows of the model: see totals.h.
 */
#include <string.h>

#include "cli/model/totals.h"
#include "cli/text/show.h"

static int64_t without_end(const struct file_row *row)
{
	int64_t ended = 0;

	for (int i = 0; i < FATES; i++)
		ended += row->fates[i];
	return row->snapshots > ended ? row->snapshots - ended : 0;
}

int64_t file_open(const struct file_row *row)
{
	int64_t left = without_end(row);

	return row->open < left ? row->open : left;
}

int64_t file_outlived(const struct file_row *row)
{
	return without_end(row) - file_open(row);
}

static void add_all(int64_t *to, const int64_t *from, int count)
{
	for (int i = 0; i < count; i++)
		sum_add(&to[i], from[i]);
}

static void add_file(struct totals *totals, const struct file_row *row)
{
	totals->files += row->snapshots > 0;
	totals->drifted += row->drift_pages > 0;
	sum_add(&totals->snapshots, row->snapshots);
	add_all(totals->engines, row->engines, ENGINES);
	add_all(totals->consistencies, row->consistencies, CONSISTENCIES);
	sum_add(&totals->open, file_open(row));
	sum_add(&totals->outlived, file_outlived(row));
	sum_add(&totals->copied, row->copied);
	sum_add(&totals->lost, row->lost);
	sum_add(&totals->unprotected, row->unprotected);
	sum_add(&totals->denied, row->denied);
	sum_add(&totals->grown, row->grown);
	sum_add(&totals->preserved, row->preserved);
	sum_add(&totals->drift_pages, row->drift_pages);
	sum_add(&totals->waits.count, row->waits.count);
	if (row->waits.longest > totals->waits.longest)
		totals->waits.longest = row->waits.longest;
}

static void add_site(struct totals *totals, const struct site *site)
{
	sum_add(&totals->refused, site->refused);
	if (!strcmp(site->group, "nonlinear.remap")) {
		totals->sites++;
		sum_add(&totals->calls, site->calls);
		sum_add(&totals->failed, site->failed);
	} else if (!strcmp(site->group, "nonlinear.rewire")) {
		sum_add(&totals->windows, site->calls);
	} else if (!strcmp(site->group, "mapping.sigbus")) {
		sum_add(&totals->killed, site->records);
	} else if (!strcmp(site->group, "mapping.rescued")) {
		sum_add(&totals->rescued, site->records);
	} else if (!strcmp(site->group, "selfmem.open")) {
		sum_add(&totals->opened, site->records - site->refused);
	} else if (!strcmp(site->group, "selfmem.map")) {
		sum_add(&totals->views, site->records - site->failed_records);
		sum_add(&totals->unsynchronised, site->unsynchronised);
	}
}

void totals_take(struct totals *totals, const struct model *model)
{
	*totals = (struct totals){ .dropped = model->dropped,
				   .damaged = model->damaged,
				   .missing = model->missing.records,
				   .holed = model->missing.processes };
	for (const struct file_row *row = model->files; row; row = row->hh.next)
		add_file(totals, row);
	for (const struct site *site = model->sites; site; site = site->hh.next)
		add_site(totals, site);
	for (const struct gap_row *row = model->gaps; row; row = row->hh.next)
		sum_add(&totals->gaps, row->count);
}

void say_preserved(FILE *out, const struct totals *t, const char *verb)
{
	fprintf(out, "%lld%s in time", (long long)t->preserved, verb);
	if (!t->waits.count)
		return;
	fprintf(out, "; %lld time%s a writer waited, at most ", (long long)t->waits.count,
		plural(t->waits.count));
	put_duration(out, t->waits.longest);
}

void say_calls(FILE *out, const struct totals *t)
{
	fprintf(out, "%lld call%s of remap_file_pages from %lld call site%s", (long long)t->calls,
		plural(t->calls), (long long)t->sites, plural(t->sites));
	if (t->failed)
		fprintf(out, ", of which %lld failed", (long long)t->failed);
}

void say_sigbus(FILE *out, const struct totals *t)
{
	if (t->killed)
		fprintf(out, "%lld time%s a program died of SIGBUS in a file mapping",
			(long long)t->killed, plural(t->killed));
	if (t->rescued)
		fprintf(out, "%s%lld mapping%s of files that were cut off go%s on with zeros",
			t->killed ? "; " : "", (long long)t->rescued, plural(t->rescued),
			t->rescued == 1 ? "es" : "");
}

void say_drift(FILE *out, const struct totals *t)
{
	fprintf(out, "%lld page%s of %lld file%s would have changed under the program",
		(long long)t->drift_pages, plural(t->drift_pages), (long long)t->drifted,
		plural(t->drifted));
}
