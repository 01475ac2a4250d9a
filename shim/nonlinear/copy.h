/* SPDX-License-Identifier: MIT */
/*
 * Doubling shared mappings with mremap(old_size=0): the copy shows the same pages of the
 * same open file, as far behind them as is asked for, whatever became of descriptor and
 * name. Copies are ours; addresses, or -errno, and numbers of pages.
 */
#ifndef MMFENCE_NONLINEAR_COPY_H
#define MMFENCE_NONLINEAR_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/vma.h"

/* The mapping at `from`, as far as pages go. */
long copy_make(uintptr_t from, uint64_t pages);
/* One page of a mapping of area's file, without access, lock and advice; *page is the one that it
 * shows, which is asked of the copy, for another thread may have changed the original: -EAGAIN when
 * that is another file by now. */
long copy_page(const struct vma *area, uintptr_t from, uint64_t *page);
/* What lies that many pages behind, with the protection of `from`. */
long copy_far(uintptr_t from, uint64_t distance, uint64_t pages);

/* The program gave its memory attributes, which a copy of it inherits. Lock-free. */
void copy_note_attributes(void);
bool copy_attributes_noted(void);
/* Frees it of them. */
void copy_clean(uintptr_t address, uint64_t pages);

/* Nothing is at 0. */
void copy_unmap(uintptr_t address, uint64_t pages);

#endif
