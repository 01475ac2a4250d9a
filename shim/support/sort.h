/* SPDX-License-Identifier: MIT */
/*
 * Sorting in place, without memory: libc's qsort may allocate, and may be somebody else's.
 */
#ifndef MMFENCE_SUPPORT_SORT_H
#define MMFENCE_SUPPORT_SORT_H

#include <stddef.h>
#include <stdint.h>

/* What an element is ordered by. */
typedef uint64_t sort_key(const void *element);

/* Upwards; equal ones in any order. Elements of up to 64 bytes. */
void sort(void *list, size_t count, size_t size, sort_key *key);

#endif
