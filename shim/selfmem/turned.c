/* SPDX-License-Identifier: MIT */
/*
 * Private memory is given up with MADV_DONTNEED and grows by zeros; a mapping of a file
 * brings its bytes back, and grows by what lies behind. See turned.h.
 */
#include <errno.h>
#include <sys/mman.h>

#include "kernel/raw.h"
#include "kernel/vma.h"
#include "selfmem/ranges.h"
#include "selfmem/turned.h"
#include "snapshot/attributes.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#define ANY_TURNED (RANGE_TURNED | RANGE_INHERITED)

/* ---- new memory in its place ---- */

static long map_zeros(uintptr_t start, uintptr_t end, int protection)
{
	struct attributes attributes;

	attributes_read_apart(start, &attributes);
	long r = raw_mmap(
		start, end - start, protection,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | attributes_map_flags(&attributes), -1, 0);
	if (!raw_failed(r))
		attributes_apply(&attributes, start, end, protection);
	return r;
}

/* The pages are the parent's, which has not given them up: the child gets some of its own there,
 * which its views do not show. */
static void leave_to_the_parent(const struct range *range)
{
	struct vma vma;

	for (uintptr_t at = range->start; at < range->end; at = vma.end) {
		if (vma_find(at, &vma, NULL, 0) || vma.start > at)
			return;
		uintptr_t end = vma.end < range->end ? vma.end : range->end;
		if (!raw_failed(map_zeros(at, end, vma.protection)))
			ranges_remove(at, end);
	}
}

/* ---- madvise ---- */

static void drop(uintptr_t address, uintptr_t end)
{
	struct range range;

	for (uintptr_t at = address; ranges_find(ANY_TURNED, at, end, &range); at = range.end)
		if (range.kind == RANGE_INHERITED)
			leave_to_the_parent(&range);
		else
			raw(SYS_madvise, range.start, range.end - range.start, MADV_REMOVE);
}

/* The kernel may free such pages later, or not at all: of what was turned, not at all. */
static long free_others(uintptr_t address, uintptr_t end)
{
	struct range range;
	long r = 0, worst = 0;

	for (uintptr_t at = address; at < end && (!r || r == -ENOMEM); at = range.end) {
		if (!ranges_find(ANY_TURNED, at, end, &range))
			range.start = range.end = end;
		r = range.start > at ? raw(SYS_madvise, at, range.start - at, MADV_FREE) : 0;
		worst = r ? r : worst;
	}
	return worst;
}

long turned_advised(uintptr_t address, size_t length, int advice, long result)
{
	uintptr_t end = address + PAGE_UP(length);

	if (end < address)
		return result;
	/* ENOMEM: part of the range is not mapped, and the rest was done. */
	if ((advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED) &&
	    (!result || result == -ENOMEM))
		drop(address, end);
	struct range range;
	if (advice == MADV_FREE && result == -EINVAL && !(address & (PAGE_BYTES - 1)) &&
	    ranges_find(ANY_TURNED, address, end, &range))
		return free_others(address, end);
	return result;
}

/* ---- mremap ---- */

/* Whether what lies behind, in the file, was nobody's: then it is zeros, and this memory's. */
static bool takes_over(const struct range *last, const struct vma *vma, uintptr_t start,
		       uintptr_t end)
{
	int64_t offset = (int64_t)vma->offset + (int64_t)(start - vma->start);
	struct range more = *last;

	if (ranges_reserve(1) || !ranges_use(last, offset, offset + (int64_t)(end - start)))
		return false;
	more.start = start;
	more.end = end;
	ranges_add(&more);
	return true;
}

static long go_back(uintptr_t old, size_t old_size, uintptr_t address, size_t new_size)
{
	if (old == address)
		raw(SYS_mremap, address, new_size, old_size, 0);
	else
		raw(SYS_mremap, address, new_size, old_size, MREMAP_MAYMOVE | MREMAP_FIXED, old);
	return -ENOMEM;
}

long turned_grown(uintptr_t old, size_t old_size, uintptr_t address, size_t new_size)
{
	uintptr_t start = address + PAGE_UP(old_size), end = address + PAGE_UP(new_size);
	struct range last;
	struct vma vma;

	if (!old_size || end <= start ||
	    !ranges_find(ANY_TURNED, start - PAGE_BYTES, start, &last) ||
	    vma_find(start, &vma, NULL, 0) || vma.start >= start ||
	    takes_over(&last, &vma, start, end))
		return (long)address;
	return raw_failed(map_zeros(start, end, vma.protection))
		       ? go_back(old, old_size, address, new_size)
		       : (long)address;
}
