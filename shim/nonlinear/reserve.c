/* SPDX-License-Identifier: MIT */
/*
 * What the others ask of windows and their reserves, under one lock: see reserve.h. A forked
 * child inherits the mappings and the table.
 */
#include <errno.h>
#include <sys/mman.h>

#include "kernel/raw.h"
#include "nonlinear/copy.h"
#include "nonlinear/extent.h"
#include "nonlinear/quick.h"
#include "nonlinear/reserve.h"
#include "support/gate.h"
#include "support/lock.h"
#include "support/place.h"

static struct lock windows_lock;

/* Where the program has, or had, shared mappings that no window of ours is made for yet. */
static struct range shared_range = RANGE_EMPTY;

bool reserve_may_touch(uintptr_t start, uintptr_t end)
{
	return range_touches(&window_range, start, end);
}

void reserve_note_shared(uintptr_t start, uintptr_t end)
{
	range_widen(&shared_range, start, end);
}

bool reserve_may_cut(uintptr_t start, uintptr_t end)
{
	return range_touches(&shared_range, start, end);
}

static void publish(const struct window *window, int protection)
{
	quick_publish(&(const struct quick){
		.device = window->device,
		.inode = window->inode,
		.start = window->start,
		.end = window->end,
		.first = window->first,
		.pages = window->pages,
		.reserve = window->reserve[protection],
		.protection = protection,
	});
}

static int get(const struct vma *area, uint64_t page, uint64_t pages, struct source *out)
{
	struct window *window = window_of(area);
	int r = 0;

	if (!window)
		window = window_new(area, &r);
	if (!window)
		return r;
	if (window->refused)
		return -EINVAL;
	if (page < window->base && (r = extent_lower(window, area, page)))
		return r;
	if (!extent_covers(window, page, pages) && (r = extent_choose(window, page, pages)))
		return r;
	if (!window->reserve[area->protection] && (r = extent_reserve(window, area->protection)))
		return r;
	*out = (struct source){
		.address = window->reserve[area->protection] +
			   (uintptr_t)((page - window->first) * PAGE_BYTES),
		.way = window->way,
		.transient = window->transient,
	};
	if (!window->transient && window->way == WAY_MAPPING)
		publish(window, area->protection);
	return 0;
}

int reserve_get(const struct vma *area, uint64_t page, uint64_t pages, struct source *out)
{
	gate_wait();
	lock_take(&windows_lock);
	int r = get(area, page, pages, out);
	if (!r)
		out->reader = quick_enter();
	lock_drop(&windows_lock);
	return r;
}

static void release(struct window *window)
{
	extent_drop(window);
	copy_unmap(window->anchor, 1);
	window_remove(window);
}

void reserve_release(const struct vma *area)
{
	gate_wait();
	lock_take(&windows_lock);
	struct window *window = window_of(area);
	if (window)
		release(window);
	lock_drop(&windows_lock);
}

/* Every mapping of /dev/zero is another file; and another thread may have closed the descriptor. */
static bool shows_same_file(uintptr_t address, const struct vma *area)
{
	struct vma vma;

	return !vma_find(address, &vma, NULL, 0) && vma.start <= address &&
	       vma_shares_file(area, &vma);
}

static void prepare(const struct vma *area, int fd)
{
	int error;

	if (!area->shared || !area->offset || window_of(area))
		return;
	struct window *window = window_new(area, &error);
	if (!window || window->refused || !window->base)
		return;
	long anchor = place_map(PAGE_BYTES, PROT_NONE, MAP_SHARED, fd, 0);
	if (raw_failed(anchor))
		return;
	if (!shows_same_file((uintptr_t)anchor, area)) {
		copy_unmap((uintptr_t)anchor, 1);
		return;
	}
	copy_clean((uintptr_t)anchor, 1);
	extent_set_base(window, (uintptr_t)anchor, 0, WAY_MAPPING);
}

void reserve_prepare(uintptr_t address, size_t length, int fd)
{
	struct vma area;

	if (vma_find(address, &area, NULL, 0) || area.start > address ||
	    area.end < address + PAGE_UP(length))
		return;
	gate_wait();
	lock_take(&windows_lock);
	prepare(&area, fd);
	lock_drop(&windows_lock);
}

/* Whether a part will be left that is not together with the lowest page any more. */
static bool loses_lowest(const struct window *run, const struct vma *low, uintptr_t start,
			 uintptr_t end)
{
	return (run->start < start && low->start >= start) || (run->end > end && low->start < end);
}

/* Only while it is mapped can the lowest page of a run be doubled with the open file that it has:
 * opened anew, areas would not merge with what is left. */
static void keep_lowest(uintptr_t at, uintptr_t start, uintptr_t end)
{
	struct vma area, low;
	struct window run;
	int error;

	if (vma_find(at, &area, NULL, 0) || area.start > at || !area.shared ||
	    !vma_has_file(&area) || window_of(&area))
		return;
	window_find_run(&area, &run, &low);
	if (loses_lowest(&run, &low, start, end))
		window_new(&area, &error);
}

void reserve_before_cut(uintptr_t start, uintptr_t end)
{
	if (end <= start)
		return;
	gate_wait();
	lock_take(&windows_lock);
	/* What is left of a run that is cut lies before the range or behind it. */
	keep_lowest(start, start, end);
	keep_lowest(end - 1, start, end);
	lock_drop(&windows_lock);
}

void reserve_forget(uintptr_t start, uintptr_t end)
{
	gate_wait();
	lock_take(&windows_lock);
	for (struct window *window = window_first(), *next; window; window = next) {
		next = window->next;
		if (start < window->end && end > window->start &&
		    !window_shrink(window, start, end))
			release(window);
	}
	window_range_renew();
	lock_drop(&windows_lock);
}

/* A thread that was in here when the process was copied left the table as it was; its mappings stay
 * then, and nobody knows them. */
void reserve_after_fork(void)
{
	if (!lock_try(&windows_lock))
		window_forget_all();
	lock_reset(&windows_lock);
	quick_after_fork();
	reach_after_fork();
	window_range_renew();
}
