/* SPDX-License-Identifier: MIT */
/*
 * Copies: see copy.h. Under the lock of reserve.c but for copy_note_attributes.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "kernel/raw.h"
#include "nonlinear/copy.h"
#include "support/place.h"

static atomic_bool unclean;

void copy_note_attributes(void)
{
	atomic_store(&unclean, true);
}

void copy_unmap(uintptr_t address, uint64_t pages)
{
	if (address)
		raw(SYS_munmap, address, pages * PAGE_BYTES);
}

void copy_clean(uintptr_t address, uint64_t pages)
{
	static const int neutral[] = { MADV_NORMAL, MADV_DOFORK, MADV_DODUMP };

	if (!atomic_load(&unclean))
		return;
	raw(SYS_munlock, address, pages * PAGE_BYTES);
	for (size_t i = 0; i < sizeof(neutral) / sizeof(*neutral); i++)
		raw(SYS_madvise, address, pages * PAGE_BYTES, neutral[i]);
	raw(SYS_pkey_mprotect, address, pages * PAGE_BYTES, PROT_NONE, 0);
}

/* Older kernels have unmapped the target when they refuse; then it may be somebody else's by now.
 * What still is one area is ours. */
static void give_back(uintptr_t room, size_t size)
{
	struct vma vma;

	if (!vma_find(room, &vma, NULL, 0) && vma.start <= room && vma.end >= room + size) {
		copy_unmap(room, size / PAGE_BYTES);
		return;
	}
	copy_unmap(room, 1);
	copy_unmap(room + size - PAGE_BYTES, 1);
}

/* With a free page on both sides: nothing of the program's is to merge with it. */
long copy_make(uintptr_t from, uint64_t pages)
{
	size_t size = (size_t)(pages * PAGE_BYTES);
	long room = place_map(size + 2 * PAGE_BYTES, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (raw_failed(room))
		return room;
	long at = raw(SYS_mremap, from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, room + PAGE_BYTES);
	if (raw_failed(at)) {
		give_back((uintptr_t)room, size + 2 * PAGE_BYTES);
		return at;
	}
	copy_unmap((uintptr_t)room, 1);
	copy_unmap((uintptr_t)at + size, 1);
	return at;
}

long copy_anchor(uintptr_t from, struct vma *shown)
{
	long at = copy_make(from, 1);

	if (raw_failed(at))
		return at;
	copy_clean((uintptr_t)at, 1);
	raw(SYS_mprotect, at, PAGE_BYTES, PROT_NONE);
	int r = vma_find((uintptr_t)at, shown, NULL, 0);
	if (!r && shown->start == (uintptr_t)at)
		return at;
	copy_unmap((uintptr_t)at, 1);
	return r ? r : -EAGAIN;
}

/* In hops: a doubling reaches as far behind its origin as there is address space. */
long copy_reach(uintptr_t anchor, uint64_t base, uint64_t page)
{
	uintptr_t at = anchor;

	while (base < page) {
		uint64_t hop = page - base < COPY_PAGES ? page - base : COPY_PAGES;
		long next = raw(SYS_mremap, at, 0, (hop + 1) * PAGE_BYTES, MREMAP_MAYMOVE);
		if (at != anchor)
			copy_unmap(at, 1);
		if (raw_failed(next))
			return next;
		copy_unmap((uintptr_t)next, hop);
		at = (uintptr_t)next + (uintptr_t)(hop * PAGE_BYTES);
		base += hop;
	}
	return (long)at;
}
