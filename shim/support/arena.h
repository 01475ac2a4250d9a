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

/* Around fork: held across it, so that the child finds the lists whole. */
void arena_lock_take(void);
void arena_lock_drop(void);
void arena_reset_lock(void);

#endif
