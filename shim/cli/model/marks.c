/* SPDX-License-Identifier: MIT */
/*
 * What the page's pictures are made of: so many rows of so many marks, whatever the log's length.
 * See model.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model/entry.h"

#define PAGE 4096

/* A window of 256 places shows all of them in half of these. */
static const struct {
	size_t series, marks;
} most[PICTURES] = { { SERIES, 2 }, { 6, 512 }, { 6, 4096 } };

/* "2026-11-21T12:03:17.720367Z"; 0: it is no time, or nobody wants pictures. */
static double seconds_of(const struct entry *entry)
{
	struct tm tm = { 0 };
	const char *fraction =
		entry->model->pictures ? strptime(entry->time, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	return fraction ? (double)timegm(&tm) + strtod(fraction, NULL) : 0;
}

/* The row of these. Where there is no room, a snapshot's goes that is over and to which nothing
 * happened; NULL: there is none. */
static struct series *series_of(struct entry *entry, enum picture picture, const char *path,
				int64_t id)
{
	struct series *series = entry->model->series + picture * SERIES, *free_row = NULL;
	const struct series *end = series + most[picture].series;

	sum_add(&entry->model->marks_seen[picture], 1);
	for (; series < end && series->path; series++) {
		if (series->owner == entry->process && series->id == id &&
		    !strcmp(series->path, path))
			return series;
		if (picture == PICTURE_LIVES && !series->open && series->count < 2)
			free_row = series;
	}
	if (series == end && !(series = free_row))
		return NULL;
	free(series->program);
	free(series->path);
	free(series->marks);
	*series = (struct series){ .owner = entry->process,
				   .program = keep(entry->process->row.name),
				   .pid = entry->process->row.pid,
				   .path = keep(path),
				   .id = id,
				   .marks = take(most[picture].marks * sizeof(struct mark)) };
	return series;
}

/* Well mixed: what a loop puts in turn into the same places is not thinned to one of them. */
static bool stays(const struct series *series, uint64_t number)
{
	number = (number ^ number >> 31) * 0x9e3779b97f4a7c15;
	number = (number ^ number >> 29) * 0xbf58476d1ce4e5b9;
	return !((number ^ number >> 32) & series->mask);
}

/* Half of the marks go when there is no room. */
static void mark_add(struct series *series, enum picture picture, struct mark mark)
{
	size_t kept;

	mark.number = series->seen++;
	while (series->count == most[picture].marks && stays(series, mark.number)) {
		series->mask = series->mask << 1 | 1;
		for (size_t i = kept = 0; i < series->count; i++)
			if (stays(series, series->marks[i].number))
				series->marks[kept++] = series->marks[i];
		series->count = kept;
	}
	if (stays(series, mark.number))
		series->marks[series->count++] = mark;
}

void mark_snapshot(struct entry *entry, bool guard)
{
	struct mark mark = { .x0 = seconds_of(entry), .kind = guard };
	int64_t id = scan_number(entry->scan, "mmfence.snapshot.id");
	struct series *series =
		mark.x0 ? series_of(entry, PICTURE_LIVES, entry->file->path, id) : NULL;

	if (!series || series->count)
		return;
	series->open = true;
	mark_add(series, PICTURE_LIVES, mark);
}

void mark_turn(const struct entry *entry, const int64_t *id, enum mark_kind kind)
{
	struct series *all = entry->model->series + PICTURE_LIVES * SERIES;
	double now = seconds_of(entry);

	for (struct series *series = all; now && series < all + SERIES; series++) {
		bool meant = series->open && series->owner == entry->process &&
			     (!entry->file || !strcmp(entry->file->path, series->path)) &&
			     (!id || *id == series->id);

		if (!meant || (kind && (series->count > 1 || !series->marks->kind)))
			continue;
		series->marks[series->count - 1].x1 = now;
		series->open = kind || entry->process->row.runs_on;
		if (kind)
			mark_add(series, PICTURE_LIVES, (struct mark){ .x0 = now, .kind = kind });
	}
}

void mark_areas(struct entry *entry, int64_t areas)
{
	int64_t limit = scan_number(entry->scan, "mmfence.areas.limit");
	double now = areas > 0 ? seconds_of(entry) : 0;
	struct series *series = now ? series_of(entry, PICTURE_AREAS, "", 0) : NULL;

	if (!series)
		return;
	series->limit = limit > series->limit ? limit : series->limit;
	mark_add(series, PICTURE_AREAS, (struct mark){ now, now, (double)areas, 0, MARK_PLAIN });
}

void mark_call(struct entry *entry)
{
	const struct scan *scan = entry->scan;
	const struct scan_value *page = scan_get(scan, "mmfence.mapping.page_offset");
	struct series *series =
		page && entry->model->pictures
			? series_of(entry, PICTURE_WINDOW, scan_text(scan, "file.path"), 0)
			: NULL;
	uint64_t address = strtoull(scan_text(scan, "mmfence.mapping.address"), NULL, 16);
	double pages = fmax(1, (double)scan_number(scan, "mmfence.mapping.length") / PAGE);
	struct mark mark = { .x0 = (double)(address / PAGE),
			     .y = (double)scan_number_of(page),
			     .kind = entry->failed ? MARK_BAD : MARK_PLAIN };

	if (!series)
		return;
	entry->use->window = entry->use->window ?: series;
	mark.x1 = mark.x0 + pages;
	mark_add(series, PICTURE_WINDOW, mark);
}

void marks_retire(struct model *model, struct process *process)
{
	const struct process_row *row = &process->row;
	struct entry end = { .model = model,
			     .process = process,
			     .time = row->runs_on ? model->last : row->last };

	mark_turn(&end, NULL, MARK_PLAIN);
	for (int i = 0; i < PICTURES * SERIES; i++)
		if (model->series[i].owner == process)
			model->series[i].owner = NULL;
}
