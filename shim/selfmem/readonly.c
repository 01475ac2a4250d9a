/* SPDX-License-Identifier: MIT */
/*
 * The list of readonly.h. What is unmapped stays listed until something is found in its
 * place: an entry counts only while the same file is mapped there.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/raw.h"
#include "kernel/vma.h"
#include "selfmem/readonly.h"
#include "support/arena.h"
#include "support/lock.h"

struct entry {
	uintptr_t start, end;
	uint64_t device, inode;
};

static struct lock entries_lock;
static struct entry *entries;
static size_t count, room;
static atomic_bool any;

bool readonly_any(void)
{
	return atomic_load_explicit(&any, memory_order_acquire);
}

static bool grow(void)
{
	size_t size = room * sizeof(*entries);
	struct entry *larger = arena_alloc(size ? 2 * size : 16 * sizeof(*entries));

	if (!larger)
		return false;
	if (size)
		memcpy(larger, entries, size);
	arena_free(entries, size);
	entries = larger;
	room = size ? 2 * room : 16;
	return true;
}

static void add(const struct entry *entry)
{
	if (count < room || grow())
		entries[count++] = *entry;
}

static uintptr_t smaller(uintptr_t a, uintptr_t b)
{
	return a < b ? a : b;
}

static uintptr_t larger_of(uintptr_t a, uintptr_t b)
{
	return a > b ? a : b;
}

void readonly_add(uintptr_t start, uintptr_t end)
{
	struct vma vma;

	lock_take(&entries_lock);
	for (uintptr_t at = start; at < end && !vma_find(at, &vma, NULL, 0); at = vma.end)
		add(&(struct entry){ larger_of(at, vma.start), smaller(vma.end, end), vma.device,
				     vma.inode });
	atomic_store_explicit(&any, count > 0, memory_order_release);
	lock_drop(&entries_lock);
}

/* What is left on either side stays. */
static void cut(size_t i, uintptr_t start, uintptr_t end)
{
	struct entry whole = entries[i];

	entries[i] = entries[--count];
	if (whole.start < start)
		add(&(struct entry){ whole.start, start, whole.device, whole.inode });
	if (whole.end > end)
		add(&(struct entry){ end, whole.end, whole.device, whole.inode });
}

void readonly_remove(uintptr_t start, uintptr_t end)
{
	if (!readonly_any())
		return;
	lock_take(&entries_lock);
	for (size_t i = count; i-- > 0;)
		if (entries[i].start < end && entries[i].end > start)
			cut(i, start, end);
	lock_drop(&entries_lock);
}

void readonly_move(uintptr_t start, uintptr_t end, uintptr_t target)
{
	lock_take(&entries_lock);
	for (size_t i = count; i-- > 0;) {
		struct entry entry = entries[i];
		if (entry.start >= end || entry.end <= start)
			continue;
		uintptr_t from = larger_of(entry.start, start);
		entry.end = target + (smaller(entry.end, end) - start);
		entry.start = target + (from - start);
		add(&entry);
	}
	lock_drop(&entries_lock);
}

static bool is_there(const struct entry *entry, uintptr_t start, uintptr_t end)
{
	uintptr_t from = larger_of(entry->start, start), to = smaller(entry->end, end);
	struct vma vma;

	for (uintptr_t at = from; at < to && !vma_find(at, &vma, NULL, 0); at = vma.end)
		if (vma.start < to && vma.shared && vma.inode == entry->inode &&
		    vma.device == entry->device)
			return true;
	return false;
}

bool readonly_in(uintptr_t start, uintptr_t end)
{
	bool found = false;

	lock_take(&entries_lock);
	for (size_t i = 0; i < count && !found; i++)
		found = entries[i].start < end && entries[i].end > start &&
			is_there(&entries[i], start, end);
	lock_drop(&entries_lock);
	return found;
}

/* A list that another thread was changing is lost: those views are the kernel's alone to keep. */
void readonly_after_fork(void)
{
	if (!lock_try(&entries_lock)) {
		entries = NULL;
		count = room = 0;
		atomic_store(&any, false);
	}
	lock_reset(&entries_lock);
}
