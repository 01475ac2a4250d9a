/* SPDX-License-Identifier: MIT */
/*
 * Anchors: a mapping of ours for each file whose remap_file_pages is emulated. mremap with
 * old_size=0 doubles it, page by page, into the program's mapping: no descriptor, no name and
 * no permission are needed, and it is the very open file that the program mapped, so that
 * areas merge as the kernel's own do. An anchor goes with the program's last mapping of the
 * file. All of it inside a scope.
 */
#ifndef MMFENCE_NONLINEAR_ANCHOR_H
#define MMFENCE_NONLINEAR_ANCHOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/vma.h"
#include "nonlinear/reopen.h"

/* One emulated call at a time. */
void anchors_take(void);
void anchors_drop(void);

/* With the lock. 0, or -EINVAL when the kernel takes the area for no shared mapping: a descriptor
 * that cannot write was mapped. */
int anchor_check(const struct vma *area);
/* Doubles pages of the file that area shows, with its protection, to an address where they replace
 * what is there; area need not be there any more. 0 or -errno: then nothing was replaced. *way is
 * how the file was found. */
long anchor_double(const struct vma *area, uint64_t page, uint64_t pages, uintptr_t to,
		   enum way *way);

/* The program mapped a file shared, or memory (fd is -1): an anchor from the first page on, while
 * something leads there. */
void anchor_note(uintptr_t address, size_t length, int fd);
/* The program moved a mapping to here. */
void anchor_note_moved(uintptr_t start, uintptr_t end);
/* The program unmapped, moved or covered this range. */
void anchor_note_gone(uintptr_t start, uintptr_t end);

/* Whether a file with an anchor may be mapped there. Lock-free. */
bool anchor_may_touch(uintptr_t start, uintptr_t end);

/* To one page each: address space is about to be limited, or all memory to be locked; and after the
 * latter, so that nothing doubled inherits the lock. */
void anchors_trim(void);

/* Nobody is inside once the gate is closed. */
void anchors_before_fork(void);
void anchors_after_fork(void);

#endif
