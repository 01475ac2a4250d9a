/* SPDX-License-Identifier: MIT */
/*
 * The table of windows: see window.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kernel/raw.h"
#include "nonlinear/copy.h"
#include "nonlinear/window.h"
#include "support/arena.h"

struct range window_range = RANGE_EMPTY;
static struct window *windows;

struct window *window_first(void)
{
	return windows;
}

/* ---- the program's areas ---- */

uint64_t window_first_page(const struct vma *area)
{
	return area->offset / PAGE_BYTES;
}

/* It cannot be made writable: tried on a copy. */
bool window_truly_shared(const struct vma *area)
{
	if (area->protection & PROT_WRITE)
		return true;
	long copy = copy_make(area->start, 1);
	if (raw_failed(copy))
		return true;
	long r = raw(SYS_mprotect, copy, PAGE_BYTES, PROT_READ | PROT_WRITE);
	copy_unmap((uintptr_t)copy, 1);
	return r != -EACCES;
}

static bool is_of_run(const struct vma *area, const struct vma *other)
{
	return vma_shares_file(area, other) && window_truly_shared(other);
}

static void extend_down(const struct vma *area, struct window *run, struct vma *low)
{
	struct vma other;

	while (!vma_find(run->start - 1, &other, NULL, 0) && other.end == run->start &&
	       is_of_run(area, &other)) {
		run->start = other.start;
		if (other.offset < low->offset)
			*low = other;
	}
}

/* Where each look means to list them from the first on: all of them once, upwards. */
static void extend_down_listed(const struct vma *area, struct window *run, struct vma *low)
{
	struct vma_walk walk;
	struct vma other, lowest = { .end = 0 };
	uintptr_t start = 0, end = 0; /* of the run that leads here, as far as it goes */

	vma_walk_begin(&walk, -1);
	for (uintptr_t at = 0;
	     !vma_walk_to(&walk, at, &other, NULL, 0) && other.start < area->start;
	     at = other.end) {
		if (!is_of_run(area, &other))
			continue;
		if (!end || other.start != end) {
			start = other.start;
			lowest = other;
		}
		if (other.offset < lowest.offset)
			lowest = other;
		end = other.end;
	}
	vma_walk_end(&walk);
	if (!end || end != area->start)
		return;
	run->start = start;
	if (lowest.offset < low->offset)
		*low = lowest;
}

void window_find_run(const struct vma *area, struct window *run, struct vma *low)
{
	struct vma_walk walk;
	struct vma other;

	*low = *area;
	run->start = area->start;
	run->end = area->end;
	vma_walk_begin(&walk, -1);
	while (!vma_walk_to(&walk, run->end, &other, NULL, 0) && other.start == run->end &&
	       is_of_run(area, &other)) {
		run->end = other.end;
		if (other.offset < low->offset)
			*low = other;
	}
	bool listed = vma_walk_lists(&walk);
	vma_walk_end(&walk);
	if (listed)
		extend_down_listed(area, run, low);
	else
		extend_down(area, run, low);
}

long window_anchor(const struct vma *area, uintptr_t from, uint64_t *page)
{
	struct vma shown;
	long at = copy_anchor(from, &shown);

	if (raw_failed(at))
		return at;
	if (!vma_shares_file(area, &shown)) {
		copy_unmap((uintptr_t)at, 1);
		return -EAGAIN;
	}
	*page = window_first_page(&shown);
	return at;
}

static bool address_space_is_limited(void)
{
	struct {
		uint64_t soft, hard;
	} limit;

	return !raw(SYS_prlimit64, 0, RLIMIT_AS, 0, &limit) && limit.soft != UINT64_MAX;
}

/* Attachments of System V segments are counted, where everybody sees it. */
static bool is_system_v(const struct vma *area)
{
	static const char prefix[] = "/SYSV";
	struct vma again;
	char name[16];

	return !vma_find(area->start, &again, name, sizeof(name)) &&
	       !strncmp(name, prefix, sizeof(prefix) - 1);
}

/* ---- the table ---- */

static bool has_file(const struct window *window, const struct vma *area)
{
	return area->inode == window->inode && area->device == window->device;
}

struct window *window_of(const struct vma *area)
{
	struct window *window = windows;

	while (window && (area->start >= window->end || area->end <= window->start ||
			  !has_file(window, area)))
		window = window->next;
	return window;
}

void window_range_renew(void)
{
	uintptr_t lowest = UINTPTR_MAX, highest = 0;

	for (const struct window *window = windows; window; window = window->next) {
		lowest = window->start < lowest ? window->start : lowest;
		highest = window->end > highest ? window->end : highest;
	}
	/* Whoever reads in between sees more than there is, never less. */
	atomic_store(&window_range.lowest, lowest);
	atomic_store(&window_range.highest, highest);
}

/* A window that the run has grown out of. */
static struct window *window_grown(const struct vma *area, const struct window *run)
{
	struct window *window = windows;

	while (window && (window->refused || run->start > window->end || run->end < window->start ||
			  !has_file(window, area)))
		window = window->next;
	if (!window)
		return NULL;
	if (run->start < window->start)
		window->start = run->start;
	if (run->end > window->end)
		window->end = run->end;
	range_widen(&window_range, window->start, window->end);
	return window;
}

/* The way to the lowest page. Another thread may be changing the run: then it is looked at again,
 * and in the end any other way is taken; EINVAL would say something of the area itself. */
static int anchor_run(struct window *window, const struct vma *area, const struct vma *lowest)
{
	struct vma low = *lowest;
	struct window run;
	long at = -EAGAIN;

	for (int i = 0; i < WINDOW_ATTEMPTS; i++) {
		at = window_anchor(area, low.start, &window->base);
		if (!raw_failed(at)) {
			window->anchor = (uintptr_t)at;
			window->first = window->base;
			return 0;
		}
		if (at == -ENOMEM)
			break;
		window_find_run(area, &run, &low);
	}
	return at == -EINVAL ? -EAGAIN : (int)at;
}

static void add(struct window *window)
{
	window->next = windows;
	windows = window;
	range_widen(&window_range, window->start, window->end);
}

struct window *window_new(const struct vma *area, int *error)
{
	struct window *window = arena_alloc(sizeof(*window)), *grown;
	struct vma low;

	*error = -ENOMEM;
	if (!window)
		return NULL;
	window->device = area->device;
	window->inode = area->inode;
	if (!window_truly_shared(area)) {
		window->refused = true;
		window->start = area->start;
		window->end = area->end;
		add(window);
		return window;
	}
	window_find_run(area, window, &low);
	grown = window_grown(area, window);
	if (grown) {
		arena_free(window, sizeof(*window));
		return grown;
	}
	window->way = WAY_MAPPING;
	window->transient = address_space_is_limited() || is_system_v(area);
	*error = anchor_run(window, area, &low);
	if (*error) {
		arena_free(window, sizeof(*window));
		return NULL;
	}
	add(window);
	return window;
}

void window_remove(struct window *window)
{
	struct window **link = &windows;

	while (*link != window)
		link = &(*link)->next;
	*link = window->next;
	arena_free(window, sizeof(*window));
	window_range_renew();
}

void window_forget_all(void)
{
	windows = NULL;
}

/* ---- what is left of them ---- */

static bool is_reserve(uintptr_t address)
{
	for (const struct window *window = windows; window; window = window->next) {
		if (address == window->anchor)
			return true;
		for (int i = 0; i < PROTECTIONS; i++)
			if (address == window->reserve[i] && address)
				return true;
	}
	return false;
}

/* The first area from an address on that is of the window's file, and is the program's. */
static bool find_part(const struct window *window, uintptr_t from, struct vma *area)
{
	struct vma_walk walk;
	bool found = false;

	vma_walk_begin(&walk, -1);
	for (; !found && from < window->end && !vma_walk_to(&walk, from, area, NULL, 0);
	     from = area->end)
		found = area->shared && has_file(window, area) && !is_reserve(area->start);
	vma_walk_end(&walk);
	return found && area->start < window->end;
}

/* Parts that are gone at the edges are no part of the window any more. */
bool window_shrink(struct window *window, uintptr_t start, uintptr_t end)
{
	struct vma area;

	if (window->refused || (start <= window->start && end >= window->end))
		return false;
	if (!find_part(window, window->start, &area))
		return false;
	if (area.start > window->start)
		window->start = area.start;
	if (end >= window->end && start > window->start && start < window->end &&
	    !find_part(window, start, &area))
		window->end = start;
	return true;
}
