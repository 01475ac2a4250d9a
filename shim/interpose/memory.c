/* SPDX-License-Identifier: MIT */
/*
 * The memory calls by libc's names: what libc makes of their arguments, and nothing else.
 * What they do is in road.c.
 */
#include <stdarg.h>
#include <sys/mman.h>

#include "interpose/interpose.h"

/* ---- The way from the wrappers to fault injection. A call that the shim itself, or libc on its
 * behalf, makes is never failed; nor is one in a process that has fallen silent. ---- */

long injected(const struct call *call, enum inject_call kind, long a, long b, long c, long d,
	      long e, int64_t offset)
{
	struct inject_request request = { .call = kind, .fd = -1 };

	if (kind <= INJECT_REMAP_FILE_PAGES) {
		request.address = (uintptr_t)a;
		request.length = (size_t)b;
		request.protection = (int)c;
	}
	if (kind == INJECT_MMAP) {
		request.flags = (int)d;
		request.fd = d & MAP_ANONYMOUS ? -1 : (int)e;
		request.offset = offset;
	}
	if (kind == INJECT_MREMAP) {
		request.new_length = (size_t)c;
		request.flags = (int)d;
		request.new_address = (uintptr_t)e;
	}
	return IN_SCOPE(inject_decide(call, &request), 0L);
}

static inline void *map(const struct call *call, void *address, size_t length, int protection,
			int flags, int fd, int64_t offset)
{
	INJECT(MAP_FAILED, call, MMAP, address, length, protection, flags, fd, offset);
	return (void *)libc_result(
		road_mmap(call, (uintptr_t)address, length, protection, flags, fd, offset));
}

EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	/* 32-bit offsets are unsigned, as libc has it. */
	int64_t bytes = sizeof(offset) == 4 ? (int64_t)(uint32_t)offset : (int64_t)offset;

	return map(CALL_HERE("mmap"), address, length, protection, flags, fd, bytes);
}

EXPORT void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	return map(CALL_HERE("mmap64"), address, length, protection, flags, fd, offset);
}

EXPORT void *mremap(void *old, size_t old_size, size_t new_size, int flags, ...)
{
	void *new_address = NULL;
	va_list list;

	va_start(list, flags);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		new_address = va_arg(list, void *);
	va_end(list);
	INJECT(MAP_FAILED, CALL_HERE("mremap"), MREMAP, old, old_size, new_size, flags,
	       new_address);
	struct move_request request = { (uintptr_t)old, old_size, new_size, flags,
					(uintptr_t)new_address };
	return (void *)libc_result(road_mremap(CALL_HERE("mremap"), &request));
}

EXPORT int pkey_mprotect(void *address, size_t length, int protection, int key)
{
	INJECT(-1, CALL_HERE("pkey_mprotect"), MPROTECT, address, length, protection);
	/* As libc has it: without a key it is mprotect, which every kernel has. */
	if (key == -1)
		return (int)libc_result(road_mprotect(CALL_HERE("pkey_mprotect"),
						      (uintptr_t)address, length, protection));
	return (int)libc_result(road_pkey_mprotect((uintptr_t)address, length, protection, key));
}

EXPORT int posix_madvise(void *address, size_t length, int advice)
{
	/* Destructive on Linux, and so nothing in libc's posix_madvise. */
	if (advice == POSIX_MADV_DONTNEED)
		return 0;
	long error = INJECTED(CALL_HERE("posix_madvise"), MADVISE, address, length);
	if (error)
		return (int)-error;
	return (int)-road_madvise((uintptr_t)address, length, advice);
}

EXPORT int mlock2(const void *address, size_t length, unsigned int flags)
{
	/* As libc has it: without flags it is mlock, and flags are wrong where there is no mlock2.
	 */
	long r = flags ? road_mlock2((uintptr_t)address, length, flags)
		       : road_mlock((uintptr_t)address, length);
	return (int)libc_result(flags && r == -ENOSYS ? -EINVAL : r);
}
