/* SPDX-License-Identifier: MIT */
/*
 * Parts of a file, in order and apart from each other: what is to be copied of it, and what was.
 * Which part of a copy is there is never asked of the copy itself: where it lies in huge pages,
 * or on a file system that knows no holes, everything seems to be.
 */
#ifndef MMFENCE_SNAPSHOT_WINDOWS_H
#define MMFENCE_SNAPSHOT_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window {
	int64_t start, end; /* bytes of the file */
};

struct windows {
	struct window *list;
	size_t count, capacity;
};

/* Room for so many: 0 or -ENOMEM. */
int windows_alloc(struct windows *windows, size_t capacity);
void windows_free(struct windows *windows);
/* Adds one, in any order, that need not be apart from the others; an empty one is none. */
void windows_add(struct windows *windows, const struct window *window);
/* Puts them in order, and makes one of those that meet. */
void windows_join(struct windows *windows);
/* The first part of [at, end) that is in none of them: false when there is none. */
bool windows_gap(const struct windows *windows, int64_t at, int64_t end, struct window *out);

#endif
