/* SPDX-License-Identifier: MIT */
/*
 * Which area (VMA) is at an address: PROCMAP_QUERY where the kernel has it,
 * /proc/self/maps where not. The kernel is asked, never a table of ours.
 */
#ifndef MMFENCE_KERNEL_VMA_H
#define MMFENCE_KERNEL_VMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/proc_text.h"

struct vma {
	uintptr_t start, end;
	uint64_t offset; /* in the file, bytes */
	uint64_t device; /* major << 32 | minor */
	uint64_t inode;
	int protection; /* PROT_* */
	bool shared;
};

/* The first area that ends above address: 0, -ENOENT when there is none, or -errno.
 * name (if not NULL) gets the path as /proc/self/maps has it. */
int vma_find(uintptr_t address, struct vma *out, char *name, size_t name_size);

/* Areas upwards, through a descriptor of /proc/self/maps that the caller has: for threads with a
 * table of their own. */
struct vma_walk {
	int maps;
	struct proc_text text; /* where there is no PROCMAP_QUERY, the text */
	struct vma area;
};

void vma_walk_begin(struct vma_walk *walk, int maps);
/* The first area that ends above address, which is not below the one before: 0, -ENOENT when there
 * is none, or -errno. */
int vma_walk_to(struct vma_walk *walk, uintptr_t address, struct vma *out);
void vma_walk_end(struct vma_walk *walk);

/* The same by PROCMAP_QUERY alone, through that descriptor. */
int vma_query(int maps, uintptr_t address, struct vma *out, char *name, size_t name_size);

/* A line of /proc/PID/maps, without its newline; a name that does not fit is cut. */
void vma_parse(const char *line, struct vma *out, char *name, size_t name_size);

/* b is a shared mapping, and of the file that a maps. */
bool vma_shares_file(const struct vma *a, const struct vma *b);

/* "rw-p" and the like, for events. */
void vma_protection_text(int protection, bool shared, char out[5]);

#endif
