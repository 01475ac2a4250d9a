/* SPDX-License-Identifier: MIT */
/*
 * Where emulated windows come from: linear mappings of ours of the same file, which
 * mremap(old_size=0) doubles page by page into the program's window. Made out of the
 * window itself they need no descriptor, no name and no permission, and keep the very
 * open file that the program mapped, so that neighbouring areas merge as the kernel's
 * own. They go when the program unmaps its window.
 */
#ifndef MMFENCE_NONLINEAR_RESERVE_H
#define MMFENCE_NONLINEAR_RESERVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/vma.h"
#include "nonlinear/reach.h"

struct source {
	uintptr_t address;   /* shows the page that was asked for, and those behind it */
	atomic_uint *reader; /* to be left once the address is used no more */
	enum way way;
	bool transient; /* to be released at once */
};

/* For an area of the program's, in the kernel's words now: pages of its file with its protection.
 * 0; -EINVAL when the kernel would not take the area for a shared one; -E2BIG when the page is too
 * far away to be mapped beforehand; or another -errno. */
int reserve_get(const struct vma *area, uint64_t page, uint64_t pages, struct source *out);

/* Gives back the mappings for this area's window. */
void reserve_release(const struct vma *area);

/* The program maps a file from a page that is not its first: keeps a way to the pages before it,
 * while there is a descriptor. */
void reserve_prepare(uintptr_t address, size_t length, int fd);

/* The program has a shared mapping here: reserve_may_cut is true of it from now on. */
void reserve_note_shared(uintptr_t start, uintptr_t end);

/* False: nothing that was noted lies in it. Lock-free. */
bool reserve_may_cut(uintptr_t start, uintptr_t end);

/* The program is about to unmap, move or cover this range: keeps a way to the first pages of what
 * is left of a file around it. */
void reserve_before_cut(uintptr_t start, uintptr_t end);

/* The program unmapped, moved or covered this range. */
void reserve_forget(uintptr_t start, uintptr_t end);

/* False: there is no window of ours in it. Lock-free. */
bool reserve_may_touch(uintptr_t start, uintptr_t end);

void reserve_after_fork(void);

#endif
