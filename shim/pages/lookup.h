/* SPDX-License-Identifier: MIT */
/*
 * Shared memory that a page table does not have is looked up in its file: it may be in
 * memory all the same, swapped out (the page table forgets that), or a hole. The file is
 * found through /proc/PID/map_files, which takes CAP_CHECKPOINT_RESTORE, through a
 * descriptor of the process, or under its name. Files on disk and devices are never
 * opened: they are not swapped.
 */
#ifndef MMFENCE_PAGES_LOOKUP_H
#define MMFENCE_PAGES_LOOKUP_H

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

#endif
