/* SPDX-License-Identifier: MIT */
/*
 * What the pictures are made of: a bounded number of points and lives, whatever the
 * log's length. See model.h.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* "2026-11-21T12:03:17.720367Z": a million of these are read, and strptime takes too long. */
double model_seconds(const char *at)
{
	static const char separators[] = "--T::";
	static const int widths[] = { 4, 2, 2, 2, 2, 2 };
	double fraction = 0, unit = 0.1;
	int part[6];

	for (int i = 0; i < 6; i++) {
		part[i] = digits(&at, widths[i]);
		if (part[i] < 0 || (i < 5 && *at++ != separators[i]))
			return 0;
	}
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
			fraction += (*at - '0') * unit;
	struct tm tm = { .tm_year = part[0] - 1900,
			 .tm_mon = part[1] - 1,
			 .tm_mday = part[2],
			 .tm_hour = part[3],
			 .tm_min = part[4],
			 .tm_sec = part[5] };

	return (double)timegm(&tm) + fraction;
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
			       .path = file->path,
			       .host = file->host,
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
		life->end = now > 0 ? now : model->last;
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
			life->end = now > 0 ? now : model->last;
		life->open = false;
		life->process = NULL;
	}
}

/* The first few that come are drawn: the number of this one, or -1. */
static int series_of(struct series *all, const struct process *process, const char *path)
{
	for (int i = 0; i < SERIES; i++) {
		if (!all[i].program)
			all[i] = (struct series){ .process = process->serial,
						  .pid = process->row.pid,
						  .program = keep(process->row.name),
						  .path = keep(path),
						  .stride = 1 };
		if (all[i].process == process->serial && !strcmp(all[i].path, path))
			return i;
	}
	return -1;
}

/* Well mixed, so that what a loop puts in turn into the same places is not thinned to one of them.
 */
static uint64_t mixed(uint64_t n)
{
	n = (n ^ n >> 31) * 0x9e3779b97f4a7c15;
	n = (n ^ n >> 29) * 0xbf58476d1ce4e5b9;
	return n ^ n >> 32;
}

/* Those whose number does not hash to a multiple of the stride go when there is no room. */
static void add_point(struct series *series, struct point point)
{
	size_t kept;

	point.number = series->seen++;
	if (mixed(point.number) % series->stride)
		return;
	while (series->count == POINTS) {
		series->stride *= 2;
		for (size_t i = kept = 0; i < POINTS; i++)
			if (!(mixed(series->points[i].number) % series->stride))
				series->points[kept++] = series->points[i];
		series->count = kept;
	}
	if (!(mixed(point.number) % series->stride))
		series->points[series->count++] = point;
}

void pressure_point(struct model *model, struct process *process, int64_t areas, int64_t limit,
		    double now)
{
	int number = series_of(model->pressure, process, "");
	struct series *series = &model->pressure[number];

	if (number < 0)
		return;
	if (areas > series->most)
		series->most = areas;
	if (limit > series->limit)
		series->limit = limit;
	add_point(series, (struct point){ .x = now, .y = areas, .z = limit });
}

void window_total(struct model *model, uint32_t windows, int64_t calls)
{
	for (int i = 0; i < SERIES; i++) {
		struct series *series = &model->windows[i];

		if (!(windows & 1u << i))
			continue;
		series->uncounted |= calls < 0;
		sum_add(&series->calls, calls);
		if (series->uncounted)
			series->calls = 0;
	}
}

int window_point(struct model *model, struct process *process, const struct scan *scan, bool failed)
{
	const struct scan_value *mapping = scan_get(scan, "mmfence.mapping");
	uint64_t address;
	int64_t length;
	int number;

	if (!mapping || !scan_below(scan, mapping, "page_offset"))
		return -1;
	address = strtoull(scan_text_of(scan_below(scan, mapping, "address")), NULL, 16);
	length = scan_number_of(scan_below(scan, mapping, "length"));
	number = series_of(model->windows, process, scan_text(scan, "file.path"));
	if (number < 0)
		return -1;
	add_point(&model->windows[number],
		  (struct point){ .x = (double)(address / PAGE),
				  .y = scan_number_of(scan_below(scan, mapping, "page_offset")),
				  .z = (length + PAGE - 1) / PAGE,
				  .odd = failed });
	return number;
}
