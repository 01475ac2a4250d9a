/* SPDX-License-Identifier: MIT */
/*
 * Bounds of the addresses where something is, or was seen, which wrappers compare without a
 * lock: outside of them nothing has to be asked.
 */
#ifndef MMFENCE_MAPPING_BOUNDS_H
#define MMFENCE_MAPPING_BOUNDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

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
