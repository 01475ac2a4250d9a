/* SPDX-License-Identifier: MIT */
/*
 * A reader: takes snapshots and does with them, in any order, all that a program may do
 * with a mapping. After each step its bytes must be those of the capture.
 */
#include <sys/mman.h>

#include "torture.h"

#define SMALL 64 /* pages: a view that is checked whole each time */

static struct view *pick(struct reader *reader, size_t *index)
{
	if (!reader->count)
		return NULL;
	*index = chance((uint32_t)reader->count);
	return &reader->views[*index];
}

/* A random part of a random view, cut out. */
static struct view *part(struct reader *reader)
{
	size_t index;
	struct view *view = pick(reader, &index);

	if (!view)
		return NULL;
	size_t page = chance((uint32_t)view->pages);
	return view_cut(reader, index, page, 1 + chance((uint32_t)(view->pages - page)));
}

/* ---- one step ---- */

static void op_map(struct reader *reader)
{
	struct wish wish = { .file = file_choose() };

	if (reader->count < reader->limit)
		snapshot_take(reader, &wish);
}

static void op_unmap(struct reader *reader)
{
	struct view *view = part(reader);

	if (view)
		view_unmap(reader, view);
}

static void op_cover(struct reader *reader)
{
	struct view *view = part(reader);

	if (view)
		view_cover(reader, view);
}

static void op_shrink(struct reader *reader)
{
	size_t index;
	struct view *view = pick(reader, &index);

	if (view && view->pages > 1)
		view_shrink(view, 1 + chance((uint32_t)view->pages - 1));
}

static void op_grow(struct reader *reader)
{
	size_t index;
	struct view *view = pick(reader, &index);

	if (view)
		view_grow(view, view->pages + 1 + chance(16));
}

static void op_move(struct reader *reader)
{
	struct view *view = part(reader);

	if (view)
		view_move(view);
}

static void op_protect(struct reader *reader)
{
	static const int protections[] = { PROT_READ, PROT_READ, PROT_NONE, PROT_READ | PROT_WRITE,
					   PROT_READ | PROT_WRITE };
	struct view *view = part(reader);

	if (view)
		view_protect(view, protections[chance(COUNT(protections))]);
}

static void op_store(struct reader *reader)
{
	size_t index;
	struct view *view = pick(reader, &index);

	if (view)
		view_store_some(view);
}

static void op_drop(struct reader *reader)
{
	struct view *view = part(reader);

	if (view)
		view_drop(view);
}

static void op_advise(struct reader *reader)
{
	struct view *view = part(reader);

	if (view)
		view_advise(view);
}

static void check_some(const struct view *view, const char *when)
{
	struct view some = *view;

	if (view->pages <= SMALL || !chance(8)) {
		view_check(view, when);
		return;
	}
	size_t page = chance((uint32_t)(view->pages - SMALL));
	some.pages = SMALL;
	some.at += page * PAGE;
	some.from += page;
	some.stamps = view->stamps ? view->stamps + page : NULL;
	view_check(&some, when);
}

static void op_check(struct reader *reader)
{
	size_t index;
	struct view *view = pick(reader, &index);

	if (view)
		check_some(view, "checked again");
}

void reader_check(const struct reader *reader, const char *when)
{
	for (size_t i = 0; i < reader->count; i++)
		check_some(&reader->views[i], when);
}

static void op_wait(struct reader *reader)
{
	(void)reader;
	doing(DOING_WAIT, -1);
	sleep_us(chance(6000));
}

/* With the snapshot held by this very thread: nobody but the lease thread can save it. */
static void op_change(struct reader *reader)
{
	size_t index;
	struct view *view = pick(reader, &index);

	if (reader->unprivileged)
		return;
	if (!view || !view->capture || !chance(3)) {
		change(file_choose());
		return;
	}
	change(view->capture->file);
	view_check(view, "after a change by this thread");
}

/* ---- many of one kind, while the writers are after the same file ---- */

static void burst_step(struct reader *reader, struct view *view, unsigned int kind, int was)
{
	struct wish wish = { .file = view->capture->file };
	size_t pages = view->pages;

	switch (kind) {
	case 0:
		view_protect(view, PROT_NONE);
		view_protect(view, was);
		break;
	case 1:
		view_move(view);
		break;
	case 2:
		view_grow(view, pages + 1 + chance(4));
		if (view->pages > pages)
			view_shrink(view, pages);
		break;
	case 3:
		view_advise(view);
		break;
	case 4:
		if (reader->count < VIEWS && snapshot_take(reader, &wish))
			view_unmap(reader, &reader->views[reader->count - 1]);
		break;
	default:
		view_drop(view);
		view_store_some(view);
	}
}

static void op_burst(struct reader *reader)
{
	int64_t until_us = now_us() + 30000;
	unsigned int kind = chance(6);
	struct view *view = part(reader);

	if (!view || !view->capture || view->pages > SMALL || !(view->protection & PROT_READ))
		return;
	int was = view->protection;
	atomic_store(&state->hot, view->capture->file);
	for (int i = 0; i < 500 && now_us() < until_us; i++) {
		burst_step(reader, view, kind, was);
		view_check(view, "in a burst");
	}
	atomic_store(&state->hot, -1);
}

/* ---- all ---- */

static const struct {
	void (*run)(struct reader *reader);
	unsigned int weight;
} operations[] = {
	{ op_map, 40 },	  { op_unmap, 16 },  { op_cover, 4 },  { op_shrink, 3 }, { op_grow, 5 },
	{ op_move, 5 },	  { op_protect, 8 }, { op_store, 8 },  { op_drop, 4 },	 { op_advise, 4 },
	{ op_check, 30 }, { op_wait, 10 },   { op_change, 2 }, { op_burst, 2 },	 { reader_fork, 1 },
};

static unsigned int all_weights(void)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < COUNT(operations); i++)
		sum += operations[i].weight;
	return sum;
}

void reader_run(struct reader *reader, unsigned int count, int64_t until_us)
{
	unsigned int weights = all_weights();

	while (count-- && !over() && now_us() < until_us) {
		unsigned int at = chance(weights);
		size_t i = 0;
		while (at >= operations[i].weight)
			at -= operations[i++].weight;
		operations[i].run(reader);
	}
}

void reader_finish(struct reader *reader)
{
	reader_check(reader, "at the end");
	while (reader->count && chance(8))
		view_unmap(reader, &reader->views[reader->count - 1]);
	doing(DOING_NOTHING, -1);
}
