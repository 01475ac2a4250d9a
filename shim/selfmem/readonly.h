/* SPDX-License-Identifier: MIT */
/*
 * Views that may never be made writable. The kernel sees to it itself where the view is
 * a mapping of a description that cannot write; a second view of memory that is shared
 * already is a copy of a mapping that could be written, and is refused here. Asked by
 * every mprotect: costs one load while there is none.
 */
#ifndef MMFENCE_SELFMEM_READONLY_H
#define MMFENCE_SELFMEM_READONLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool readonly_any(void);

void readonly_add(uintptr_t start, uintptr_t end);
/* Something else is there now. */
void readonly_remove(uintptr_t start, uintptr_t end);
/* The range, or part of it, was moved or doubled. */
void readonly_move(uintptr_t start, uintptr_t end, uintptr_t target);

/* Whether part of such a view is in the range. The kernel is asked whether it is still there. */
bool readonly_in(uintptr_t start, uintptr_t end);

/* In a child. */
void readonly_after_fork(void);

#endif
