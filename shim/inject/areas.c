/* SPDX-License-Identifier: MIT */
/*
 * max_map_count: fails what a kernel with that limit would fail. The areas are counted in
 * /proc/self/maps, seldom while there are few; at the limit each call is judged as the
 * kernel judges it: mmap may pass the limit by one area, whatever splits an area may not,
 * and a mapping that moves wants room for four.
 */
#include <stdatomic.h>
#include <sys/mman.h>

#include "inject/inject.h"
#include "support/sys.h"
#include "kernel/vma.h"

/* No call is judged by the kernel while there are this many fewer areas than the limit; and none
 * makes more than three. */
#define MARGIN 6
#define GROWTH 3

#define PROTECTION_BITS (PROT_READ | PROT_WRITE | PROT_EXEC)

/* Calls until the areas are counted again. */
static atomic_llong calls_left;

/* Whether there may be so many that a call fails; and how many. */
static bool is_near(const struct area_limit *areas, uint64_t *count)
{
	if (atomic_fetch_sub(&calls_left, 1) > 0 || !(*count = vma_count()))
		return false;
	uint64_t reached = *count + MARGIN;

	atomic_store(&calls_left,
		     reached < areas->limit ? (long long)((areas->limit - reached) / GROWTH) : 0);
	return reached >= areas->limit;
}

/* Whether one area goes on both before and behind the range: then taking it out makes one more. */
static bool is_inside(uintptr_t start, size_t length)
{
	struct vma vma;

	return length && start % PAGE_BYTES == 0 && vma_at(start, &vma, NULL, 0) &&
	       vma.start < start && start + PAGE_UP(length) < vma.end;
}

/* What the kernel looks at before it counts. */
static bool mmap_gets_far(const struct inject_request *request)
{
	if (!PAGE_UP(request->length) || request->offset % (int64_t)PAGE_BYTES)
		return false;
	return request->flags & MAP_ANONYMOUS || sys_fcntl(request->fd, F_GETFD, 0) >= 0;
}

static bool mmap_fails(uint64_t count, uint64_t limit, const struct inject_request *request)
{
	if (count < limit || !mmap_gets_far(request))
		return false;
	return count > limit ||
	       (request->flags & MAP_FIXED && !(request->flags & MAP_FIXED_NOREPLACE) &&
		is_inside(request->address, request->length));
}

/* A range of a shared mapping of one file; anything else is EINVAL to the kernel. */
static bool is_remappable(uintptr_t at, uintptr_t end)
{
	struct vma first, vma;

	if (end <= at || !vma_at(at, &first, NULL, 0) || !first.shared)
		return false;
	for (vma = first; vma.end < end;) {
		uintptr_t border = vma.end;

		if (!vma_at(border, &vma, NULL, 0) || !vma_shares_file(&first, &vma))
			return false;
	}
	return true;
}

static bool remap_fails(uint64_t count, uint64_t limit, const struct inject_request *request)
{
	uintptr_t start = PAGE_DOWN(request->address);
	size_t length = PAGE_DOWN(request->length);

	if (count < limit || request->protection || !is_remappable(start, start + length))
		return false;
	return count > limit || is_inside(start, length);
}

static bool grows_in_place(const struct inject_request *request, const struct vma *vma)
{
	uintptr_t end = request->address + PAGE_UP(request->length);
	struct vma next;

	if (end != vma->end)
		return false;
	return vma_find(end, &next, NULL, 0) ||
	       next.start >= request->address + PAGE_UP(request->new_length);
}

static bool mremap_fails(uint64_t count, uint64_t limit, const struct inject_request *request)
{
	size_t old = PAGE_UP(request->length), new = PAGE_UP(request->new_length);
	struct vma vma;

	if (!new || request->address % PAGE_BYTES || !vma_at(request->address, &vma, NULL, 0))
		return false;
	if (request->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return count + 2 + 3 >= limit;
	if (new < old)
		return count >= limit && is_inside(request->address + new, old - new);
	if ((old && new == old) || !(request->flags & MREMAP_MAYMOVE) ||
	    grows_in_place(request, &vma))
		return false;
	return count + 3 >= limit;
}

/* Whether a, once it has b's protection, becomes one area with b behind it. */
static bool are_one(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->shared == b->shared && a->device == b->device &&
	       a->inode == b->inode && (!a->inode || a->offset + (a->end - a->start) == b->offset);
}

/* How many areas more there are once [start, end) of this one is protected otherwise. */
static unsigned int pieces_made(const struct vma *vma, uintptr_t start, uintptr_t end,
				int protection)
{
	bool head = vma->start < start, tail = end < vma->end;
	struct vma neighbour;

	if (vma->protection == protection)
		return 0;
	if (tail && !head && vma_at(vma->start - 1, &neighbour, NULL, 0) &&
	    (neighbour.protection == protection || vma->start > start) && are_one(&neighbour, vma))
		return 0;
	if (head && !tail && vma_at(vma->end, &neighbour, NULL, 0) &&
	    neighbour.protection == protection && are_one(vma, &neighbour))
		return 0;
	return head + tail;
}

static bool mprotect_fails(uint64_t count, uint64_t limit, const struct inject_request *request)
{
	uintptr_t end = request->address + PAGE_UP(request->length);
	struct vma vma;

	if (request->address % PAGE_BYTES)
		return false;
	for (uintptr_t at = request->address; at < end; at = vma.end) {
		if (!vma_at(at, &vma, NULL, 0))
			return false; /* the kernel's ENOMEM, of another kind */
		unsigned int pieces = pieces_made(&vma, request->address, end,
						  request->protection & PROTECTION_BITS);

		if (pieces && count + pieces > limit)
			return true;
	}
	return false;
}

static bool fails(uint64_t count, uint64_t limit, const struct inject_request *request)
{
	switch (request->call) {
	case INJECT_MMAP:
		return mmap_fails(count, limit, request);
	case INJECT_REMAP_FILE_PAGES:
		return remap_fails(count, limit, request);
	case INJECT_MREMAP:
		return mremap_fails(count, limit, request);
	case INJECT_MPROTECT:
		return mprotect_fails(count, limit, request);
	case INJECT_MUNMAP:
		return count >= limit && is_inside(request->address, request->length);
	default:
		return false;
	}
}

bool areas_exceeded(struct area_limit *areas, const struct inject_request *request)
{
	return is_near(areas, &areas->count) && fails(areas->count, areas->limit, request);
}
