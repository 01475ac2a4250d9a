/* SPDX-License-Identifier: MIT */
/*
 * What the pictures are made of: a bounded number of points and lives, whatever the
 * log's length. See model.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/model.h"

#define PAGE 4096

/* Digits in a row; -1 when there are none. */
static int digits(const char **at, int count)
{
	int value = 0;

	for (; count > 0; count--, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

/* Days since 1970-01-01 of a civil date (H. Hinnant's days_from_civil). */
static int64_t days_of(int year, int month, int day)
{
	year -= month <= 2;
	int era = year / 400;
	int yoe = year - era * 400;
	int doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return (int64_t)era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* "2026-11-21T12:03:17.720367Z": a million of these are read, and strptime takes too long. */
double model_seconds(const char *at)
{
	static const char separators[] = "--T::";
	static const int widths[] = { 4, 2, 2, 2, 2, 2 };
	int part[6];
	double fraction = 0, unit = 0.1;

	for (int i = 0; i < 6; i++) {
		part[i] = digits(&at, widths[i]);
		if (part[i] < 0 || (i < 5 && *at++ != separators[i]))
			return 0;
	}
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
			fraction += (*at - '0') * unit;
	return (double)days_of(part[0], part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 +
	       part[5] + fraction;
}

/* Of a life that is over and had nothing happen to it there are enough. */
static struct life *dull_life(struct model *model)
{
	for (size_t i = 0; i < LIVES; i++)
		if (!model->lives[i].open && model->lives[i].fate != LOST &&
		    !model->lives[i].preserved)
			return &model->lives[i];
	return NULL;
}

void life_begin(struct model *model, struct process *process, struct file_row *file,
		const struct scan *scan, enum engine engine, double now)
{
	struct life *life = NULL;

	if (model->life_count < LIVES)
		life = &model->lives[model->life_count++];
	else
		life = dull_life(model);
	if (!life) {
		model->lives_left_out++;
		return;
	}
	if (life->program) {
		free(life->program);
		model->lives_left_out++;
	}
	*life = (struct life){ .process = process,
			       .file = file,
			       .id = scan_number(scan, "mmfence.snapshot.id"),
			       .pid = process->row.pid,
			       .program = keep(process->row.name),
			       .engine = engine,
			       .start = now,
			       .fate = engine == ENGINE_GUARD ? UNTOUCHED : PRIVATE,
			       .open = true };
}

void life_change(struct model *model, const struct process *process, const struct file_row *file,
		 enum fate fate, double now)
{
	for (size_t i = 0; i < model->life_count; i++) {
		struct life *life = &model->lives[i];

		if (!life->open || life->process != process || life->file != file ||
		    life->engine != ENGINE_GUARD || life->preserved)
			continue;
		life->preserved = now;
		life->fate = fate;
	}
}

void life_end(struct model *model, const struct process *process, int64_t id, enum fate fate,
	      double now)
{
	for (size_t i = 0; i < model->life_count; i++) {
		struct life *life = &model->lives[i];

		if (!life->open || life->process != process || life->id != id)
			continue;
		life->open = false;
		life->end = now;
		life->fate = fate;
		return;
	}
}

void life_process_end(struct model *model, struct process *process, double now)
{
	for (size_t i = 0; i < model->life_count; i++) {
		struct life *life = &model->lives[i];

		if (life->process != process)
			continue;
		if (life->open)
			life->end = now;
		life->open = false;
		life->process = NULL;
	}
}

static struct series *series_new(const struct process *process, const char *path)
{
	struct series *series = take(sizeof(*series));

	series->process = process->serial;
	series->pid = process->row.pid;
	series->program = keep(process->row.name);
	series->path = keep(path);
	series->stride = 1;
	return series;
}

/* The first few that come are drawn. */
static struct series *series_of(struct series **all, const struct process *process,
				const char *path)
{
	int i;

	for (i = 0; i < SERIES && all[i]; i++)
		if (all[i]->process == process->serial && !strcmp(all[i]->path, path))
			return all[i];
	return i < SERIES ? all[i] = series_new(process, path) : NULL;
}

/* Half of the points go when there is no room, and from then on half of those that come. */
static void add_point(struct series *series, struct point point)
{
	series->seen++;
	if (series->skipped++ % series->stride)
		return;
	if (series->count == POINTS) {
		for (size_t i = 0; i < POINTS / 2; i++)
			series->points[i] = series->points[2 * i];
		series->count = POINTS / 2;
		series->stride *= 2;
		series->skipped = 1;
	}
	series->points[series->count++] = point;
}

void pressure_point(struct model *model, struct process *process, int64_t areas, int64_t limit,
		    double now)
{
	struct series *series = series_of(model->pressure, process, "");

	if (!series)
		return;
	if (areas > series->top)
		series->top = areas;
	if (limit > series->limit)
		series->limit = limit;
	add_point(series, (struct point){ .x = now, .y = areas, .z = limit });
}

static int number_of(struct series *const *all, const struct series *series)
{
	for (int i = 0; i < SERIES; i++)
		if (all[i] == series)
			return i;
	return -1;
}

void window_total(struct model *model, uint32_t windows, int64_t calls)
{
	for (int i = 0; i < SERIES; i++) {
		struct series *series = windows & 1u << i ? model->windows[i] : NULL;

		if (series && calls < 0)
			series->uncounted = true;
		else if (series)
			sum_add(&series->calls, calls);
	}
}

int window_point(struct model *model, struct process *process, const struct scan *scan, bool failed)
{
	const struct scan_value *mapping = scan_get(scan, "mmfence.mapping");
	uint64_t address;
	struct series *series;
	int64_t length;

	if (!mapping || !scan_below(scan, mapping, "page_offset"))
		return -1;
	address = strtoull(scan_text_of(scan_below(scan, mapping, "address")), NULL, 16);
	length = scan_number_of(scan_below(scan, mapping, "length"));
	series = series_of(model->windows, process, scan_text(scan, "file.path"));
	if (!series)
		return -1;
	add_point(series,
		  (struct point){ .x = (double)(address / PAGE),
				  .y = scan_number_of(scan_below(scan, mapping, "page_offset")),
				  .z = (length + PAGE - 1) / PAGE,
				  .odd = failed });
	return number_of(model->windows, series);
}
