/* SPDX-License-Identifier: MIT */
/*
 * The windows that were emulated, and a linear mapping of each one's file: see
 * reserve.h. A window is a run of shared areas of one file. Under one lock; a
 * forked child inherits the mappings and the table.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kernel/raw.h"
#include "nonlinear/quick.h"
#include "nonlinear/reserve.h"
#include "support/arena.h"
#include "support/gate.h"
#include "support/lock.h"

#define PROTECTIONS 8 /* combinations of PROT_READ, PROT_WRITE, PROT_EXEC */
#define LEAST_PAGES 256

/* The most that is mapped beforehand. Address space is what a 32-bit program has least of. */
#define MOST_PAGES (sizeof(long) == 8 ? UINT64_C(1) << 32 : UINT64_C(1) << 15)
/* How far one doubling reaches. */
#define HOP_PAGES (sizeof(long) == 8 ? UINT64_C(1) << 32 : UINT64_C(1) << 17)
#define MOST_HOPS 64

struct window {
	uintptr_t start, end; /* of the program's memory */
	uint64_t device, inode;
	enum way way;
	bool transient, refused;
	uint64_t base;	  /* the lowest page that can be reached */
	uintptr_t anchor; /* shows that page; 0 when the reserves begin with it */
	uint64_t first, pages;
	uintptr_t reserve[PROTECTIONS];
	struct window *next;
};

static struct lock windows_lock;
static struct window *windows;
static atomic_bool copies_unclean;
static _Atomic uintptr_t lowest = UINTPTR_MAX, highest;

/* Where the program has, or had, shared mappings that no window of ours is made for yet. */
static _Atomic uintptr_t shared_lowest = UINTPTR_MAX, shared_highest;

bool reserve_may_touch(uintptr_t start, uintptr_t end)
{
	return start < atomic_load_explicit(&highest, memory_order_acquire) &&
	       end > atomic_load_explicit(&lowest, memory_order_acquire);
}

void reserve_note_shared(uintptr_t start, uintptr_t end)
{
	uintptr_t low = atomic_load(&shared_lowest), high = atomic_load(&shared_highest);

	while (start < low && !atomic_compare_exchange_weak(&shared_lowest, &low, start))
		;
	while (end > high && !atomic_compare_exchange_weak(&shared_highest, &high, end))
		;
}

bool reserve_may_cut(uintptr_t start, uintptr_t end)
{
	return start < atomic_load_explicit(&shared_highest, memory_order_acquire) &&
	       end > atomic_load_explicit(&shared_lowest, memory_order_acquire);
}

void reserve_clean_copies(void)
{
	atomic_store(&copies_unclean, true);
}

static void unmap(uintptr_t address, uint64_t pages)
{
	if (address)
		raw(SYS_munmap, address, pages * PAGE_BYTES);
}

/* ---- copies ---- */

static void clean(uintptr_t address, uint64_t pages)
{
	static const int neutral[] = { MADV_NORMAL, MADV_DOFORK, MADV_DODUMP };

	if (!atomic_load(&copies_unclean))
		return;
	raw(SYS_munlock, address, pages * PAGE_BYTES);
	for (size_t i = 0; i < sizeof(neutral) / sizeof(*neutral); i++)
		raw(SYS_madvise, address, pages * PAGE_BYTES, neutral[i]);
	raw(SYS_pkey_mprotect, address, pages * PAGE_BYTES, PROT_NONE, 0);
}

/* Doubles the mapping at from, as far as pages go, with a free page on both sides: nothing of the
 * program's is to merge with it. */
static long copy_of(uintptr_t from, uint64_t pages)
{
	size_t size = (size_t)(pages * PAGE_BYTES);
	long room = raw_mmap(0, size + 2 * PAGE_BYTES, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (raw_failed(room))
		return room;
	long at = raw(SYS_mremap, from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, room + PAGE_BYTES);
	if (raw_failed(at)) {
		raw(SYS_munmap, room, size + 2 * PAGE_BYTES);
		return at;
	}
	unmap((uintptr_t)room, 1);
	unmap((uintptr_t)at + size, 1);
	return at;
}

/* One page of it, without lock, advice and access: what is made of it has none of them either. */
static long anchor_of(uintptr_t from)
{
	long at = copy_of(from, 1);

	if (!raw_failed(at)) {
		clean((uintptr_t)at, 1);
		raw(SYS_mprotect, at, PAGE_BYTES, PROT_NONE);
	}
	return at;
}

/* What shows page `page` out of an anchor that shows page `base`, in hops: a doubling reaches as
 * far behind its origin as there is address space. */
static long anchor_at(uintptr_t anchor, uint64_t base, uint64_t page)
{
	uintptr_t at = anchor;

	while (base < page) {
		uint64_t hop = page - base < HOP_PAGES ? page - base : HOP_PAGES;
		long next = raw(SYS_mremap, at, 0, (hop + 1) * PAGE_BYTES, MREMAP_MAYMOVE);
		if (at != anchor)
			unmap(at, 1);
		if (raw_failed(next))
			return next;
		unmap((uintptr_t)next, hop);
		at = (uintptr_t)next + (uintptr_t)(hop * PAGE_BYTES);
		base += hop;
	}
	return (long)at;
}

static uintptr_t any_reserve(const struct window *window)
{
	for (int i = 0; i < PROTECTIONS; i++)
		if (window->reserve[i])
			return window->reserve[i];
	return 0;
}

/* A mapping that somebody may still use stays for good. */
static void drop_reserves(struct window *window)
{
	bool unused = quick_withdraw();

	for (int i = 0; i < PROTECTIONS; i++) {
		if (unused)
			unmap(window->reserve[i], window->pages);
		window->reserve[i] = 0;
	}
	window->pages = 0;
}

/* Before the reserves go: the lowest page stays at hand. */
static int keep_anchor(struct window *window)
{
	if (window->anchor)
		return 0;
	long at = anchor_of(any_reserve(window));
	if (raw_failed(at))
		return (int)at;
	window->anchor = (uintptr_t)at;
	return 0;
}

static int make_reserve(struct window *window, int protection)
{
	uintptr_t from = any_reserve(window);
	long at = from ? (long)from : anchor_at(window->anchor, window->base, window->first);

	if (raw_failed(at))
		return (int)at;
	uintptr_t temporary = !from && (uintptr_t)at != window->anchor ? (uintptr_t)at : 0;
	at = copy_of((uintptr_t)at, window->pages);
	unmap(temporary, 1);
	if (raw_failed(at))
		return (int)at;
	long r = raw(SYS_mprotect, at, window->pages * PAGE_BYTES, protection);
	if (r) {
		unmap((uintptr_t)at, window->pages);
		return (int)r;
	}
	window->reserve[protection] = (uintptr_t)at;
	if (window->first == window->base) {
		unmap(window->anchor, 1);
		window->anchor = 0;
	}
	return 0;
}

/* ---- how much of the file ---- */

static uint64_t power_above(uint64_t count)
{
	uint64_t power = LEAST_PAGES;

	while (power < count)
		power *= 2;
	return power;
}

static bool covers(const struct window *window, uint64_t page, uint64_t pages)
{
	return page >= window->first && page + pages <= window->first + window->pages;
}

/* From the lowest page on as far as can be; else the surroundings of what is wanted. */
static int choose_extent(struct window *window, uint64_t page, uint64_t pages)
{
	uint64_t wanted = page + pages - window->base;

	if (pages > MOST_PAGES || wanted > (sizeof(long) == 8 ? MOST_PAGES : MOST_HOPS * HOP_PAGES))
		return -E2BIG;
	int r = keep_anchor(window);
	if (r)
		return r;
	drop_reserves(window);
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

/* ---- windows ---- */

static bool same_file(const struct vma *a, const struct vma *b)
{
	return b->shared && b->inode == a->inode && b->device == a->device;
}

static uint64_t first_page(const struct vma *area)
{
	return area->offset / PAGE_BYTES;
}

/* The areas of the file that follow each other without a gap; *low is the one with the lowest
 * page. */
static void find_run(const struct vma *area, struct window *run, struct vma *low)
{
	struct vma other;

	*low = *area;
	run->start = area->start;
	run->end = area->end;
	while (!vma_find(run->end, &other, NULL, 0) && other.start == run->end &&
	       same_file(area, &other)) {
		run->end = other.end;
		if (other.offset < low->offset)
			*low = other;
	}
	while (!vma_find(run->start - 1, &other, NULL, 0) && other.end == run->start &&
	       same_file(area, &other)) {
		run->start = other.start;
		if (other.offset < low->offset)
			*low = other;
	}
}

/* A shared mapping of a descriptor that cannot write is not VM_SHARED to the kernel, and cannot be
 * made writable: tried on a copy. */
static bool is_truly_shared(const struct vma *area)
{
	if (area->protection & PROT_WRITE)
		return true;
	long copy = copy_of(area->start, 1);
	if (raw_failed(copy))
		return true;
	long r = raw(SYS_mprotect, copy, PAGE_BYTES, PROT_READ | PROT_WRITE);
	unmap((uintptr_t)copy, 1);
	return r != -EACCES;
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

static void widen(const struct window *window)
{
	if (window->start < atomic_load(&lowest))
		atomic_store(&lowest, window->start);
	if (window->end > atomic_load(&highest))
		atomic_store(&highest, window->end);
}

static void narrow(void)
{
	atomic_store(&highest, 0);
	atomic_store(&lowest, UINTPTR_MAX);
	for (const struct window *window = windows; window; window = window->next)
		widen(window);
}

static struct window *window_of(const struct vma *area)
{
	struct window *window = windows;

	while (window && (area->start >= window->end || area->end <= window->start ||
			  area->inode != window->inode || area->device != window->device))
		window = window->next;
	return window;
}

static void release(struct window *window)
{
	struct window **link = &windows;

	while (*link != window)
		link = &(*link)->next;
	*link = window->next;
	drop_reserves(window);
	unmap(window->anchor, 1);
	arena_free(window, sizeof(*window));
	narrow();
}

/* A window that the run has grown out of. */
static struct window *window_grown(const struct vma *area, const struct window *run)
{
	struct window *window = windows;

	while (window && (window->refused || run->start > window->end || run->end < window->start ||
			  area->inode != window->inode || area->device != window->device))
		window = window->next;
	if (!window)
		return NULL;
	if (run->start < window->start)
		window->start = run->start;
	if (run->end > window->end)
		window->end = run->end;
	widen(window);
	return window;
}

static struct window *window_new(const struct vma *area, int *error)
{
	struct window *window = arena_alloc(sizeof(*window)), *grown;
	struct vma low;

	*error = -ENOMEM;
	if (!window)
		return NULL;
	find_run(area, window, &low);
	grown = window_grown(area, window);
	if (grown) {
		arena_free(window, sizeof(*window));
		return grown;
	}
	window->device = area->device;
	window->inode = area->inode;
	window->way = WAY_MAPPING;
	window->refused = !is_truly_shared(area);
	window->transient = address_space_is_limited() || is_system_v(area);
	window->base = window->first = first_page(&low);
	long anchor = window->refused ? 0 : anchor_of(low.start);
	if (raw_failed(anchor)) {
		*error = (int)anchor;
		arena_free(window, sizeof(*window));
		return NULL;
	}
	window->anchor = (uintptr_t)anchor;
	window->next = windows;
	windows = window;
	widen(window);
	return window;
}

/* ---- lower pages than the window began with ---- */

static void set_base(struct window *window, uintptr_t anchor, uint64_t page, enum way way)
{
	drop_reserves(window);
	unmap(window->anchor, 1);
	window->anchor = anchor;
	window->base = window->first = page;
	window->way = way;
}

/* Somewhere else in the process. */
static bool find_lower(const struct vma *area, uint64_t page, struct vma *low)
{
	uintptr_t at = 0;
	struct vma other;
	bool found = false;

	low->offset = 0;
	for (; !vma_find(at, &other, NULL, 0); at = other.end)
		if (same_file(area, &other) && first_page(&other) <= page &&
		    is_truly_shared(&other) && (!found || other.offset < low->offset)) {
			*low = other;
			found = true;
		}
	return found;
}

static int lower_base(struct window *window, const struct vma *area, uint64_t page)
{
	enum way way = WAY_MAPPING;
	struct vma low;
	long anchor;

	if (find_lower(area, page, &low)) {
		anchor = anchor_of(low.start);
		page = first_page(&low);
	} else {
		anchor = reach_map(area, 0, PAGE_BYTES, PROT_NONE, MAP_SHARED, 0, &way);
		page = 0;
	}
	if (way == WAY_NONE)
		return -ENODATA;
	if (raw_failed(anchor))
		return (int)anchor;
	clean((uintptr_t)anchor, 1);
	set_base(window, (uintptr_t)anchor, page, way);
	return 0;
}

/* ---- for the others ---- */

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
	if (page < window->base && (r = lower_base(window, area, page)))
		return r;
	if (!covers(window, page, pages) && (r = choose_extent(window, page, pages)))
		return r;
	if (!window->reserve[area->protection] && (r = make_reserve(window, area->protection)))
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
static bool is_same_file(uintptr_t address, const struct vma *area)
{
	struct vma vma;

	return !vma_find(address, &vma, NULL, 0) && vma.start <= address &&
	       vma.device == area->device && vma.inode == area->inode;
}

static void prepare(const struct vma *area, int fd)
{
	int error;

	if (!area->shared || !area->offset || window_of(area))
		return;
	struct window *window = window_new(area, &error);
	if (!window || window->refused || !window->base)
		return;
	long anchor = raw_mmap(0, PAGE_BYTES, PROT_NONE, MAP_SHARED, fd, 0);
	if (raw_failed(anchor))
		return;
	if (!is_same_file((uintptr_t)anchor, area)) {
		unmap((uintptr_t)anchor, 1);
		return;
	}
	clean((uintptr_t)anchor, 1);
	set_base(window, (uintptr_t)anchor, 0, WAY_MAPPING);
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

/* Only while it is mapped can the lowest page of a run be doubled with the open file that it has:
 * opened anew, areas would not merge with what is left. */
static void keep_lowest(uintptr_t at, uintptr_t start, uintptr_t end)
{
	struct vma area, low;
	struct window run;
	int error;

	if (vma_find(at, &area, NULL, 0) || area.start > at || !area.shared || !area.inode ||
	    window_of(&area))
		return;
	find_run(&area, &run, &low);
	if (low.start >= start && low.start < end && (run.start < start || run.end > end))
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
	for (; from < window->end && !vma_find(from, area, NULL, 0); from = area->end)
		if (area->shared && area->inode == window->inode &&
		    area->device == window->device && !is_reserve(area->start))
			return area->start < window->end;
	return false;
}

/* Parts that are gone at the edges are no part of the window any more; a window of which nothing is
 * left goes. */
static bool shrink(struct window *window, uintptr_t start, uintptr_t end)
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

void reserve_forget(uintptr_t start, uintptr_t end)
{
	gate_wait();
	lock_take(&windows_lock);
	for (struct window *window = windows, *next; window; window = next) {
		next = window->next;
		if (start < window->end && end > window->start && !shrink(window, start, end))
			release(window);
	}
	narrow();
	lock_drop(&windows_lock);
}

/* A thread that was in here when the process was copied left the table as it was; its mappings stay
 * then, and nobody knows them. */
void reserve_after_fork(void)
{
	if (!lock_try(&windows_lock))
		windows = NULL;
	lock_reset(&windows_lock);
	quick_after_fork();
	reach_after_fork();
	narrow();
}
