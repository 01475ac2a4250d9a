/* SPDX-License-Identifier: MIT */
/*
 * The windows whose remap_file_pages was emulated, or may be: runs of shared areas of one
 * file, and where mappings of ours of that file are. The table, and what the kernel says of
 * the program's areas. All under the lock of reserve.c.
 */
#ifndef MMFENCE_NONLINEAR_WINDOW_H
#define MMFENCE_NONLINEAR_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/vma.h"
#include "nonlinear/range.h"
#include "nonlinear/reach.h"

#define PROTECTIONS 8 /* combinations of PROT_READ, PROT_WRITE, PROT_EXEC */

/* How often a run that other threads are changing is looked at. */
#define WINDOW_ATTEMPTS 8

struct window {
	uintptr_t start, end; /* of the program's memory */
	uint64_t device, inode;
	enum way way;
	bool transient, refused;
	uint64_t base;	  /* the lowest page that can be reached */
	uintptr_t anchor; /* shows that page; 0 when the reserves begin with it */
	uint64_t first, pages;
	uintptr_t reserve[PROTECTIONS];
	struct window *next;
};

/* Where they are; readable without the lock. */
extern struct range window_range;

struct window *window_first(void);
/* The one that this area lies in, or NULL. */
struct window *window_of(const struct vma *area);
/* For an area of no window: a new one, or one that has grown to it; NULL with an -errno. */
struct window *window_new(const struct vma *area, int *error);
/* Its mappings stay. */
void window_remove(struct window *window);

/* A range of it was unmapped, moved or covered: false when nothing is left. */
bool window_shrink(struct window *window, uintptr_t start, uintptr_t end);
/* After that. */
void window_range_renew(void);
/* In a forked child, when the table is not whole. */
void window_forget_all(void);

/* The areas that follow each other without a gap, truly shared and of the same file; *low is the
 * one with the lowest page. */
void window_find_run(const struct vma *area, struct window *run, struct vma *low);

uint64_t window_first_page(const struct vma *area);

/* An anchor (copy.h) from an address that showed area's file, and the page that it shows. -errno
 * when that is another by now. */
long window_anchor(const struct vma *area, uintptr_t from, uint64_t *page);

/* A shared mapping of a descriptor that cannot write is not VM_SHARED to the kernel: a window of
 * its own, in which every call is refused. */
bool window_truly_shared(const struct vma *area);

#endif
