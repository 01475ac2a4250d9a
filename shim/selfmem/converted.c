/* SPDX-License-Identifier: MIT */
/*
 * What a program may do to private memory and the kernel does otherwise to the memfd that took its
 * place. Each is asked for only where ranges_any.
 * Private memory is given up with MADV_DONTNEED and grows by zeros; a mapping of a file brings its
 * bytes back, and grows by what lies behind.
 */
#include <errno.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "kernel/vma.h"
#include "selfmem/selfmem.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* ---- new memory in its place ---- */

static long map_zeros(uintptr_t start, uintptr_t end, int protection)
{
	struct attributes attributes;

	attributes_read_apart(start, &attributes);
	long r = sys_mmap(
		start, end - start, protection,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | attributes_map_flags(&attributes), -1, 0);
	if (!sys_failed(r))
		attributes_apply(&attributes, start, end, protection);
	return r;
}

/* New private memory in its place, which no view shows. */
static void replace_by_zeros(const struct range *range)
{
	struct vma vma;

	for (uintptr_t at = range->start; at < range->end; at = vma.end) {
		if (!vma_at(at, &vma, NULL, 0))
			return;
		uintptr_t end = vma.end < range->end ? vma.end : range->end;
		if (!sys_failed(map_zeros(at, end, vma.protection)))
			ranges_remove(at, end);
	}
}

/* ---- madvise ---- */

/* Where they are mapped once more: locked memory the kernel refuses, and before 6.7 also what
 * cannot be written at the moment. */
static long punch_elsewhere(uintptr_t start, size_t size)
{
	long again = sys_mremap(start, 0, size, MREMAP_MAYMOVE, 0);

	if (sys_failed(again))
		return again;
	sys_munlock(again, size);
	long r = sys_mprotect(again, size, PROT_READ | PROT_WRITE);
	if (!r)
		r = sys_madvise(again, size, MADV_REMOVE);
	sys_munmap(again, size);
	return r;
}

static long punch(const struct range *range)
{
	size_t size = range->end - range->start;
	long r = sys_madvise(range->start, size, MADV_REMOVE);

	return r == -EINVAL || r == -EACCES ? punch_elsewhere(range->start, size) : r;
}

static long drop(uintptr_t address, uintptr_t end)
{
	struct range range;
	long r = 0;

	for (uintptr_t at = address; !r && ranges_find(RANGE_CONVERTED, at, end, &range);
	     at = range.end)
		if (range.shared) /* its parent has not given them up */
			replace_by_zeros(&range);
		else
			r = punch(&range);
	return r;
}

/* The kernel may free such pages later, or not at all: of what was converted, not at all. */
static long free_others(uintptr_t address, uintptr_t end)
{
	struct range range;
	long r = 0, worst = 0;

	for (uintptr_t at = address; at < end && (!r || r == -ENOMEM); at = range.end) {
		if (!ranges_find(RANGE_CONVERTED, at, end, &range))
			range.start = range.end = end;
		r = range.start > at ? sys_madvise(at, range.start - at, MADV_FREE) : 0;
		worst = r ? r : worst;
	}
	return worst;
}

bool converted_gives_up(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED || advice == MADV_FREE ||
	       advice == MADV_GUARD_INSTALL;
}

long converted_advised(uintptr_t address, size_t length, int advice, long result)
{
	uintptr_t end = address + PAGE_UP(length);

	if (end < address)
		return result;
	/* ENOMEM: part of the range is not mapped, and the rest was done. */
	if (advice != MADV_FREE && (!result || result == -ENOMEM)) {
		long r = drop(address, end);
		return r ? r : result;
	}
	struct range range;
	if (advice == MADV_FREE && result == -EINVAL && !(address & (PAGE_BYTES - 1)) &&
	    ranges_find(RANGE_CONVERTED, address, end, &range))
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
		sys_mremap(address, new_size, old_size, 0, 0);
	else
		sys_mremap(address, new_size, old_size, MREMAP_MAYMOVE | MREMAP_FIXED, old);
	return -ENOMEM;
}

/* What it grew by is zeros that are nobody else's. The address, or -ENOMEM, and it is back at old.
 */
static long grown(uintptr_t old, size_t old_size, uintptr_t address, size_t new_size)
{
	uintptr_t start = address + PAGE_UP(old_size), end = address + PAGE_UP(new_size);
	struct range last;
	struct vma vma;

	if (!old_size || end <= start ||
	    !ranges_find(RANGE_CONVERTED | RANGE_FILE, start - PAGE_BYTES, start, &last) ||
	    vma_find(start, &vma, NULL, 0) || vma.start >= start)
		return (long)address;
	if (last.kind == RANGE_FILE) /* it would be the file's pages, which nobody has any more */
		return go_back(old, old_size, address, new_size);
	if (takes_over(&last, &vma, start, end))
		return (long)address;
	return sys_failed(map_zeros(start, end, vma.protection))
		       ? go_back(old, old_size, address, new_size)
		       : (long)address;
}

/* The pages are elsewhere, and here are none. */
static void left_behind(uintptr_t start, uintptr_t end)
{
	struct range range;

	for (uintptr_t at = start; ranges_find(RANGE_CONVERTED, at, end, &range); at = range.end)
		replace_by_zeros(&range);
}

long converted_moved(uintptr_t old, size_t old_size, uintptr_t address, size_t new_size, int flags)
{
	ranges_move(old, old + PAGE_UP(old_size ? old_size : new_size), address);
	if (flags & MREMAP_DONTUNMAP)
		left_behind(old, old + PAGE_UP(old_size));
	return grown(old, old_size, address, new_size);
}
