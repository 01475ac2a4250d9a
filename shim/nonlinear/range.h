/* SPDX-License-Identifier: MIT */
/*
 * Bounds of the addresses where something was seen, which wrappers compare without a lock:
 * outside of them nothing has to be asked.
 */
#ifndef MMFENCE_NONLINEAR_RANGE_H
#define MMFENCE_NONLINEAR_RANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct range {
	_Atomic uintptr_t lowest, highest;
};

#define RANGE_EMPTY            \
	{                      \
		UINTPTR_MAX, 0 \
	}

static inline bool range_touches(struct range *range, uintptr_t start, uintptr_t end)
{
	return start < atomic_load_explicit(&range->highest, memory_order_acquire) &&
	       end > atomic_load_explicit(&range->lowest, memory_order_acquire);
}

static inline void range_widen(struct range *range, uintptr_t start, uintptr_t end)
{
	uintptr_t low = atomic_load(&range->lowest), high = atomic_load(&range->highest);

	while (start < low && !atomic_compare_exchange_weak(&range->lowest, &low, start))
		;
	while (end > high && !atomic_compare_exchange_weak(&range->highest, &high, end))
		;
}

#endif
