/* SPDX-License-Identifier: MIT */
/*
 * Memory for the shim's own tables, on raw mmap: never malloc, which may be the
 * program's and may be what called us. Memory is zeroed. Sizes are given back on
 * release, so blocks carry no header. Thread-safe; call with signals blocked.
 */
#ifndef MMFENCE_SUPPORT_ARENA_H
#define MMFENCE_SUPPORT_ARENA_H

#include <stddef.h>

/* Zeroed, 16-byte aligned; NULL when the kernel gives no more. */
void *arena_alloc(size_t size);
void arena_free(void *block, size_t size);
char *arena_strdup(const char *text);

/* Bytes handed out and not given back. */
size_t arena_in_use(void);

/* In a child: if another thread was in here when it was copied, the free lists are given up. */
void arena_after_fork(void);

#endif
