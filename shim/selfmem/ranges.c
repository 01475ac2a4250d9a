/* SPDX-License-Identifier: MIT */
/*
 * Which of the program's memory views have to do with, where the kernel does not say it. An entry
 * counts only while the same file is mapped there: what is unmapped stays listed until something is
 * found in its place. While there is none, asking costs a load. Few entries, looked
 * through from end to end.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/vma.h"
#include "selfmem/selfmem.h"
#include "support/arena.h"
#include "support/lock.h"

static struct lock entries_lock;
static struct range *entries;
static size_t count, room;
static atomic_bool any;

bool ranges_any(void)
{
	return atomic_load_explicit(&any, memory_order_acquire);
}

static bool has_room(size_t more)
{
	struct range *with_room = arena_room(entries, sizeof(*entries), count + more, &room);

	if (with_room)
		entries = with_room;
	return with_room;
}

int ranges_reserve(size_t more)
{
	gate_take(&entries_lock);
	bool enough = has_room(more);
	lock_drop(&entries_lock);
	return enough ? 0 : -ENOMEM;
}

static void add(const struct range *range)
{
	if (range->start < range->end && has_room(1))
		entries[count++] = *range;
	atomic_store_explicit(&any, count > 0, memory_order_release);
}

void ranges_add(const struct range *range)
{
	gate_take(&entries_lock);
	add(range);
	lock_drop(&entries_lock);
}

static uintptr_t smaller(uintptr_t a, uintptr_t b)
{
	return a < b ? a : b;
}

static uintptr_t larger_of(uintptr_t a, uintptr_t b)
{
	return a > b ? a : b;
}

void ranges_add_areas(uintptr_t start, uintptr_t end, enum range_kind kind)
{
	struct range range = { .kind = kind };
	struct vma_walk walk;
	struct vma vma;

	vma_walk_begin(&walk, -1);
	for (uintptr_t at = start; at < end && !vma_walk_to(&walk, at, &vma, NULL, 0);
	     at = vma.end) {
		range.start = larger_of(at, vma.start);
		range.end = smaller(vma.end, end);
		range.device = vma.device;
		range.inode = vma.inode;
		ranges_add(&range);
	}
	vma_walk_end(&walk);
}

/* What is left on either side stays. Without room for it the whole stays: the kernel is asked. */
static void cut(size_t i, uintptr_t start, uintptr_t end)
{
	struct range left = entries[i], right = entries[i];

	if (!has_room(1))
		return;
	entries[i] = entries[--count];
	left.end = smaller(left.end, start);
	right.start = larger_of(right.start, end);
	add(&left);
	add(&right);
}

static void remove_locked(uintptr_t start, uintptr_t end)
{
	for (size_t i = count; i-- > 0;)
		if (entries[i].start < end && entries[i].end > start)
			cut(i, start, end);
}

void ranges_remove(uintptr_t start, uintptr_t end)
{
	if (!ranges_any())
		return;
	gate_take(&entries_lock);
	remove_locked(start, end);
	lock_drop(&entries_lock);
}

void ranges_move(uintptr_t start, uintptr_t end, uintptr_t target)
{
	if (start == target)
		return;
	gate_take(&entries_lock);
	remove_locked(target, target + (end - start));
	for (size_t i = count; i-- > 0;) {
		struct range range = entries[i];
		if (range.start >= end || range.end <= start)
			continue;
		uintptr_t from = larger_of(range.start, start);
		range.end = target + (smaller(range.end, end) - start);
		range.start = target + (from - start);
		add(&range);
	}
	lock_drop(&entries_lock);
}

/* ---- what is there ---- */

/* The first part of the entry in [at, end) where its file is mapped. */
static bool is_there(const struct range *range, uintptr_t at, uintptr_t end, struct range *out)
{
	uintptr_t from = larger_of(range->start, at), to = smaller(range->end, end);
	struct vma_walk walk;
	struct vma vma;
	bool is = false;

	vma_walk_begin(&walk, -1);
	for (; !is && from < to && !vma_walk_to(&walk, from, &vma, NULL, 0) && vma.start < to;
	     from = vma.end) {
		is = vma.shared && vma.inode == range->inode && vma.device == range->device;
		*out = *range;
		out->start = larger_of(from, vma.start);
		out->end = smaller(vma.end, to);
	}
	vma_walk_end(&walk);
	return is;
}

bool ranges_find(unsigned int kinds, uintptr_t at, uintptr_t end, struct range *out)
{
	struct range seen;
	bool found = false;

	if (!ranges_any())
		return false;
	gate_take(&entries_lock);
	for (size_t i = 0; i < count; i++) {
		if (!(entries[i].kind & kinds) || !is_there(&entries[i], at, end, &seen) ||
		    (found && seen.start >= out->start))
			continue;
		*out = seen;
		found = true;
	}
	lock_drop(&entries_lock);
	return found;
}

bool ranges_use(const struct range *range, int64_t start, int64_t end)
{
	bool unused = true;

	gate_take(&entries_lock);
	for (size_t i = 0; i < count; i++)
		if (entries[i].inode == range->inode && entries[i].device == range->device) {
			unused &= start >= entries[i].used && end <= entries[i].size &&
				  !entries[i].shared;
			if (end > entries[i].used)
				entries[i].used = end;
		}
	lock_drop(&entries_lock);
	return unused;
}

/* ---- fork ---- */

void ranges_settle(void)
{
	lock_take(&entries_lock);
	lock_drop(&entries_lock);
}

/* A fork that did not wait for that (_Fork, clone) may find it half changed: then it is lost. */
void ranges_after_fork(void)
{
	if (!lock_try(&entries_lock)) {
		entries = NULL;
		count = room = 0;
		atomic_store(&any, false);
	}
	for (size_t i = 0; i < count; i++)
		entries[i].shared = true;
	lock_reset(&entries_lock);
}

void ranges_renew(uint64_t device, uint64_t inode, const struct range *own)
{
	lock_take(&entries_lock);
	for (size_t i = 0; i < count; i++)
		if (entries[i].inode == inode && entries[i].device == device) {
			entries[i].device = own->device;
			entries[i].inode = own->inode;
			entries[i].size = own->size;
			entries[i].shared = false;
		}
	lock_drop(&entries_lock);
}
