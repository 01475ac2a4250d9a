/* SPDX-License-Identifier: MIT */
/*
 * Reserves and anchors: see extent.h. Others may be doubling out of a reserve without the
 * lock (quick.h): they are asked before one goes.
 */
#include <errno.h>
#include <sys/mman.h>

#include "kernel/raw.h"
#include "nonlinear/copy.h"
#include "nonlinear/extent.h"
#include "nonlinear/quick.h"

#define LEAST_PAGES 256

/* The most that is mapped beforehand. Address space is what a 32-bit program has least of. */
#define MOST_PAGES (sizeof(long) == 8 ? UINT64_C(1) << 32 : UINT64_C(1) << 15)
#define MOST_HOPS  64

static uintptr_t any_reserve(const struct window *window)
{
	for (int i = 0; i < PROTECTIONS; i++)
		if (window->reserve[i])
			return window->reserve[i];
	return 0;
}

/* A mapping that somebody may still use stays for good. */
void extent_drop(struct window *window)
{
	bool unused = quick_withdraw();

	for (int i = 0; i < PROTECTIONS; i++) {
		if (unused)
			copy_unmap(window->reserve[i], window->pages);
		window->reserve[i] = 0;
	}
	window->pages = 0;
}

/* Before the reserves go: the lowest page stays at hand. */
static int keep_anchor(struct window *window)
{
	if (window->anchor)
		return 0;
	struct vma shown;
	long at = copy_anchor(any_reserve(window), &shown);
	if (raw_failed(at))
		return (int)at;
	window->anchor = (uintptr_t)at;
	return 0;
}

int extent_reserve(struct window *window, int protection)
{
	uintptr_t from = any_reserve(window);
	long at = from ? (long)from : copy_reach(window->anchor, window->base, window->first);

	if (raw_failed(at))
		return (int)at;
	uintptr_t temporary = !from && (uintptr_t)at != window->anchor ? (uintptr_t)at : 0;
	at = copy_make((uintptr_t)at, window->pages);
	copy_unmap(temporary, 1);
	if (raw_failed(at))
		return (int)at;
	long r = raw(SYS_mprotect, at, window->pages * PAGE_BYTES, protection);
	if (r) {
		copy_unmap((uintptr_t)at, window->pages);
		return (int)r;
	}
	window->reserve[protection] = (uintptr_t)at;
	if (window->first == window->base) {
		copy_unmap(window->anchor, 1);
		window->anchor = 0;
	}
	return 0;
}

/* ---- how much of the file ---- */

/* ---- how much of the file ---- */

static uint64_t power_above(uint64_t count)
{
	uint64_t power = LEAST_PAGES;

	while (power < count)
		power *= 2;
	return power;
}

bool extent_covers(const struct window *window, uint64_t page, uint64_t pages)
{
	return page >= window->first && page + pages <= window->first + window->pages;
}

/* From the lowest page on as far as can be; else the surroundings of what is wanted. */
int extent_choose(struct window *window, uint64_t page, uint64_t pages)
{
	uint64_t wanted = page + pages - window->base;

	if (pages > MOST_PAGES ||
	    wanted > (sizeof(long) == 8 ? MOST_PAGES : MOST_HOPS * COPY_PAGES))
		return -E2BIG;
	int r = keep_anchor(window);
	if (r)
		return r;
	extent_drop(window);
	window->first = window->base;
	if (wanted <= MOST_PAGES) {
		window->pages = window->transient ? wanted : power_above(wanted);
		return 0;
	}
	uint64_t block = window->base + (page - window->base) / (MOST_PAGES / 2) * (MOST_PAGES / 2);
	window->first = page + pages - block <= MOST_PAGES ? block : page;
	window->pages = MOST_PAGES;
	return 0;
}

/* ---- lower pages than the window began with ---- */

/* ---- lower pages than the window began with ---- */

void extent_set_base(struct window *window, uintptr_t anchor, uint64_t page, enum way way)
{
	extent_drop(window);
	copy_unmap(window->anchor, 1);
	window->anchor = anchor;
	window->base = window->first = page;
	window->way = way;
}

/* Somewhere else in the process. */
static bool find_lower(const struct vma *area, uint64_t page, struct vma *low)
{
	struct vma_walk walk;
	struct vma other;
	bool found = false;

	low->offset = 0;
	vma_walk_begin(&walk, -1);
	for (uintptr_t at = 0; !vma_walk_to(&walk, at, &other, NULL, 0); at = other.end)
		if (vma_shares_file(area, &other) && window_first_page(&other) <= page &&
		    window_truly_shared(&other) && (!found || other.offset < low->offset)) {
			*low = other;
			found = true;
		}
	vma_walk_end(&walk);
	return found;
}

/* -EAGAIN: there is none, or other threads change it too often. */
static long anchor_lower(const struct vma *area, uint64_t wanted, uint64_t *page)
{
	struct vma low;

	for (int i = 0; i < WINDOW_ATTEMPTS && find_lower(area, wanted, &low); i++) {
		long anchor = window_anchor(area, low.start, page);
		if (anchor == -ENOMEM || (!raw_failed(anchor) && *page <= wanted))
			return anchor;
		if (!raw_failed(anchor))
			copy_unmap((uintptr_t)anchor, 1);
	}
	return -EAGAIN;
}

int extent_lower(struct window *window, const struct vma *area, uint64_t page)
{
	enum way way = WAY_MAPPING;
	uint64_t base;
	long anchor = anchor_lower(area, page, &base);

	if (anchor == -EAGAIN) {
		anchor = reach_map(area, 0, PAGE_BYTES, PROT_NONE, MAP_SHARED, 0, &way);
		base = 0;
	}
	if (way == WAY_NONE)
		return -ENODATA;
	if (raw_failed(anchor))
		return (int)anchor;
	copy_clean((uintptr_t)anchor, 1);
	extent_set_base(window, (uintptr_t)anchor, base, way);
	return 0;
}
