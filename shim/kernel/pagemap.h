/* SPDX-License-Identifier: MIT */
/*
 * The kernel's page table of a process, as /proc/PID/pagemap shows it: its entries, the
 * ioctl that walks it (PAGEMAP_SCAN, Linux 6.7), and a walk that does with either.
 */
#ifndef MMFENCE_KERNEL_PAGEMAP_H
#define MMFENCE_KERNEL_PAGEMAP_H

#include <stdint.h>
#include <sys/ioctl.h>

/* linux/fs.h has these since 6.7; Debian 12's does not. */
struct pagemap_region {
	uint64_t start, end, categories;
};
struct pagemap_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN_IOCTL _IOWR('f', 16, struct pagemap_scan)
#define PAGE_FILE	   (1U << 2)
#define PAGE_PRESENT	   (1U << 3)
#define PAGE_SWAPPED	   (1U << 4)
#define PAGE_ZERO	   (1U << 5)
#define PAGE_GUARD	   (1U << 8)

#define ENTRY_PRESENT	(1ULL << 63)
#define ENTRY_SWAPPED	(1ULL << 62) /* or a mark, such as that of a guard page */
#define ENTRY_FILE	(1ULL << 61) /* or shared memory */
#define ENTRY_GUARD	(1ULL << 58)
#define ENTRY_EXCLUSIVE (1ULL << 56)

/* 0, or -errno, which ends the walk. */
typedef int pagemap_visit(uintptr_t start, uintptr_t end, void *context);

/* Visits the runs of pages in [start, end) that are in memory or swapped, but for those that are
 * `without` (PAGE_FILE or PAGE_ZERO; entries do not tell PAGE_ZERO, and such pages are visited).
 * pagemap is a descriptor of the file. 0, or -errno. */
int pagemap_walk(int pagemap, uintptr_t start, uintptr_t end, unsigned int without,
		 pagemap_visit *visit, void *context);

#endif
