/* SPDX-License-Identifier: MIT */
/*
 * What was published is read without waiting: see quick.h. A reader is counted from before
 * it looks until its call is made, and whoever withdraws a mapping waits for the readers
 * there were; those who come later do not find it any more.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "kernel/guarded.h"
#include "kernel/raw.h"
#include "nonlinear/emulate.h"
#include "nonlinear/quick.h"
#include "support/scope.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define ENTRIES 8

struct entry {
	atomic_uint sequence; /* odd while it is being written */
	struct quick quick;
};

static struct entry entries[ENTRIES];

/* Those who came before the last withdrawal and those who came after it, in turn. */
static atomic_uint readers[2];
static atomic_uint turn;

/* A reader is gone as soon as it gets a processor, or was left by siglongjmp. */
#define PATIENCE 400

static struct entry *entry_of(uint64_t inode, int protection)
{
	return &entries[(inode * 31 + (uint64_t)protection) % ENTRIES];
}

static void write_entry(struct entry *entry, const struct quick *quick)
{
	atomic_fetch_add(&entry->sequence, 1);
	atomic_thread_fence(memory_order_seq_cst);
	entry->quick = *quick;
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&entry->sequence, 1);
}

void quick_publish(const struct quick *quick)
{
	write_entry(entry_of(quick->inode, quick->protection), quick);
}

bool quick_withdraw(void)
{
	struct timespec moment = { 0, 250000 };

	for (int i = 0; i < ENTRIES; i++)
		write_entry(&entries[i], &(const struct quick){ .reserve = 0 });
	atomic_uint *before = &readers[atomic_fetch_add(&turn, 1) & 1];
	for (int i = 0; i < PATIENCE && atomic_load(before); i++)
		raw(SYS_nanosleep, &moment, 0);
	return !atomic_load(before);
}

void quick_after_fork(void)
{
	atomic_store(&readers[0], 0);
	atomic_store(&readers[1], 0);
}

static bool read_entry(const struct vma *area, struct quick *out)
{
	struct entry *entry = entry_of(area->inode, area->protection);
	unsigned int sequence = atomic_load(&entry->sequence);

	*out = entry->quick;
	atomic_thread_fence(memory_order_seq_cst);
	return !(sequence & 1) && atomic_load(&entry->sequence) == sequence && out->reserve &&
	       out->inode == area->inode && out->device == area->device &&
	       out->protection == area->protection;
}

static bool simple(const struct remap_request *request)
{
	return !request->protection && request->size && !(request->size % PAGE_BYTES) &&
	       !(request->address % PAGE_BYTES) &&
	       !emulate_has_attributes(request->address, request->address + request->size);
}

/* The request lies within one shared area, and all of it within what is published. */
static bool find(const struct remap_request *request, struct quick *quick)
{
	int maps = guarded_get_unchecked(GUARDED_MAPS);
	uint64_t pages = request->size / PAGE_BYTES;
	struct vma area;

	return maps >= 0 && !vma_query(maps, request->address, &area, NULL, 0) && area.shared &&
	       area.start <= request->address && request->size <= area.end - request->address &&
	       read_entry(&area, quick) && request->address >= quick->start &&
	       request->address + request->size <= quick->end &&
	       request->page_offset >= quick->first && pages <= quick->pages &&
	       request->page_offset - quick->first <= quick->pages - pages;
}

static long put(const struct remap_request *request, const struct quick *quick)
{
	uintptr_t from =
		quick->reserve + (uintptr_t)(request->page_offset - quick->first) * PAGE_BYTES;
	long r = raw(SYS_mremap, from, 0, request->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		     request->address);

	if (!raw_failed(r) && !(request->flags & MAP_NONBLOCK))
		raw(SYS_madvise, request->address, request->size, MADV_POPULATE_READ);
	return r;
}

/* The turn is looked at again: whoever changed it in between may not have waited for this one. */
static atomic_uint *count_me(void)
{
	for (;;) {
		unsigned int now = atomic_load(&turn);
		atomic_fetch_add(&readers[now & 1], 1);
		if (atomic_load(&turn) == now)
			return &readers[now & 1];
		atomic_fetch_sub(&readers[now & 1], 1);
	}
}

atomic_uint *quick_enter(void)
{
	return count_me();
}

void quick_leave(atomic_uint *counter)
{
	atomic_fetch_sub(counter, 1);
}

bool quick_remap(const struct remap_request *request, long *result)
{
	struct quick quick;
	long r = -EAGAIN;

	if (scope_silent() || !simple(request))
		return false;
	atomic_uint *counter = count_me();
	if (find(request, &quick))
		r = put(request, &quick);
	atomic_fetch_sub(counter, 1);
	if (raw_failed(r))
		return false;
	*result = 0;
	return true;
}
