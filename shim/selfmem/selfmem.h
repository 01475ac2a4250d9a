/* SPDX-License-Identifier: MIT */
/*
 * Memory of processes (/proc/PID/mem) and of the machine (/dev/mem): who opens it,
 * and who wants it mapped. Judged by what is behind the descriptor.
 */
#ifndef MMFENCE_SELFMEM_SELFMEM_H
#define MMFENCE_SELFMEM_SELFMEM_H

#include "snapshot/snapshot.h"
#include "support/call.h"

/* A descriptor that file_fresh_is_suspect points at, opened with these flags: 0 when the program
 * may have it, -EACCES when not (the caller closes it). */
int selfmem_judge_open(const struct call *call, int fd, int flags);

/* Before a shared mapping of device memory is made (with MAP_FIXED it would destroy what is there)
 * or, cheaper, after: 0 or -EACCES. */
int selfmem_judge_map(const struct call *call, const struct map_request *request);

/* The kernel refused a mapping: an event, if it was of process memory. */
void selfmem_map_failed(const struct call *call, const struct map_request *request, int error);

#endif
