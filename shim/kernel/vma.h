/* SPDX-License-Identifier: MIT */
/*
 * The process's areas (VMAs), as the kernel has them at the moment: its texts in /proc, a line at a
 * time; which area is at an address; and what it has besides its protection. Never a table of ours.
 */
#ifndef MMFENCE_KERNEL_VMA_H
#define MMFENCE_KERNEL_VMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens a file of /proc that shows this process's memory: maps, smaps, pagemap, mem. self is a
 * descriptor of /proc/self, or -1: then /proc must be in sight. */
int proc_open_own(int self, const char *name, int flags);
/* The same file of that thread, or of the process (0). */
int proc_open_of(int self, pid_t thread, const char *name, int flags);

struct proc_text {
	int fd, error; /* why there are no more: 0 at the end, or -errno */
	char *buffer;
	size_t size, used, at;
	int64_t position; /* others may read from the descriptor too */
};

void proc_text_begin(struct proc_text *text, int fd, char *buffer, size_t size);

/* Without its newline, until the next call; NULL when there are no more. Of a line that is longer
 * than the buffer the middle is dropped. */
char *proc_text_next(struct proc_text *text);
/* Closes the descriptor. */
void proc_text_end(struct proc_text *text);

/* ---- vma.c ---- */

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

/* The same of the area that holds address: false when there is none, or nobody can tell. */
bool vma_at(uintptr_t address, struct vma *out, char *name, size_t name_size);

/* How many areas the process has; 0 when they cannot be counted. Costs as much as there are. */
uint64_t vma_count(void);

/* Areas upwards. Where there is no PROCMAP_QUERY the text is read once, not again for each. */
struct vma_walk {
	int maps;	   /* of the caller's, or -1 */
	bool opened, kept; /* the text, once queries have failed; through the one that is kept */
	struct proc_text text;
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

/* ---- attributes.c ---- */

enum {
	ATTRIBUTE_LOCKED = 1 << 7,
	ATTRIBUTE_LOCKED_ON_FAULT = 1 << 8,
	ATTRIBUTE_NOT_RESERVED = 1 << 9,
	ATTRIBUTE_NAMELESS = 1 << 10, /* to this kernel */
	ATTRIBUTE_SHARED = 1 << 11,   /* what is mapped by a descriptor that cannot write is not */
	ATTRIBUTE_HUGE = 1 << 12,     /* hugetlb */
};

struct attributes {
	unsigned int flags; /* of these, and of the advice that stays */
	int key;	    /* protection key, 0 for the default */
};

/* The program made a call that sets any. */
void attributes_note(void);
bool attributes_noted(void);

/* A walk through the areas, upwards. Without anything noted it finds nothing to keep. */
struct attributes_walk {
	struct proc_text text;
	bool more; /* there is another area: */
	uintptr_t next_start, next_end;
	uintptr_t start, end; /* of the area that these are of */
	struct attributes attributes;
};

/* By a descriptor of /proc/self, or -1 on a thread that has none. */
void attributes_walk_begin(struct attributes_walk *walk, int proc);
/* Of the area that holds address, which is not below the one before. */
const struct attributes *attributes_at(struct attributes_walk *walk, uintptr_t address);
void attributes_walk_end(struct attributes_walk *walk);

/* For the mmap that replaces it. */
#define attributes_map_flags(attributes) \
	((attributes)->flags & ATTRIBUTE_NOT_RESERVED ? MAP_NORESERVE : 0)
/* Of one area, from any thread of the program's, whether anything was noted or not. Costs a thread
 * and a walk through smaps. */
void attributes_read_apart(uintptr_t address, struct attributes *out);
/* Of hugetlb, on any thread that has /proc in sight. */
bool attributes_are_huge(uintptr_t address);
void attributes_apply(const struct attributes *attributes, uintptr_t start, uintptr_t end,
		      int protection);

#endif
