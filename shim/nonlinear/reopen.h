/* SPDX-License-Identifier: MIT */
/*
 * Reaching a mapped file when the program's descriptor is closed: by the kernel's link
 * to it in /proc/self/map_files, or by its path if device and inode agree. The file is
 * opened on a bare thread with a descriptor table of its own, for reading and writing:
 * a shared mapping of less could not be made writable any more.
 */
#ifndef MMFENCE_NONLINEAR_REOPEN_H
#define MMFENCE_NONLINEAR_REOPEN_H

#include <stdint.h>

#include "kernel/vma.h"

enum way {
	WAY_KERNEL,    /* no emulation */
	WAY_NONE,      /* the file cannot be reached */
	WAY_REFUSED,   /* nothing was to be mapped: the arguments are bad */
	WAY_MAPPING,   /* out of a mapping of the file that was there */
	WAY_MAP_FILES, /* /proc/self/map_files */
	WAY_PATH,      /* its path */
};

/* For events; NULL where there was no emulation. */
const char *way_name(enum way way);

/* mmap, as sys_mmap has it, of the file that area shows. The address or -errno; *way is WAY_NONE if
 * the file could not be opened. */
long reopen_map(const struct vma *area, uintptr_t address, uint64_t size, int protection, int flags,
		uint64_t page, enum way *way);

void reopen_after_fork(void);

#endif
