/* SPDX-License-Identifier: MIT */
/*
 * Memory into a file, by write(2): more than twice as fast as memcpy into a mapping of
 * it. Pages that nobody ever touched stay holes. On bare threads: raw calls only.
 */
#ifndef MMFENCE_SELFMEM_FILL_H
#define MMFENCE_SELFMEM_FILL_H

#include <stdint.h>

/* [from, end) to file offset at: 0, -EFAULT when part of it cannot be read, or -errno. Adds to
 * *bytes. */
int fill_all(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes);

/* The same for anonymous memory: only pages that are there. pagemap is /proc/self/pagemap, or
 * -errno: then all are copied. */
int fill_touched(int fd, int pagemap, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes);

/* The same for shared memory, readable or not: its holes are not filled by looking at them. */
int fill_shared(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes);

#endif
