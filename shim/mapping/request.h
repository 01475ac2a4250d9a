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

#endif
