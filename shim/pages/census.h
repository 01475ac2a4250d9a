/* SPDX-License-Identifier: MIT */
/*
 * The parts of the census: areas, what the page table has of them, and what files have of the rest.
 */
#ifndef MMFENCE_PAGES_CENSUS_H
#define MMFENCE_PAGES_CENSUS_H

#include <limits.h>

#include "kernel/pagemap.h"
#include "kernel/vma.h"
#include "pages/pages.h"

#define LOOKUP_PAGES 16384 /* asked of mincore at a time */
#define LOOKUP_LIST  4096

struct lookup {
	const struct pages_source *source;
	bool no_map_files;
	unsigned int steps; /* descriptors looked at so far */
	/* The last file: windows of one often follow each other. */
	bool known;
	uint64_t device, inode;
	int fd, error;
	unsigned char present[LOOKUP_PAGES];
	char list[LOOKUP_LIST];
};

void lookup_start(struct lookup *lookup, const struct pages_source *source);
void lookup_end(struct lookup *lookup);

/* Of the pages of a shared area that are not in the page table, which are where: moves them to the
 * area's counts. 0, or the -errno for which they are PAGES_UNKNOWN now. */
int lookup_area(struct lookup *lookup, struct pages_area *area);

/* ---- find.c ---- */

/* Into lookup->fd; owner: whether it is the file of the one who counts. 0; -ENODATA: the area is no
 * memory, but a file on disk or a device; or the -errno for which nobody can tell. */
int find_file(struct lookup *lookup, const struct pages_area *area, bool *owner);

/* ---- table.c ---- */

#define TABLE_REGIONS 1024
#define TABLE_ENTRIES 4096

struct table {
	int pagemap;
	enum pages_way way;
	bool no_guard; /* the kernel does not know PAGE_IS_GUARD (6.15) */
	struct pagemap_region region[TABLE_REGIONS];
	/* A window of /proc/PID/pagemap: entries of the pages from first on. */
	uint64_t first, count;
	uint64_t entry[TABLE_ENTRIES];
};

/* PAGES_WAY_AUTO becomes what the kernel has. -ENOTTY: it has no PAGEMAP_SCAN. */
int table_start(struct table *table, int pagemap, enum pages_way way);

/* Adds to the counts of the areas, which are in order, what the table has of them; what it has not
 * is left out. 0 or -errno. */
int table_count(struct table *table, struct pages_area *areas, size_t count);

/* ---- areas.c ---- */

#define AREAS_BATCH	 256
#define AREAS_TEXT_BYTES 32768
#define AREAS_NAME_BYTES 65536

struct areas {
	int maps;
	bool text;
	uint64_t next; /* where the next query begins */
	struct pages_area area[AREAS_BATCH];
	size_t count;
	/* of the text */
	uint64_t hash; /* of all areas so far */
	struct proc_text lines;
	char buffer[AREAS_TEXT_BYTES];
	size_t names_used;
	char names[AREAS_NAME_BYTES]; /* or that of one area, when queried */
};

/* From the first area on; text: do not try queries. */
void areas_start(struct areas *areas, int maps, bool text);

/* The next batch, its counts 0: 0, -ENOENT when there are no more, -ESRCH when the process ended,
 * or -errno. In text the areas have their names, otherwise areas_check fills them in. */
int areas_next(struct areas *areas);

/* Whether the area is still the same, and its name. */
int areas_check(struct areas *areas, struct pages_area *area);

/* At the end of the text: reads it once more, and tells whether all is as it was. */
int areas_check_text(struct areas *areas, bool *changed);

#endif
