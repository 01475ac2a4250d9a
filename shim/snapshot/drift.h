/* SPDX-License-Identifier: MIT */
/*
 * What a program would have seen change under it: when a snapshot whose pages were put
 * aside ends, they are compared with the file of that moment (audit.drift=on).
 */
#ifndef MMFENCE_SNAPSHOT_DRIFT_H
#define MMFENCE_SNAPSHOT_DRIFT_H

#include <stddef.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

/* Before [start, end) is unmapped: compares what is mapped there of snapshots that this ends, and
 * writes the event. Inside a scope, without the snapshot lock. */
void drift_before_unmap(uintptr_t start, uintptr_t end);
/* The same for all that are left, when the process ends. */
void drift_at_end(void);

#endif
