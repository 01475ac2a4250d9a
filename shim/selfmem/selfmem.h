/* SPDX-License-Identifier: MIT */
/*
 * Memory of processes (/proc/PID/mem) and of the machine (/dev/mem): who opens it,
 * and who wants it mapped. Told by what is behind the descriptor.
 */
#ifndef MMFENCE_SELFMEM_SELFMEM_H
#define MMFENCE_SELFMEM_SELFMEM_H

#include "mapping/request.h"
#include "support/call.h"

/* A descriptor that file_is_suspect points at, opened with these flags: 0 when the program
 * may have it, -EACCES when not (the caller closes it). */
int selfmem_check_open(const struct call *call, int fd, int flags);

/* A shared mapping of something that file_device points at is about to be made: 0, -EACCES, or what
 * the kernel says of it. */
int selfmem_check_map(const struct call *call, const struct map_request *request);

/* The kernel refused a mapping: if it was of process memory, an event, and a view if the policy
 * says so. Its address, or -error. */
long selfmem_map_failed(const struct call *call, const struct map_request *request, int error);

/* The range is about to be made writable, and ranges_any: 0 or -EACCES. */
long selfmem_check_protect(uintptr_t address, size_t length);

/* Around fork: no view is under way from selfmem_hold on; selfmem_before_fork comes when nobody
 * changes the tables any more, and is released. */
void selfmem_hold(void);
void selfmem_before_fork(void);
void selfmem_after_fork_in_parent(void);
void selfmem_after_fork_in_child(void);
/* This is another process than before, however it came to be. */
void selfmem_new_process(void);

#endif
