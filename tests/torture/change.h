/* SPDX-License-Identifier: MIT */
/*
 * Within the writers: change.c makes the mess, write.c the next generation.
 */
#ifndef MMFENCE_TORTURE_CHANGE_H
#define MMFENCE_TORTURE_CHANGE_H

#include "torture.h"

#define BATCH 32 /* pages written at once */

struct work {
	int file, fd;
	uint32_t generation; /* the next one */
	uint64_t size;	     /* of it */
	uint64_t before;     /* of what is there */
	char path[256];
};

void pause_a_little(void);
void must(bool done, const char *call, const struct work *work);
void open_to_write(struct work *work, int flags);
void *buffer_get(size_t pages);

/* Pages from the first that are all data, up to a batch, into buffer. */
size_t batch(const struct work *work, uint64_t first, unsigned char *buffer);
/* Bytes to a place, by one call or another. */
void put(const struct work *work, int fd, const unsigned char *buffer, size_t size, uint64_t at);
/* The generation; fresh: what is not written is a hole already. */
void write_pages(const struct work *work, int fd, bool fresh);
/* The same by stores to a shared mapping. */
void store_pages(struct work *work);
/* The generation in a file of its own. */
int written_elsewhere(const struct work *work, char *path, size_t size);
/* The same, and from there to the file. */
void copy_pages(struct work *work);

#endif
