/* SPDX-License-Identifier: MIT */
/*
 * What a mapping has besides its protection: memory lock, advice, protection key, and
 * whether its memory is reserved. Asked of the kernel (VmFlags in smaps) before a mapping is
 * replaced, and given to what replaces it. Reading smaps walks page tables, so it is done only in
 * processes that ever made a call that sets any of these.
 */
#ifndef MMFENCE_KERNEL_ATTRIBUTES_H
#define MMFENCE_KERNEL_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/proc_text.h"

struct attributes {
	unsigned int flags; /* bits of attributes.c */
	int key;	    /* protection key, 0 for the default */
};

/* The program made a call that sets any. */
void attributes_note(void);

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

bool attributes_locked(const struct attributes *attributes);
/* For the mmap that replaces it. */
int attributes_map_flags(const struct attributes *attributes);
/* Of one area, from any thread of the program's, whether anything was noted or not. Costs a thread
 * and a walk through smaps. */
void attributes_read_apart(uintptr_t address, struct attributes *out);
bool attributes_have_lock(const struct attributes *attributes);
/* To the kernel, which takes what is mapped by a descriptor that cannot write for none. */
bool attributes_are_shared(const struct attributes *attributes);
void attributes_apply(const struct attributes *attributes, uintptr_t start, uintptr_t end,
		      int protection);

#endif
