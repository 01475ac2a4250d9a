/* SPDX-License-Identifier: MIT */
/*
 * Doubling shared mappings with mremap(old_size=0): the copy shows the same pages of the same open
 * file, as far behind them as is asked for, whatever became of descriptor and name. Copies are
 * ours; addresses, or -errno, and numbers of pages.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "nonlinear/nonlinear.h"
#include "support/arena.h"

/* How far one doubling reaches: a 32-bit program has little address space. */
#define HOP_PAGES (sizeof(long) == 8 ? UINT64_C(1) << 32 : UINT64_C(1) << 17)
#define MOST_HOPS 512

void copy_unmap(uintptr_t address, uint64_t pages)
{
	if (address && !sys_failed((long)address))
		place_unmap((long)address, (size_t)(pages * PAGE_BYTES));
}

void copy_clean(uintptr_t address, uint64_t pages)
{
	static const int neutral[] = { MADV_NORMAL, MADV_DOFORK, MADV_DODUMP };
	size_t size = (size_t)(pages * PAGE_BYTES);

	if (!emulate_has_attributes())
		return;
	sys_munlock(address, size);
	for (size_t i = 0; i < sizeof(neutral) / sizeof(*neutral); i++)
		sys_madvise(address, size, neutral[i]);
	sys_pkey_mprotect(address, size, PROT_NONE, 0);
}

/* Older kernels have unmapped the target when they refuse; then it may be somebody else's by now.
 * What still is one area is ours. */
static void give_back(uintptr_t room, uint64_t pages)
{
	struct vma vma;

	if (vma_at(room, &vma, NULL, 0) && vma.end >= room + pages * PAGE_BYTES) {
		copy_unmap(room, pages);
		return;
	}
	copy_unmap(room, 1);
	copy_unmap(room + (uintptr_t)((pages - 1) * PAGE_BYTES), 1);
}

/* With a free page on both sides, so that nothing of the program's merges with it. */
long copy_make(uintptr_t from, uint64_t pages)
{
	size_t size = (size_t)(pages * PAGE_BYTES);
	long room = place_map(size + 2 * PAGE_BYTES, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_failed(room))
		return room;
	long at = sys_mremap(from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, room + PAGE_BYTES);
	if (sys_failed(at)) {
		give_back((uintptr_t)room, pages + 2);
		return at;
	}
	copy_unmap((uintptr_t)room, 1);
	copy_unmap((uintptr_t)at + size, 1);
	return at;
}

long copy_page(const struct vma *area, uintptr_t from, uint64_t *page)
{
	struct vma shown;
	long at = copy_make(from, 1);

	if (sys_failed(at))
		return at;
	copy_clean((uintptr_t)at, 1);
	sys_mprotect(at, PAGE_BYTES, PROT_NONE);
	if (!vma_find((uintptr_t)at, &shown, NULL, 0) && shown.start == (uintptr_t)at &&
	    vma_shares_file_by_name(area, &shown)) {
		*page = shown.offset / PAGE_BYTES;
		return at;
	}
	copy_unmap((uintptr_t)at, 1);
	return -EAGAIN;
}

long copy_far(uintptr_t from, uint64_t distance, uint64_t pages)
{
	uintptr_t at = from;

	for (int hops = 0; hops < MOST_HOPS; hops++) {
		uint64_t hop = distance < HOP_PAGES ? distance : HOP_PAGES;
		bool last = hop == distance;
		long next = copy_make(at, hop + (last ? pages : 1));
		if (at != from)
			copy_unmap(at, 1);
		if (sys_failed(next))
			return next;
		if (hop)
			copy_unmap((uintptr_t)next, hop);
		at = (uintptr_t)next + (uintptr_t)(hop * PAGE_BYTES);
		distance -= hop;
		if (last)
			return (long)at;
	}
	copy_unmap(at, 1);
	return -E2BIG;
}
