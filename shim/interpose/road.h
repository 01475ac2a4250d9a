/* SPDX-License-Identifier: MIT */
/*
 * The memory calls, as the wrappers and syscall() make them: the kernel's result or -errno.
 */
#ifndef MMFENCE_INTERPOSE_ROAD_H
#define MMFENCE_INTERPOSE_ROAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mapping/request.h"
#include "support/call.h"

long road_mmap(const struct call *call, uintptr_t address, size_t length, int protection, int flags,
	       int fd, int64_t offset);
long road_munmap(const struct call *call, uintptr_t address, size_t length);
long road_mremap(const struct call *call, const struct move_request *request);
long road_mprotect(const struct call *call, uintptr_t address, size_t length, int protection);
long road_pkey_mprotect(uintptr_t address, size_t length, int protection, int key);
long road_madvise(uintptr_t address, size_t length, int advice);
long road_remap_file_pages(const struct call *call, const struct remap_request *request);
long road_mlock(uintptr_t address, size_t length);
long road_mlock2(uintptr_t address, size_t length, unsigned int flags);
long road_munlock(uintptr_t address, size_t length);
long road_mlockall(int flags);
long road_munlockall(void);

/* Whatever else replaces a range by something: 0 or an address, or -errno. */
long road_replace(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument);
/* The same inside a scope. */
long road_replace_inside(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument);
/* False: nothing of ours is at the address. */
bool road_has_ours(uintptr_t address);
/* Some of the range was unmapped by a call that is none of these. */
void road_gone(uintptr_t start, uintptr_t end);
/* What will be done to the range does not let it be replaced later: it is preserved now. */
void road_settle(uintptr_t address, size_t length);
/* Address space of ours that is spare is given back. */
void road_trim(void);

#endif
