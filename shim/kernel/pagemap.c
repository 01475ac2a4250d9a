/* SPDX-License-Identifier: MIT */
/*
 * Walking a page table: see pagemap.h. On bare threads too.
 */
#include <errno.h>
#include <stdbool.h>

#include "kernel/pagemap.h"
#include "support/sys.h"

#define REGIONS 64
#define ENTRIES 256

struct walk {
	int pagemap;
	unsigned int without;
	pagemap_visit *visit;
	void *context;
};

/* 0 with *at moved on, or -errno; -ENOTTY where the kernel has no such call. */
static int scan_some(const struct walk *walk, uintptr_t *at, uintptr_t end)
{
	struct pagemap_region regions[REGIONS];
	struct pagemap_scan scan = {
		.size = sizeof(scan),
		.start = *at,
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = REGIONS,
		.category_inverted = walk->without,
		.category_mask = walk->without,
		.category_anyof_mask = PAGE_PRESENT | PAGE_SWAPPED,
		.return_mask = PAGE_PRESENT,
	};
	long count = sys_ioctl(walk->pagemap, PAGEMAP_SCAN_IOCTL, &scan);
	int r = count < 0 ? (int)count : 0;

	for (long i = 0; !r && i < count; i++)
		r = walk->visit((uintptr_t)regions[i].start, (uintptr_t)regions[i].end,
				walk->context);
	*at = (uintptr_t)scan.walk_end;
	return r;
}

static bool wanted(const struct walk *walk, uint64_t entry)
{
	return entry & (ENTRY_PRESENT | ENTRY_SWAPPED) &&
	       !(walk->without == PAGE_FILE && entry & ENTRY_FILE);
}

static int read_some(const struct walk *walk, uintptr_t *at, uintptr_t end)
{
	uint64_t entries[ENTRIES];
	size_t most = (end - *at) / PAGE_BYTES;
	int64_t got = sys_pread(walk->pagemap, entries,
				(most < ENTRIES ? most : ENTRIES) * sizeof(*entries),
				(int64_t)(*at / PAGE_BYTES * sizeof(*entries)));
	size_t count = got > 0 ? (size_t)got / sizeof(*entries) : 0;
	int r = got > 0 ? 0 : got ? (int)got : -EIO;

	for (size_t i = 0, first; !r && i < count; i++) {
		for (first = i; i < count && wanted(walk, entries[i]);)
			i++;
		if (i > first)
			r = walk->visit(*at + first * PAGE_BYTES, *at + i * PAGE_BYTES,
					walk->context);
	}
	*at += count * PAGE_BYTES;
	return r;
}

int pagemap_walk(int pagemap, uintptr_t start, uintptr_t end, unsigned int without,
		 pagemap_visit *visit, void *context)
{
	struct walk walk = { pagemap, without, visit, context };
	uintptr_t at = start;
	int r = 0;

	while (!r && at < end)
		r = scan_some(&walk, &at, end);
	if (r != -ENOTTY && r != -EINVAL)
		return r;
	at = start; /* the first call failed already: nothing was visited */
	for (r = 0; !r && at < end;)
		r = read_some(&walk, &at, end);
	return r;
}
