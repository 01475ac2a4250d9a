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

/* A file as the areas that map it have it, which is not always as stat has it (btrfs, overlayfs);
 * device 0: not known. */
struct vma_file {
	uint64_t device, inode;
};

/* Whether the area shows at this address of its that offset of the file. */
bool vma_shows(const struct vma *vma, const struct vma_file *file, uintptr_t address,
	       int64_t offset);

/* The first area that ends above address: 0, -ENOENT when there is none, or -errno.
 * name (if not NULL) gets the path as /proc/self/maps has it. */
int vma_find(uintptr_t address, struct vma *out, char *name, size_t name_size);

/* Areas upwards. Where there is no PROCMAP_QUERY the text is read once, not again for each. */
struct vma_walk {
	int maps;	       /* of the caller's, or -1 */
	struct proc_text text; /* once queries have failed */
	struct vma area;
	const char *name;
};

/* Through a descriptor of /proc/self/maps that the caller has: for threads with a table of their
 * own; -1 on all others. */
void vma_walk_begin(struct vma_walk *walk, int maps);
/* The first area that ends above address, which is not below the one before: as vma_find. */
int vma_walk_to(struct vma_walk *walk, uintptr_t address, struct vma *out, char *name,
		size_t name_size);
void vma_walk_end(struct vma_walk *walk);

/* By PROCMAP_QUERY alone. */
int vma_query(int maps, uintptr_t address, struct vma *out, char *name, size_t name_size);

/* A line of /proc/PID/maps, without its newline; a name that does not fit is cut. */
void vma_parse(const char *line, struct vma *out, char *name, size_t name_size);

/* Memory of a file's: the first System V segment has inode 0, but on a device. */
bool vma_has_file(const struct vma *area);

/* b is a shared mapping, and of the file that a maps. */
bool vma_shares_file(const struct vma *a, const struct vma *b);
/* For sure: files in two subvolumes of btrfs may have one inode number and, in maps, one device,
 * which is none with a major number. There only names tell, of both areas as they are now. */
bool vma_shares_file_by_name(const struct vma *a, const struct vma *b);

/* The kernel's link to the very file that an area maps, for the privileged. */
#define VMA_LINK_BYTES 64
void vma_link(const struct vma *area, char out[VMA_LINK_BYTES]);

/* "rw-p" and the like, for events. */
void vma_protection_text(int protection, bool shared, char out[5]);

#endif
