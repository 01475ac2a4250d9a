/* SPDX-License-Identifier: MIT */
/*
 * Saving and restoring private pages: see private.h.
 */
#include <errno.h>
#include <unistd.h>

#include "kernel/pagemap.h"
#include "support/sys.h"
#include "kernel/lease_thread.h"
#include "snapshot/private.h"
#include "support/arena.h"

struct private_run {
	struct private_run *next;
	uintptr_t start;
	size_t length;
	unsigned char bytes[];
};

static int transfer(int memory, bool write, uintptr_t address, void *buffer, size_t length)
{
	char *at = buffer;

	while (length) {
		/* Positions in /proc/self/mem may have the sign bit set: pread would refuse them.
		 */
		int64_t where = sys_lseek(memory, (int64_t)address, SEEK_SET);
		long done = write ? sys_write(memory, at, length) : sys_read(memory, at, length);
		if (done == -EINTR)
			continue;
		if (done <= 0 || where < 0)
			return done < 0 ? (int)done : -EIO;
		at += done;
		address += (uintptr_t)done;
		length -= (size_t)done;
	}
	return 0;
}

static int save_run(uintptr_t start, uintptr_t end, void *context)
{
	struct private_run **runs = context, *run = arena_alloc(sizeof(*run) + (end - start));

	if (!run)
		return -ENOMEM;
	run->start = start;
	run->length = end - start;
	run->next = *runs;
	*runs = run;
	if (lease_thread_memory() < 0)
		return lease_thread_memory();
	return transfer(lease_thread_memory(), false, start, run->bytes, run->length);
}

int private_save(uintptr_t start, uintptr_t end, struct private_run **runs)
{
	*runs = NULL;
	if (lease_thread_pagemap() < 0) /* nobody can tell: there are hardly ever any */
		return 0;
	int r = pagemap_walk(lease_thread_pagemap(), start, end, PAGE_FILE, save_run, runs);
	if (r) {
		private_free(*runs);
		*runs = NULL;
	}
	return r;
}

void private_free(struct private_run *runs)
{
	while (runs) {
		struct private_run *next = runs->next;
		arena_free(runs, sizeof(*runs) + runs->length);
		runs = next;
	}
}

int private_restore(struct private_run *runs)
{
	int r = 0;

	for (struct private_run *run = runs; !r && run; run = run->next)
		r = transfer(lease_thread_memory(), true, run->start, run->bytes, run->length);
	private_free(runs);
	return r;
}
