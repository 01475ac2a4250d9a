/* SPDX-License-Identifier: MIT */
/*
 * What a program may do to private memory and the kernel does otherwise to the memfd
 * that took its place. Each is asked for only where ranges_any.
 */
#ifndef MMFENCE_SELFMEM_CONVERTED_H
#define MMFENCE_SELFMEM_CONVERTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* This advice is to be followed by converted_advised, and no conversion may come in between. */
bool converted_gives_up(int advice);
/* After madvise: what it should have returned. Pages given up are zeros for the source and its
 * views. */
long converted_advised(uintptr_t address, size_t length, int advice, long result);

/* After mremap moved, doubled or grew what was at old, with these flags: what it grew by is zeros
 * that are nobody else's, and what it left behind too. The address, or -ENOMEM, and it is back at
 * old. */
long converted_moved(uintptr_t old, size_t old_size, uintptr_t address, size_t new_size, int flags);

#endif
