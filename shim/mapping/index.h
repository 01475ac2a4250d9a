/* SPDX-License-Identifier: MIT */
/*
 * Which addresses belong to which snapshot: intervals that do not overlap, in a
 * treap, O(log n). Only bookkeeping: never touches the mappings themselves, and
 * never asks the kernel. The caller holds the snapshot lock, except for
 * index_may_touch, which needs none.
 */
#ifndef MMFENCE_MAPPING_INDEX_H
#define MMFENCE_MAPPING_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshot;

/* One contiguous piece: byte start of memory is byte offset of the file. */
struct piece {
	uintptr_t start, end;
	int64_t offset;
	struct snapshot *snapshot;
};

/* False: nothing of ours lies in [start, end). True: perhaps. Lock-free. */
bool index_may_touch(uintptr_t start, uintptr_t end);

/* Makes sure that the next index_remove or index_move, or the next four index_add, find the memory
 * they need: 0 or -ENOMEM. */
int index_reserve(void);
/* The same, and then an index_add for every piece in [start, end). */
int index_reserve_copy(uintptr_t start, uintptr_t end);

/* Adds a piece; what it overlaps must have been removed before. After index_reserve: cannot fail.
 */
void index_add(const struct piece *piece);

/* Called for every piece (or part of one) that index_remove takes out. */
typedef void index_removed(const struct piece *piece, void *context);

/* Takes [start, end) out; pieces that reach over the edges are cut. After index_reserve: cannot
 * fail. */
void index_remove(uintptr_t start, uintptr_t end, index_removed *removed, void *context);

/* What lies in [start, end) lies at target from now on; what was at target is removed first. The
 * two ranges do not overlap, or are the same. After index_reserve: cannot fail. */
void index_move(uintptr_t start, uintptr_t end, uintptr_t target, index_removed *removed,
		void *context);

/* The piece that ends at end, if there is one, ends at new_end from now on. Nothing is in between.
 */
void index_extend(uintptr_t end, uintptr_t new_end);

/* The first piece that ends above address: false when there is none. */
bool index_next(uintptr_t address, struct piece *out);

size_t index_count(void);

/* ---- bounds, which wrappers compare without a lock ---- */

struct bounds {
	_Atomic uintptr_t lowest, highest;
};

#define BOUNDS_EMPTY           \
	{                      \
		UINTPTR_MAX, 0 \
	}

static inline bool bounds_touch(struct bounds *bounds, uintptr_t start, uintptr_t end)
{
	return start < atomic_load_explicit(&bounds->highest, memory_order_acquire) &&
	       end > atomic_load_explicit(&bounds->lowest, memory_order_acquire);
}

static inline void bounds_widen(struct bounds *bounds, uintptr_t start, uintptr_t end)
{
	uintptr_t low = atomic_load(&bounds->lowest), high = atomic_load(&bounds->highest);

	while (start < low && !atomic_compare_exchange_weak(&bounds->lowest, &low, start))
		;
	while (end > high && !atomic_compare_exchange_weak(&bounds->highest, &high, end))
		;
}

/* Whoever reads in between sees more than there is, if these are within the old ones. */
static inline void bounds_set(struct bounds *bounds, uintptr_t lowest, uintptr_t highest)
{
	atomic_store(&bounds->lowest, lowest);
	atomic_store(&bounds->highest, highest);
}

#endif
