/* SPDX-License-Identifier: MIT */
/*
 * Replacing the mappings of a guarded file by what was preserved, on the lease thread and under the
 * snapshot lock: area by area, each with what it had, and only where the kernel says that it is
 * still this file.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "kernel/thread.h"
#include "kernel/vma.h"
#include "kernel/attributes.h"
#include "kernel/lease_thread.h"
#include "snapshot/lease.h"
#include "snapshot/preserve.h"
#include "snapshot/private.h"
#include "support/arena.h"
#include "support/sort.h"

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

static bool still_this_file(const struct lease *lease, const struct vma *vma, uintptr_t from,
			    int64_t offset)
{
	return vma_shows(vma, &lease->shown, from, offset);
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
			thread_open_again(lease_thread_proc(), 0, replacing->target, O_RDONLY);
	return replacing->read_only;
}

static int map_over(const struct vma *vma, uintptr_t from, uintptr_t to, int fd, int64_t offset,
		    const struct attributes *attributes)
{
	/* A lock counts against RLIMIT_MEMLOCK until it is gone; what comes is locked too. */
	if (attributes_locked(attributes))
		sys_munlock(from, to - from);
	long r = sys_mmap(from, to - from, vma->protection,
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
		if (!still_this_file(replacing->lease, &vma, from, offset))
			continue;
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

	for (size_t i = 0; !r && i < pieces.count; i++) {
		/* What grew under the guard while the pages were preserved is preserved here. */
		lease_window(lease, &pieces.list[i], &window);
		r = preserve_window(preserve, &window);
		if (!r)
			r = replace_piece(replacing, &pieces.list[i]);
		if (r && !preserve->reason)
			preserve->reason = "the old pages could not be mapped";
	}
	pieces_free(&pieces);
	return r;
}

int lease_replace(const struct lease *lease, struct preserve *preserve)
{
	struct replacing replacing = { .lease = lease,
				       .target = preserve->target,
				       .read_only = -1 };

	vma_walk_begin(&replacing.areas, lease_thread_maps());
	attributes_walk_begin(&replacing.attributes, lease_thread_proc());
	int r = replace_all(&replacing, preserve);
	attributes_walk_end(&replacing.attributes);
	vma_walk_end(&replacing.areas);
	if (replacing.read_only >= 0)
		sys_close(replacing.read_only);
	return r;
}
