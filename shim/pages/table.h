/* SPDX-License-Identifier: MIT */
/*
 * What the page table of a process has, area by area. Two ways to read it that give the
 * same counts: PAGEMAP_SCAN names ranges of like pages at once, but does not tell whether
 * a page is in one page table only; that, for copied pages, pagemap's entries tell. They
 * do not tell the page of zeros from others that are shared, so that nobody counts it
 * apart: it is shared, and belongs to no file.
 */
#ifndef MMFENCE_PAGES_TABLE_H
#define MMFENCE_PAGES_TABLE_H

#include "pages/pages.h"

#define TABLE_REGIONS 1024
#define TABLE_ENTRIES 4096

/* As linux/fs.h has it since 6.7. */
struct table_region {
	uint64_t start, end, categories;
};

struct table {
	int pagemap;
	enum pages_way way;
	bool no_guard; /* the kernel does not know PAGE_IS_GUARD (6.15) */
	struct table_region region[TABLE_REGIONS];
	/* A window of /proc/PID/pagemap: entries of the pages from first on. */
	uint64_t first, count;
	uint64_t entry[TABLE_ENTRIES];
};

/* PAGES_WAY_AUTO becomes what the kernel has. -ENOTTY: it has no PAGEMAP_SCAN. */
int table_start(struct table *table, int pagemap, enum pages_way way);

/* Adds to the counts of the areas, which are in order, what the table has of them; what it has not
 * is left out. 0 or -errno. */
int table_count(struct table *table, struct pages_area *areas, size_t count);

#endif
