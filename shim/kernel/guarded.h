/* SPDX-License-Identifier: MIT */
/*
 * The few descriptors of ours that sit in the program's table: the log, and
 * /proc/self/maps for VMA look-ups. They are high and close-on-exec; what was
 * opened is remembered by device and inode. The program cannot close or replace
 * them through libc (interpose/descriptors.c asks guarded_is), and one that it
 * took by raw calls is noticed and opened anew. No locks: async-signal-safe.
 */
#ifndef MMFENCE_KERNEL_GUARDED_H
#define MMFENCE_KERNEL_GUARDED_H

#include <stdbool.h>
#include <stdint.h>

enum guarded_slot { GUARDED_LOG, GUARDED_MAPS, GUARDED_COUNT };

/* The slot's descriptor, or -1 when it has none or the number is somebody else's by now. */
int guarded_get(enum guarded_slot slot);
/* The same, and how large the file is now. */
int guarded_get_size(enum guarded_slot slot, uint64_t *size);
/* The same without asking whether it is still ours: only for calls that fail harmlessly if not. */
int guarded_get_unchecked(enum guarded_slot slot);
/* Moves fd high and remembers it for the slot; closes fd. The new descriptor, or -errno. */
int guarded_put(enum guarded_slot slot, int fd);
/* Closes the slot's descriptor, if it is still ours. */
void guarded_drop(enum guarded_slot slot);
/* Whether this number is ours (cheap: for every close). */
bool guarded_is(int fd);
/* The smallest of our numbers within [first, last], or -1. */
int guarded_in_range(unsigned int first, unsigned int last);
/* The program wants this number (dup2 onto it): ours moves elsewhere. */
void guarded_yield(int fd);

/* The thread on this stack has a descriptor table of its own, empty as yet; 0, 0: there is none. */
void guarded_other_table(uintptr_t start, uintptr_t end);

#endif
