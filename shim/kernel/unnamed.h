/* SPDX-License-Identifier: MIT */
/*
 * Files without a name: in memory, or in a directory.
 */
#ifndef MMFENCE_KERNEL_UNNAMED_H
#define MMFENCE_KERNEL_UNNAMED_H

#include <stdbool.h>

/* Where memory is without memfd_create (before Linux 3.17). */
#define UNNAMED_SHM "/dev/shm"

/* A memfd of that name, with these flags beside MFD_CLOEXEC, or as one that never runs; or a file
 * in UNNAMED_SHM, whose name begins with it and a dot and is gone again. A descriptor, or -errno.
 */
int unnamed_memory(const char *name, unsigned int flags);
/* Whether it would be in UNNAMED_SHM, which another root may not have. */
bool unnamed_memory_is_in_shm(void);

/* O_TMPFILE; where there is none (before 3.11, or on this file system), a file whose name begins
 * with `name` and a dot and is gone again. */
int unnamed_file(const char *directory, const char *name);

#endif
