/* SPDX-License-Identifier: MIT */
/*
 * Finding, saving and restoring private pages: see private.h. PAGEMAP_SCAN tells them
 * in one call where the kernel has it, /proc/self/pagemap page by page where not.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/raw.h"
#include "snapshot/keeper.h"
#include "snapshot/private.h"
#include "support/arena.h"

/* linux/fs.h has these since 6.7; Debian 12's does not. */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_arguments {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN_IOCTL _IOWR('f', 16, struct scan_arguments)
#define SCAN_FILE	   4
#define SCAN_PRESENT	   8
#define SCAN_SWAPPED	   16
#define REGIONS		   32

#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_SWAPPED (1ULL << 62)
#define ENTRY_FILE    (1ULL << 61)
#define ENTRIES	      256

struct private_run {
	struct private_run *next;
	uintptr_t start;
	size_t length;
	unsigned char bytes[];
};

struct search {
	int pagemap;
	struct private_run *runs;
};

static int transfer(int memory, bool write, uintptr_t address, void *buffer, size_t length)
{
	char *at = buffer;

	while (length) {
		/* Positions in /proc/self/mem may have the sign bit set: pread would refuse them.
		 */
		int64_t where = raw_lseek(memory, (int64_t)address, SEEK_SET);
		long done = raw(write ? SYS_write : SYS_read, memory, at, length);
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

static int save_run(struct search *search, uintptr_t start, uintptr_t end)
{
	struct private_run *run = arena_alloc(sizeof(*run) + (end - start));

	if (!run)
		return -ENOMEM;
	run->start = start;
	run->length = end - start;
	run->next = search->runs;
	search->runs = run;
	if (keeper_memory() < 0)
		return keeper_memory();
	return transfer(keeper_memory(), false, start, run->bytes, run->length);
}

/* 0 with *at moved on, or -errno; -ENOTTY where the kernel has no such call. */
static int scan_some(struct search *search, uintptr_t *at, uintptr_t end)
{
	struct scan_region regions[REGIONS];
	struct scan_arguments arguments = {
		.size = sizeof(arguments),
		.start = *at,
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = REGIONS,
		.category_inverted = SCAN_FILE,
		.category_mask = SCAN_FILE,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_PRESENT,
	};
	long count = raw(SYS_ioctl, search->pagemap, PAGEMAP_SCAN_IOCTL, &arguments);
	int r = count < 0 ? (int)count : 0;

	for (long i = 0; !r && i < count; i++)
		r = save_run(search, (uintptr_t)regions[i].start, (uintptr_t)regions[i].end);
	*at = (uintptr_t)arguments.walk_end;
	return r;
}

static bool is_private(uint64_t entry)
{
	return entry & (ENTRY_PRESENT | ENTRY_SWAPPED) && !(entry & ENTRY_FILE);
}

static int read_some(struct search *search, uintptr_t *at, uintptr_t end)
{
	uint64_t entries[ENTRIES];
	size_t wanted = (end - *at) / PAGE_BYTES;
	int r = 0;

	if (wanted > ENTRIES)
		wanted = ENTRIES;
	int64_t got = raw_pread(search->pagemap, entries, wanted * sizeof(*entries),
				(int64_t)(*at / PAGE_BYTES * sizeof(*entries)));
	if (got <= 0)
		return got < 0 ? (int)got : -EIO;
	for (size_t i = 0; !r && i < (size_t)got / sizeof(*entries); i++, *at += PAGE_BYTES)
		if (is_private(entries[i]))
			r = save_run(search, *at, *at + PAGE_BYTES);
	return r;
}

int private_save(uintptr_t start, uintptr_t end, struct private_run **runs)
{
	struct search search = { keeper_pagemap(), NULL };
	bool scan = true;
	int r = 0;

	*runs = NULL;
	if (search.pagemap < 0) /* nobody can tell: there are hardly ever any */
		return 0;
	for (uintptr_t at = start; !r && at < end;) {
		r = scan ? scan_some(&search, &at, end) : read_some(&search, &at, end);
		if (scan && (r == -ENOTTY || r == -EINVAL)) {
			scan = false;
			at = start;
			r = 0;
		}
	}
	if (!r)
		*runs = search.runs;
	else
		private_free(search.runs);
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
		r = transfer(keeper_memory(), true, run->start, run->bytes, run->length);
	private_free(runs);
	return r;
}
