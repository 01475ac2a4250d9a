/* SPDX-License-Identifier: MIT */
/*
 * The memory calls as the program made them.
 */
#ifndef MMFENCE_MAPPING_REQUEST_H
#define MMFENCE_MAPPING_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_request {
	uintptr_t address;
	size_t length;
	int protection;
	int flags;
	int fd;
	int64_t offset; /* bytes */
	bool asked;	/* with MAP_SNAPSHOT: a snapshot or nothing */
};

struct move_request {
	uintptr_t old;
	size_t old_size, new_size;
	int flags;
	uintptr_t new_address;
};

struct remap_request {
	uintptr_t address;
	size_t size;
	int protection;
	size_t page_offset;
	int flags;
};

/* ---- replace.c ---- */

/* Makes a call that replaces the range by something else, and the index follows: what it returns,
 * which is 0 or an address; or -errno. */
long mapping_replace(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument);

/* The same of a call that the kernel lets succeed only where no snapshot is. */
long mapping_remap(uintptr_t start, uintptr_t end, long (*remap)(void *), void *argument);

/* What is guarded in the range is preserved now, for this reason: nobody could do it later. 0, or
 * -errno when some could not be. */
int mapping_preserve(uintptr_t start, uintptr_t end, const char *trigger);

#endif
