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

/* The same through a descriptor of /proc/self/maps that the caller has, and only by PROCMAP_QUERY:
 * for threads with a table of their own. */
int vma_query(int maps, uintptr_t address, struct vma *out, char *name, size_t name_size);

/* A line of /proc/PID/maps, without its newline; a name that does not fit is cut. */
void vma_parse(const char *line, struct vma *out, char *name, size_t name_size);

/* "rw-p" and the like, for events. */
void vma_protection_text(int protection, bool shared, char out[5]);

#endif
