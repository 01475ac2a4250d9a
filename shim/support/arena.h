/* SPDX-License-Identifier: MIT */
/*
 * Memory for the shim's own tables, on raw mmap: never malloc, which may be the
 * program's and may be what called us. Memory is zeroed. Sizes are given back on
 * release, so blocks carry no header. Thread-safe; call with signals blocked.
 */
#ifndef MMFENCE_SUPPORT_ARENA_H
#define MMFENCE_SUPPORT_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed, 16-byte aligned; NULL when the kernel gives no more. */
void *arena_alloc(size_t size);
void arena_free(void *block, size_t size);
/* The array, which has *room for elements of this size (at first it is NULL), with room for count
 * of them: where it was, or anew; NULL, and that one stays, when there is no memory. */
void *arena_room(void *array, size_t size, size_t count, size_t *room);
char *arena_strdup(const char *text);

/* Bytes handed out and not given back. */
size_t arena_in_use(void);

/* In a child: if another thread was in here when it was copied, the free lists are given up. */
void arena_after_fork(void);

/* ---- buffers ---- */

#define SCRATCH_BYTES 32768

void *scratch_take(void);
void scratch_put(void *buffer);
void scratch_reset(void);

/* ---- place.c ---- */

/* mmap there: the address, or -errno. Elsewhere only when there is no room. */
long place_map(size_t size, int protection, int flags, int fd, int64_t offset);

/* munmap. What was mapped last is the first to be used again. */
void place_unmap(long address, size_t size);

#endif
