/* SPDX-License-Identifier: MIT */
/*
 * What the page table of a process has, area by area. Two ways to read it that give the same
 * counts: PAGEMAP_SCAN names ranges of like pages at once, but does not tell whether a page is in
 * one page table only; that, for copied pages, pagemap's entries tell. They do not tell the page of
 * zeros from others that are shared, so that nobody counts it apart: it is shared, and belongs to
 * no file.
 */
#include <errno.h>
#include <string.h>

#include "support/sys.h"
#include "pages/census.h"

/* The kernel holds the process's address space while it walks: not for longer than these take. */
#define SCAN_MOST 65536

/* Whether the process's own copy and what is in its file can differ. Of a private mapping of
 * /dev/zero all pages are anonymous. */
static bool shows_file(const struct pages_area *area)
{
	return !area->vma.shared && area->vma.inode && strcmp(area->name, "/dev/zero") != 0;
}

/* PAGES_CLASSES: the table has nothing there. A page on its way from one place in memory to
 * another looks swapped, but says whose it is. */
static enum pages_class classify(const struct pages_area *area, uint64_t entry)
{
	if (!(entry & ENTRY_PRESENT) && (!(entry & ENTRY_SWAPPED) || entry & ENTRY_GUARD))
		return PAGES_CLASSES;
	if (area->vma.shared)
		return entry & ENTRY_PRESENT ? PAGES_SHARED : PAGES_CLASSES;
	if (entry & ENTRY_FILE)
		return shows_file(area) ? PAGES_FILE : PAGES_SHARED;
	if (!(entry & ENTRY_PRESENT))
		return PAGES_SWAPPED;
	return entry & ENTRY_EXCLUSIVE ? PAGES_PRIVATE : PAGES_SHARED;
}

/* ---- entries ---- */

/* Entries from page on, of at most wanted pages: how many are at *entry; 0 at the end, or -errno.
 */
static long window(struct table *table, uint64_t page, uint64_t wanted, const uint64_t **entry)
{
	if (page < table->first || page >= table->first + table->count) {
		uint64_t room = wanted < TABLE_ENTRIES ? wanted : TABLE_ENTRIES;
		int64_t got = sys_pread(table->pagemap, table->entry, room * sizeof(uint64_t),
					(int64_t)(page * sizeof(uint64_t)));
		if (got < 0)
			return (long)got;
		table->first = page;
		table->count = (uint64_t)got / sizeof(uint64_t);
	}
	uint64_t skip = page - table->first, left = table->count - skip;

	*entry = table->entry + skip;
	return (long)(left < wanted ? left : wanted);
}

/* A read costs what some tens of entries cost: short ranges are read together. */
#define READ_AHEAD 16

static int count_entries(struct table *table, struct pages_area *area, uint64_t start, uint64_t end)
{
	uint64_t last = area->vma.end / PAGE_BYTES;

	end /= PAGE_BYTES;
	for (uint64_t page = start / PAGE_BYTES; page < end;) {
		uint64_t wanted = end - page < READ_AHEAD ? READ_AHEAD : end - page;
		const uint64_t *entry = NULL;
		long got = window(table, page, wanted < last - page ? wanted : last - page, &entry);

		if (got <= 0)
			return (int)got;
		if ((uint64_t)got > end - page)
			got = (long)(end - page);
		for (long i = 0; i < got; i++) {
			enum pages_class which = classify(area, entry[i]);
			if (which != PAGES_CLASSES)
				area->pages[which]++;
		}
		page += (uint64_t)got;
	}
	return 0;
}

static int read_entries(struct table *table, struct pages_area *areas, size_t count)
{
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		r = count_entries(table, &areas[i], areas[i].vma.start, areas[i].vma.end);
	return r;
}

/* ---- scan ---- */

/* Regions into table->region, from start on: how many; *start is where to go on. */
static long scan(struct table *table, uint64_t *start, uint64_t end)
{
	struct pagemap_scan argument = {
		.size = sizeof(argument),
		.start = *start,
		.end = end,
		.vec = (uintptr_t)table->region,
		.vec_len = TABLE_REGIONS,
		.max_pages = SCAN_MOST,
		.category_anyof_mask = PAGE_PRESENT | PAGE_SWAPPED,
		.return_mask = PAGE_PRESENT | PAGE_SWAPPED | PAGE_FILE | PAGE_ZERO |
			       (table->no_guard ? 0 : PAGE_GUARD),
	};
	long count = sys_ioctl(table->pagemap, PAGEMAP_SCAN_IOCTL, &argument);

	*start = argument.walk_end;
	return count;
}

/* The same as an entry would say it; what it cannot say is asked of the entries. */
static int count_region(struct table *table, struct pages_area *area, uint64_t start, uint64_t end,
			uint64_t categories)
{
	uint64_t entry = (categories & PAGE_PRESENT ? ENTRY_PRESENT : 0) |
			 (categories & PAGE_SWAPPED ? ENTRY_SWAPPED : 0) |
			 (categories & PAGE_FILE ? ENTRY_FILE : 0) |
			 (categories & PAGE_GUARD ? ENTRY_GUARD : 0);

	if (!area->vma.shared &&
	    (categories & (PAGE_PRESENT | PAGE_FILE | PAGE_ZERO)) == PAGE_PRESENT)
		return count_entries(table, area, start, end);
	enum pages_class which = classify(area, entry);
	if (which != PAGES_CLASSES)
		area->pages[which] += (end - start) / PAGE_BYTES;
	return 0;
}

struct areas_left {
	struct pages_area *at, *end;
};

/* A region can go over several areas, and over none, where one is new. */
static int count_over_areas(struct table *table, struct areas_left *left,
			    const struct pagemap_region *region)
{
	int r = 0;

	while (left->at < left->end && left->at->vma.end <= region->start)
		left->at++;
	for (struct pages_area *area = left->at;
	     !r && area < left->end && area->vma.start < region->end; area++) {
		uint64_t start = area->vma.start, end = area->vma.end;

		start = start > region->start ? start : region->start;
		end = end < region->end ? end : region->end;
		r = count_region(table, area, start, end, region->categories);
	}
	return r;
}

static int scan_areas(struct table *table, struct pages_area *areas, size_t count)
{
	struct areas_left left = { areas, areas + count };
	uint64_t end = areas[count - 1].vma.end;

	for (uint64_t at = areas[0].vma.start; at < end;) {
		uint64_t before = at;
		long regions = scan(table, &at, end);
		int r = 0;

		for (long i = 0; !r && i < regions; i++)
			r = count_over_areas(table, &left, &table->region[i]);
		if (r || regions < 0)
			return r ? r : (int)regions;
		if (at <= before)
			return -EIO;
	}
	return 0;
}

int table_count(struct table *table, struct pages_area *areas, size_t count)
{
	table->count = 0; /* of another time */
	if (table->way == PAGES_WAY_SCAN)
		return scan_areas(table, areas, count);
	return read_entries(table, areas, count);
}

/* What an older kernel does not know is EINVAL, and a kernel without the call has ENOTTY. */
int table_start(struct table *table, int pagemap, enum pages_way way)
{
	uint64_t start = 0;
	long r;

	table->pagemap = pagemap;
	table->no_guard = false;
	table->way = PAGES_WAY_PAGEMAP;
	if (way == PAGES_WAY_PAGEMAP)
		return 0;
	r = scan(table, &start, 0);
	if (r == -EINVAL) {
		table->no_guard = true;
		start = 0;
		r = scan(table, &start, 0);
	}
	if (r >= 0)
		table->way = PAGES_WAY_SCAN;
	return r >= 0 || way == PAGES_WAY_AUTO ? 0 : (int)r;
}
