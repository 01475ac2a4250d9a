/* SPDX-License-Identifier: MIT */
/*
 * Doubling shared mappings with mremap(old_size=0): the copy shows the same pages of the
 * same open file, as far behind them as is asked for, whatever became of descriptor and
 * name. Copies are ours; addresses and numbers of pages.
 */
#ifndef MMFENCE_NONLINEAR_COPY_H
#define MMFENCE_NONLINEAR_COPY_H

#include <stdint.h>

#include "kernel/vma.h"

/* How far one doubling reaches: a 32-bit program has little address space. */
#define COPY_PAGES (sizeof(long) == 8 ? UINT64_C(1) << 32 : UINT64_C(1) << 17)

/* The mapping at `from`, as far as pages go. The address, or -errno. */
long copy_make(uintptr_t from, uint64_t pages);

/* One page of it, without lock, advice and access: what is made of it has none of them either. What
 * it shows is asked of the copy, for another thread may have changed the program's memory. */
long copy_anchor(uintptr_t from, struct vma *shown);

/* What shows page `page` out of an anchor that shows page `base`: that one, or a copy. */
long copy_reach(uintptr_t anchor, uint64_t base, uint64_t page);

/* Frees it of what the program gave its mappings, if it gave any. */
void copy_clean(uintptr_t address, uint64_t pages);
void copy_note_attributes(void);

/* Nothing is at 0. */
void copy_unmap(uintptr_t address, uint64_t pages);

#endif
