/* SPDX-License-Identifier: MIT */
/*
 * For a room that replaces memory of the program's: snapshots may lie there. Which room keeps
 * them is nothing to it. Inside a scope.
 */
#ifndef MMFENCE_MAPPING_REPLACE_H
#define MMFENCE_MAPPING_REPLACE_H

#include <stdint.h>

/* Makes a call that replaces the range by something else, and the index follows: what it returns,
 * which is 0 or an address; or -errno. */
long mapping_replace(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument);

/* The same of a call that the kernel lets succeed only where no snapshot is. */
long mapping_remap(uintptr_t start, uintptr_t end, long (*remap)(void *), void *argument);

/* What is guarded in the range is preserved now, for this reason: nobody could do it later. 0, or
 * -errno when some could not be. */
int mapping_preserve(uintptr_t start, uintptr_t end, const char *trigger);

#endif
