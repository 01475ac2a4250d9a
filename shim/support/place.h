/* SPDX-License-Identifier: MIT */
/*
 * Where the library's own memory lies: in a part of the address space that the kernel
 * gives to nobody by itself. At an address of the kernel's choice it would fill what the
 * program left free on purpose: a hole of MADV_DONTFORK in a child, the place that it
 * is about to map by MAP_FIXED_NOREPLACE.
 */
#ifndef MMFENCE_SUPPORT_PLACE_H
#define MMFENCE_SUPPORT_PLACE_H

#include <stddef.h>
#include <stdint.h>

/* mmap there: the address, or -errno. Elsewhere only when there is no room. */
long place_map(size_t size, int protection, int flags, int fd, int64_t offset);

/* munmap. What was mapped last is the first to be used again. */
void place_unmap(long address, size_t size);

#endif
