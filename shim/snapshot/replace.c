/* SPDX-License-Identifier: MIT */
/*
 * Replacing the mappings of a guarded file by what was preserved, on the lease thread and under the
 * snapshot lock: area by area, each with what it had, and only where the kernel says that it is
 * still this file.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/sys.h"
#include "kernel/thread.h"
#include "kernel/vma.h"
#include "kernel/lease_thread.h"
#include "snapshot/lease.h"
#include "snapshot/preserve.h"
#include "support/arena.h"
#include "support/sort.h"
#include "kernel/pagemap.h"

/* Pages of a private file mapping that are the process's own already, although it cannot be stored
 * to: a debugger's breakpoints, stores through /proc/self/mem, or a mapping made writable by a raw
 * system call. They are kept when it is replaced. */
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

static void private_free(struct private_run *runs)
{
	while (runs) {
		struct private_run *next = runs->next;
		arena_free(runs, sizeof(*runs) + runs->length);
		runs = next;
	}
}

/* 0, *runs NULL when there are none; or -errno. */
static int private_save(uintptr_t start, uintptr_t end, struct private_run **runs)
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

static int private_restore(struct private_run *runs)
{
	int r = 0;

	for (struct private_run *run = runs; !r && run; run = run->next)
		r = transfer(lease_thread_memory(), true, run->start, run->bytes, run->length);
	private_free(runs);
	return r;
}

/* Its pieces, into the list if there is one; how many. */
static size_t pieces_of(const struct snapshot *snapshot, struct piece *list)
{
	struct piece piece;
	size_t count = 0;

	for (uintptr_t at = snapshot->low; at < snapshot->high && index_next(at, &piece);
	     at = piece.end) {
		if (piece.snapshot != snapshot)
			continue;
		if (list)
			list[count] = piece;
		count++;
	}
	return count;
}

static uint64_t start_of(const void *piece)
{
	return ((const struct piece *)piece)->start;
}

#define EACH_SNAPSHOT(snapshot, lease)                                       \
	for (const struct snapshot *snapshot = (lease)->snapshots; snapshot; \
	     snapshot = snapshot->next_guarded)

int lease_pieces(const struct lease *lease, struct pieces *out)
{
	*out = (struct pieces){ .room = 1 };
	EACH_SNAPSHOT(snapshot, lease)
	out->room += pieces_of(snapshot, NULL);
	out->list = arena_alloc(out->room * sizeof(*out->list));
	if (!out->list)
		return -ENOMEM;
	EACH_SNAPSHOT(snapshot, lease)
	out->count += pieces_of(snapshot, out->list + out->count);
	sort(out->list, out->count, sizeof(*out->list), start_of);
	return 0;
}

void pieces_free(struct pieces *pieces)
{
	arena_free(pieces->list, pieces->room * sizeof(*pieces->list));
	pieces->list = NULL;
}

void lease_window(const struct lease *lease, const struct piece *piece, struct window *out)
{
	int64_t end = piece->offset + (int64_t)(piece->end - piece->start);

	out->start = piece->offset;
	out->end = end < lease->file.size ? end : lease->file.size;
}

/* What all areas of one lease are replaced with. */
struct replacing {
	const struct lease *lease;
	int target, read_only;
	struct vma_walk areas;
	struct attributes_walk attributes;
};

/* Shared mappings must stay so that they cannot be made writable: through a descriptor that cannot.
 */
static int descriptor_for(struct replacing *replacing, const struct vma *vma)
{
	if (!vma->shared)
		return replacing->target;
	if (replacing->read_only < 0)
		replacing->read_only =
			thread_open_again(lease_thread_files.proc, 0, replacing->target, O_RDONLY);
	return replacing->read_only;
}

/* A process that has all areas it may have (vm.max_map_count) can replace none: the kernel counts
 * the new one before it takes the old one away. Nothing merges with this one. */
static uintptr_t spare;

void spare_area_keep(void)
{
	long at = spare ? 0 : place_map(PAGE_BYTES, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at && !sys_failed(at))
		spare = (uintptr_t)at;
}

static bool spare_area_give(void)
{
	uintptr_t at = spare;

	spare = 0;
	return at && !sys_munmap(at, PAGE_BYTES);
}

static long map_surely(uintptr_t at, size_t length, int protection, int flags, int fd,
		       int64_t offset)
{
	long r = sys_mmap(at, length, protection, flags, fd, offset);

	return r == -ENOMEM && spare_area_give()
		       ? sys_mmap(at, length, protection, flags, fd, offset)
		       : r;
}

static int map_over(const struct vma *vma, uintptr_t from, uintptr_t to, int fd, int64_t offset,
		    const struct attributes *attributes)
{
	/* A lock counts against RLIMIT_MEMLOCK until it is gone; what comes is locked too. */
	if (attributes->flags & (ATTRIBUTE_LOCKED | ATTRIBUTE_LOCKED_ON_FAULT))
		sys_munlock(from, to - from);
	long r = map_surely(from, to - from, vma->protection,
			    MAP_FIXED | (vma->shared ? MAP_SHARED : MAP_PRIVATE) |
				    attributes_map_flags(attributes),
			    fd, offset);
	if (sys_failed(r))
		return (int)r;
	attributes_apply(attributes, from, to, vma->protection);
	return 0;
}

static int replace_area(struct replacing *replacing, const struct vma *vma, uintptr_t from,
			uintptr_t to, int64_t offset)
{
	struct private_run *own = NULL;
	int fd = descriptor_for(replacing, vma);
	int r = fd < 0 ? fd : 0;

	if (!r && !vma->shared)
		r = private_save(from, to, &own);
	if (!r)
		r = map_over(vma, from, to, fd, offset,
			     attributes_at(&replacing->attributes, from));
	if (!r)
		return private_restore(own);
	private_free(own);
	return r;
}

static int replace_piece(struct replacing *replacing, const struct piece *piece)
{
	struct vma vma;

	for (uintptr_t at = piece->start; at < piece->end; at = vma.end) {
		int r = vma_walk_to(&replacing->areas, at, &vma, NULL, 0);
		if (r == -ENOENT || (!r && vma.start >= piece->end))
			return 0;
		if (r)
			return r;
		uintptr_t from = vma.start > at ? vma.start : at;
		uintptr_t to = vma.end < piece->end ? vma.end : piece->end;
		int64_t offset = piece->offset + (int64_t)(from - piece->start);
		if (!vma_shows(&vma, &replacing->lease->shown, from, offset))
			continue; /* no longer this file */
		r = replace_area(replacing, &vma, from, to, offset);
		if (r)
			return r;
	}
	return 0;
}

static int replace_all(struct replacing *replacing, struct preserve *preserve)
{
	const struct lease *lease = replacing->lease;
	struct pieces pieces;
	struct window window;
	int r = lease_pieces(lease, &pieces);

	/* What grew under the guard while the pages were preserved is preserved here. */
	for (size_t i = 0; !r && i < pieces.count; i++) {
		lease_window(lease, &pieces.list[i], &window);
		r = preserve_window(preserve, &window);
	}
	replacing->target = preserve->copy.target;
	for (size_t i = 0; !r && i < pieces.count; i++)
		r = replace_piece(replacing, &pieces.list[i]);
	if (r && !preserve->reason)
		preserve->reason = "the old pages could not be mapped";
	pieces_free(&pieces);
	return r;
}

int lease_replace(const struct lease *lease, struct preserve *preserve)
{
	struct replacing replacing = { .lease = lease, .read_only = -1 };

	snapshot_replaces();
	vma_walk_begin(&replacing.areas, lease_thread_files.maps);
	attributes_walk_begin(&replacing.attributes, lease_thread_files.proc);
	int r = replace_all(&replacing, preserve);
	attributes_walk_end(&replacing.attributes);
	vma_walk_end(&replacing.areas);
	snapshot_replaces();
	sys_close_if_open(replacing.read_only);
	spare_area_keep();
	return r;
}
