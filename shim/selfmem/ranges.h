/* SPDX-License-Identifier: MIT */
/*
 * Which of the program's memory views have to do with, where the kernel does not say it.
 * An entry counts only while the same file is mapped there: what is unmapped stays
 * listed until something is found in its place. While there is none, asking costs a load.
 */
#ifndef MMFENCE_SELFMEM_RANGES_H
#define MMFENCE_SELFMEM_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum range_kind {
	/* A view that may never be made writable. The kernel sees to it itself where the view is a
	 * mapping of a description that cannot write; a second view of memory that is shared
	 * already is a copy of a mapping that could be written. */
	RANGE_READONLY = 1,
	/* What was private anonymous memory, and was converted. */
	RANGE_CONVERTED = 2,
	/* What was a private mapping of a file, and was converted. */
	RANGE_FILE = 4,
};

struct range {
	uintptr_t start, end;
	uint64_t device, inode;
	int64_t used, size; /* of a memfd: what lies between was never anybody's */
	bool shared; /* with the process that this one was forked from, whose pages they are */
	enum range_kind kind;
};

bool ranges_any(void);

/* Room for so many entries: 0, or -ENOMEM. */
int ranges_reserve(size_t count);
/* Takes room that was reserved. */
void ranges_add(const struct range *range);
/* The same for each area in the range. */
void ranges_add_areas(uintptr_t start, uintptr_t end, enum range_kind kind);
/* Something else is there now. */
void ranges_remove(uintptr_t start, uintptr_t end);
/* The range, or part of it, was moved or doubled. */
void ranges_move(uintptr_t start, uintptr_t end, uintptr_t target);

/* The first part of [at, end) that is of one of these kinds, and still there. */
bool ranges_find(unsigned int kinds, uintptr_t at, uintptr_t end, struct range *out);

/* A mapping of this file grew to the offset end, from start: whether what lies there was nobody's,
 * as it is not any more. */
bool ranges_use(const struct range *range, int64_t start, int64_t end);

/* The gate is closed: waits until nobody is in the list. */
void ranges_settle(void);
/* In a child: all is its parent's too. */
void ranges_after_fork(void);
/* In a child: what showed the one file shows the other, which is its own. */
void ranges_renew(uint64_t device, uint64_t inode, const struct range *own);

#endif
