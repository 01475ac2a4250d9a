/* SPDX-License-Identifier: MIT */
/*
 * Bytes from one descriptor to another at the same offsets, holes left out. On bare
 * threads too: raw calls only.
 */
#ifndef MMFENCE_KERNEL_TRANSFER_H
#define MMFENCE_KERNEL_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

struct copy {
	int source, target;
	bool seekable;	/* the source's description is ours: asking it for holes moves its position
			 */
	uint64_t bytes; /* copied so far */
};

/* Bytes [start, end), which the source has: 0, -ENODATA when it ended early, or -errno. */
int copy_range(struct copy *copy, int64_t start, int64_t end);
/* The same, but only the source's data. */
int copy_data(struct copy *copy, int64_t start, int64_t end);

#endif
