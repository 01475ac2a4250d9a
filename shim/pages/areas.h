/* SPDX-License-Identifier: MIT */
/*
 * The areas of a process, in batches: PROCMAP_QUERY where the kernel has it (6.11), and
 * the text of /proc/PID/maps where not. A process that has 65,000 needs no more memory
 * than one that has ten. The vsyscall page is in no process's page table and left out.
 */
#ifndef MMFENCE_PAGES_AREAS_H
#define MMFENCE_PAGES_AREAS_H

#include <limits.h>

#include "kernel/proc_text.h"
#include "pages/pages.h"

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
