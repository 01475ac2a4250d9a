/* SPDX-License-Identifier: MIT */
/*
 * Anchors: a mapping of ours for each file whose remap_file_pages is emulated. mremap with
 * old_size=0 doubles it, page by page, into the program's mapping: no descriptor, no name and no
 * permission are needed, and it is the very open file that the program mapped, so that areas merge
 * as the kernel's own do. An anchor goes with the program's last mapping of the file. All of it
 * inside a scope. An anchor begins as one page without access, the lowest of the file that can be
 * reached, and grows with what is asked for. Address space is what a 32-bit program, or one under
 * RLIMIT_AS, has least of: there it stays small.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "support/sys.h"
#include "nonlinear/nonlinear.h"
#include "mapping/index.h"
#include "kernel/vma.h"
#include "support/arena.h"
#include "support/lock.h"

#define LEAST_PAGES 256
#define MOST_PAGES  (sizeof(long) == 8 ? UINT64_C(1) << 32 : UINT64_C(1) << 13)

/* How often is looked again when other threads change what was found. */
#define ATTEMPTS 8

struct anchor {
	uint64_t device, inode;
	uintptr_t low, high;		 /* the program's mappings of the file lie between */
	uintptr_t known_low, known_high; /* there it is this file by its name, and truly shared */
	enum way way;
	uintptr_t address; /* shows pages of the file from base on */
	uint64_t base, pages;
	int protection;
	struct anchor *next;
};

static struct lock lock;
static struct anchor *anchors;
static struct bounds bounds = BOUNDS_EMPTY;

void anchors_take(void)
{
	gate_take(&lock);
}

void anchors_drop(void)
{
	lock_drop(&lock);
}

bool anchor_may_touch(uintptr_t start, uintptr_t end)
{
	return bounds_touch(&bounds, start, end);
}

/* ---- the table ---- */

static bool has_file(const struct anchor *anchor, const struct vma *area)
{
	const struct vma own = { .start = anchor->address,
				 .device = anchor->device,
				 .inode = anchor->inode,
				 .shared = true };

	return (area->start >= anchor->known_low && area->end <= anchor->known_high &&
		vma_shares_file(area, &own)) ||
	       vma_shares_file_by_name(area, &own);
}

static struct anchor *anchor_of(const struct vma *area)
{
	struct anchor *anchor = anchors;

	while (anchor && !has_file(anchor, area))
		anchor = anchor->next;
	return anchor;
}

static void widen(struct anchor *anchor, uintptr_t start, uintptr_t end)
{
	if (start < anchor->low)
		anchor->low = start;
	if (end > anchor->high)
		anchor->high = end;
	bounds_widen(&bounds, start, end);
}

/* A new one; without memory for it what is mapped goes. */
static struct anchor *anchor_add(const struct vma *area, uintptr_t address, uint64_t page,
				 enum way way)
{
	struct anchor *anchor = arena_alloc(sizeof(*anchor));

	if (!anchor) {
		copy_unmap(address, 1);
		return NULL;
	}
	*anchor = (struct anchor){ .device = area->device,
				   .inode = area->inode,
				   .low = area->start,
				   .high = area->end,
				   .way = way,
				   .address = address,
				   .base = page,
				   .pages = 1,
				   .next = anchors };
	anchors = anchor;
	bounds_widen(&bounds, anchor->low, anchor->high);
	return anchor;
}

static void renew_range(void)
{
	uintptr_t lowest = UINTPTR_MAX, highest = 0;

	for (const struct anchor *anchor = anchors; anchor; anchor = anchor->next) {
		lowest = anchor->low < lowest ? anchor->low : lowest;
		highest = anchor->high > highest ? anchor->high : highest;
	}
	bounds_set(&bounds, lowest, highest);
}

static void anchor_remove(struct anchor *anchor)
{
	struct anchor **link = &anchors;

	while (*link != anchor)
		link = &(*link)->next;
	*link = anchor->next;
	copy_unmap(anchor->address, anchor->pages);
	arena_free(anchor, sizeof(*anchor));
	renew_range();
}

static void replace(struct anchor *before, struct anchor *anchor)
{
	widen(anchor, before->low, before->high);
	anchor_remove(before);
}

/* ---- where one comes from ---- */

static bool is_ours(uintptr_t address)
{
	for (const struct anchor *anchor = anchors; anchor; anchor = anchor->next)
		if (address == anchor->address)
			return true;
	return false;
}

/* A sealed memfd's mapping cannot be made writable, and yet is a shared one to the kernel. */
static bool is_sealed(const struct vma *area)
{
	struct attributes attributes;

	attributes_read_apart(area->start, &attributes);
	return attributes.flags & ATTRIBUTE_SHARED;
}

/* It cannot be made writable: tried on a copy. */
static bool truly_shared(const struct vma *area)
{
	if (area->protection & PROT_WRITE)
		return true;
	long at = copy_make(area->start, 1);
	if (sys_failed(at))
		return true;
	long r = sys_mprotect(at, PAGE_BYTES, PROT_READ | PROT_WRITE);
	copy_unmap((uintptr_t)at, 1);
	return r != -EACCES || is_sealed(area);
}

int anchor_check(const struct vma *area)
{
	struct anchor *anchor = anchor_of(area);

	if (anchor && area->start >= anchor->known_low && area->end <= anchor->known_high)
		return 0;
	if (!truly_shared(area))
		return -EINVAL;
	if (anchor) {
		anchor->known_low = area->start;
		anchor->known_high = area->end;
	}
	return 0;
}

/* Huge pages are doubled by no kernel, nor is what some drivers map. */
static bool can_be_doubled(const struct vma *area)
{
	long at = copy_make(area->start, 1);

	copy_unmap((uintptr_t)at, 1);
	return at != -EINVAL && at != -EFAULT;
}

/* The program's mapping of the file that shows its lowest page, and the bounds of them all. */
static bool find_lowest(const struct vma *area, struct vma *lowest, struct bounds *all)
{
	struct vma_walk walk;
	struct vma other;
	bool found = false;

	vma_walk_begin(&walk, -1);
	for (uintptr_t at = 0; !vma_walk_to(&walk, at, &other, NULL, 0); at = other.end) {
		if (is_ours(other.start) || !vma_shares_file_by_name(area, &other))
			continue;
		bounds_widen(all, other.start, other.end);
		if ((found && other.offset >= lowest->offset) || !truly_shared(&other))
			continue;
		*lowest = other;
		found = true;
	}
	vma_walk_end(&walk);
	return found;
}

/* Out of the program's mappings; other threads may be changing them. -EAGAIN: none shows a page so
 * low. */
static long page_of_mappings(const struct vma *area, uint64_t wanted, uint64_t *page,
			     struct bounds *all)
{
	struct vma lowest;

	for (int i = 0; i < ATTEMPTS && find_lowest(area, &lowest, all); i++) {
		if (lowest.offset / PAGE_BYTES > wanted)
			break;
		long at = copy_page(area, lowest.start, page);
		if (at == -ENOMEM || (!sys_failed(at) && *page <= wanted))
			return at;
		copy_unmap((uintptr_t)at, 1);
	}
	return -EAGAIN;
}

/* By whatever way there is. NULL with *error and, where none leads to the file, WAY_NONE. */
static struct anchor *anchor_make(const struct vma *area, uint64_t wanted, long *error,
				  enum way *way)
{
	struct bounds all = BOUNDS_EMPTY;
	uint64_t page = 0;

	*way = WAY_NONE;
	*error = -EINVAL;
	if (!can_be_doubled(area))
		return NULL;
	*way = WAY_MAPPING;
	*error = page_of_mappings(area, wanted, &page, &all);
	if (*error == -EAGAIN) {
		*error = reopen_map(area, 0, PAGE_BYTES, PROT_NONE, MAP_SHARED, 0, way);
		if (!sys_failed(*error))
			copy_clean((uintptr_t)*error, 1);
	}
	if (sys_failed(*error))
		return NULL;
	struct anchor *anchor = anchor_add(area, (uintptr_t)*error, page, *way);
	if (anchor)
		widen(anchor, atomic_load(&all.lowest), atomic_load(&all.highest));
	else
		*error = -ENOMEM;
	return anchor;
}

/* ---- doubling ---- */

static bool address_space_is_limited(void)
{
	return sys_limit(RLIMIT_AS) != UINT64_MAX;
}

static bool covers(const struct anchor *anchor, uint64_t page, uint64_t pages)
{
	return page - anchor->base < anchor->pages &&
	       pages <= anchor->pages - (page - anchor->base);
}

/* So that this many pages are covered, if that is not too much. */
static void grow(struct anchor *anchor, uint64_t wanted)
{
	uint64_t pages = LEAST_PAGES;

	if (wanted > MOST_PAGES || address_space_is_limited())
		return;
	while (pages < wanted)
		pages *= 2;
	long at = copy_make(anchor->address, pages);
	if (sys_failed(at))
		return;
	copy_unmap(anchor->address, anchor->pages);
	anchor->address = (uintptr_t)at;
	anchor->pages = pages;
}

/* What is doubled must have the area's protection already: were it given afterwards, a thread that
 * reads there meanwhile would die. */
static int protect(struct anchor *anchor, int protection)
{
	if (anchor->protection == protection)
		return 0;
	long r = sys_mprotect(anchor->address, anchor->pages * PAGE_BYTES, protection);
	if (!r)
		anchor->protection = protection;
	return (int)r;
}

/* Pages that the anchor does not reach: a longer copy, whose tail is moved into place. */
static long move_far(const struct anchor *anchor, uint64_t page, uint64_t pages, uintptr_t to)
{
	uint64_t from = anchor->base + anchor->pages - 1;

	from = page < from ? page : from;
	long at = copy_far(anchor->address + (uintptr_t)((from - anchor->base) * PAGE_BYTES),
			   page - from, pages);
	if (sys_failed(at))
		return at;
	long r = sys_mremap(at, pages * PAGE_BYTES, pages * PAGE_BYTES,
			    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (sys_failed(r))
		copy_unmap((uintptr_t)at, pages);
	return r;
}

static long double_into(struct anchor *anchor, uint64_t page, uint64_t pages, int protection,
			uintptr_t to)
{
	if (!covers(anchor, page, pages))
		grow(anchor, page - anchor->base + pages);
	long r = protect(anchor, protection);
	if (r)
		return r;
	if (!covers(anchor, page, pages))
		return move_far(anchor, page, pages, to);
	return sys_mremap(anchor->address + (uintptr_t)((page - anchor->base) * PAGE_BYTES), 0,
			  pages * PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

/* Attachments of System V segments are counted, where everybody sees it: no anchor stays. */
static bool is_system_v(const struct vma *area)
{
	static const char prefix[] = "/SYSV";
	struct vma again;
	char name[16];

	return !vma_find(area->start, &again, name, sizeof(name)) &&
	       !strncmp(name, prefix, sizeof(prefix) - 1);
}

long anchor_double(const struct vma *area, uint64_t page, uint64_t pages, uintptr_t to,
		   enum way *way)
{
	struct anchor *anchor = anchor_of(area);
	bool passes = !anchor && is_system_v(area);
	long r = 0;

	struct anchor *before = anchor && page < anchor->base ? anchor : NULL;

	if (!anchor || before)
		anchor = anchor_make(area, page, &r, way);
	if (!anchor)
		return r;
	if (before)
		replace(before, anchor);
	*way = anchor->way;
	widen(anchor, area->start, area->end);
	r = double_into(anchor, page, pages, area->protection, to);
	if (passes)
		anchor_remove(anchor);
	return sys_failed(r) ? r : 0;
}

/* ---- what the program does with its mappings ---- */

/* Every mapping of /dev/zero is another file; and another thread may have closed the descriptor. */
static bool shows_same_file(uintptr_t address, const struct vma *area)
{
	struct vma vma;

	return vma_at(address, &vma, NULL, 0) && vma_shares_file_by_name(area, &vma);
}

/* Of the descriptor's file its first page; of memory without one the mapping's. */
static long page_to_note(const struct vma *area, int fd, uint64_t *page)
{
	long at = fd < 0 ? fd : place_map(PAGE_BYTES, PROT_NONE, MAP_SHARED, fd, 0);

	*page = 0;
	if (!sys_failed(at) && shows_same_file((uintptr_t)at, area)) {
		copy_clean((uintptr_t)at, 1);
		return at;
	}
	copy_unmap((uintptr_t)at, 1);
	return copy_page(area, area->start, page);
}

static void note(const struct vma *area, int fd)
{
	struct anchor *before = anchor_of(area);
	uint64_t page;

	if (before && !before->base) {
		widen(before, area->start, area->end);
		return;
	}
	if (!before && !can_be_doubled(area))
		return;
	long at = page_to_note(area, fd, &page);
	if (sys_failed(at))
		return;
	struct anchor *anchor = anchor_add(area, (uintptr_t)at, page, WAY_MAPPING);
	if (anchor && before)
		replace(before, anchor);
}

void anchor_note(uintptr_t address, size_t length, int fd)
{
	struct vma area;

	/* To the kernel it is no shared mapping. */
	if (fd >= 0 && (sys_fcntl(fd, F_GETFL, 0) & O_ACCMODE) != O_RDWR)
		return;
	anchors_take();
	if (vma_at(address, &area, NULL, 0) && area.shared && vma_has_file(&area) &&
	    area.end >= address + PAGE_UP(length))
		note(&area, fd);
	anchors_drop();
}

void anchor_note_moved(uintptr_t start, uintptr_t end)
{
	struct vma area;

	anchors_take();
	struct anchor *anchor = NULL;
	if (vma_at(start, &area, NULL, 0) && area.shared)
		anchor = anchor_of(&area);
	if (anchor)
		widen(anchor, start, end);
	anchors_drop();
}

/* The first area from an address on that is of the anchor's file, and is the program's. */
static bool find_part(const struct anchor *anchor, uintptr_t from, struct vma *area)
{
	struct vma_walk walk;
	bool found = false;

	vma_walk_begin(&walk, -1);
	for (; !found && from < anchor->high && !vma_walk_to(&walk, from, area, NULL, 0);
	     from = area->end)
		found = area->shared && has_file(anchor, area) && !is_ours(area->start);
	vma_walk_end(&walk);
	return found && area->start < anchor->high;
}

/* The lower bound follows; false when nothing is left between them. The upper one stays: what is
 * unmapped below it costs a look at the lower one. */
static bool shrink(struct anchor *anchor, uintptr_t start, uintptr_t end)
{
	struct vma area;

	/* What lies there now may be of another open file. */
	if (start <= anchor->low && end >= anchor->high)
		return false;
	anchor->known_low = anchor->known_high = 0;
	if (!find_part(anchor, anchor->low, &area))
		return false;
	if (area.start > anchor->low)
		anchor->low = area.start;
	return true;
}

void anchor_note_gone(uintptr_t start, uintptr_t end)
{
	anchors_take();
	for (struct anchor *anchor = anchors, *next; anchor; anchor = next) {
		next = anchor->next;
		if (start < anchor->high && end > anchor->low && !shrink(anchor, start, end))
			anchor_remove(anchor);
	}
	renew_range();
	anchors_drop();
}

/* ---- what the program does with all of its memory ---- */

void anchors_trim(void)
{
	anchors_take();
	for (struct anchor *anchor = anchors; anchor; anchor = anchor->next) {
		copy_unmap(anchor->address + PAGE_BYTES, anchor->pages - 1);
		anchor->pages = 1;
		protect(anchor, PROT_NONE);
		copy_clean(anchor->address, 1);
	}
	anchors_drop();
}

/* The gate is closed. */
void anchors_before_fork(void)
{
	lock_take(&lock);
	lock_drop(&lock);
}

/* Of files that the child has not inherited. */
static void remove_unused(void)
{
	struct vma area;

	for (struct anchor *anchor = anchors, *next; anchor; anchor = next) {
		next = anchor->next;
		if (!find_part(anchor, anchor->low, &area))
			anchor_remove(anchor);
	}
}

/* A thread that was in here when the process was copied, by a raw clone, left the table as it was;
 * its mappings stay then, and nobody knows them. */
void anchors_after_fork(void)
{
	if (!lock_try(&lock))
		anchors = NULL;
	lock_reset(&lock);
	reopen_after_fork();
	if (emulate_has_attributes())
		remove_unused();
	renew_range();
}
