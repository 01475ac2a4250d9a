/* SPDX-License-Identifier: MIT */
/*
 * What a mapping has besides its protection: memory lock, advice, protection key, and
 * whether its memory is reserved. Asked of the kernel (VmFlags in smaps) before a mapping is
 * replaced, and given to what replaces it. Reading smaps walks page tables, so it is done only in
 * processes that ever made a call that sets any of these.
 */
#ifndef MMFENCE_SNAPSHOT_ATTRIBUTES_H
#define MMFENCE_SNAPSHOT_ATTRIBUTES_H

#include <stdbool.h>
#include <stdint.h>

struct attributes {
	unsigned int flags; /* bits of attributes.c */
	int key;	    /* protection key, 0 for the default */
};

/* The program made a call that sets any. */
void attributes_note(void);

/* Of the area that holds address; on the keeper. Nothing is set in *out when there is nothing to
 * keep. */
void attributes_get(uintptr_t address, struct attributes *out);
/* The same on any other thread. */
void attributes_get_here(uintptr_t address, struct attributes *out);
bool attributes_locked(const struct attributes *attributes);
/* For the mmap that replaces it. */
int attributes_map_flags(const struct attributes *attributes);
/* The same from any thread of the program's, whether anything was noted or not. Costs a thread and
 * a walk through smaps. */
void attributes_read_apart(uintptr_t address, struct attributes *out);
bool attributes_have_lock(const struct attributes *attributes);
void attributes_apply(const struct attributes *attributes, uintptr_t start, uintptr_t end,
		      int protection);

#endif
