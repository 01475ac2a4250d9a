/* SPDX-License-Identifier: MIT */
/*
 * Memory into a file, by write(2): more than twice as fast as memcpy into a mapping of
 * it. Pages that nobody ever touched stay holes. On bare threads: raw calls only.
 */
#ifndef MMFENCE_SELFMEM_COPY_PAGES_H
#define MMFENCE_SELFMEM_COPY_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/* [from, end) to file offset at: 0, -EFAULT when part of it cannot be read, or -errno. Adds to
 * *bytes. */
int copy_every_page(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes);

/* /proc/self/pagemap and /proc/self/mem, or -errno. */
struct proc {
	int pagemap, memory;
};
void proc_open(struct proc *proc);
void proc_close(struct proc *proc);

/* The same for anonymous memory: only pages that are there. Without pagemap all are. */
int copy_touched_pages(int fd, const struct proc *proc, uintptr_t from, uintptr_t end, int64_t at,
		       uint64_t *bytes);

/* The same for private memory that is protected against reading; touched: only pages that are
 * there. */
int copy_unreadable_pages(int fd, const struct proc *proc, bool touched, uintptr_t from,
			  uintptr_t end, int64_t at, uint64_t *bytes);

/* The same for shared memory, readable or not: its holes are not filled by looking at them. */
int copy_shared_pages(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes);

#endif
