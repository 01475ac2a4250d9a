/* SPDX-License-Identifier: MIT */
/*
 * The memory calls by libc's names: what libc makes of their arguments, and nothing else.
 * What they do is in memory_calls.c.
 */
#include <stdarg.h>
#include <sys/mman.h>

#include "interpose/interpose.h"

EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	/* 32-bit offsets are unsigned, as libc has it. */
	int64_t bytes = sizeof(offset) == 4 ? (int64_t)(uint32_t)offset : (int64_t)offset;

	INJECT(MAP_FAILED, MMAP, "mmap", .address = (uintptr_t)address, .length = length,
	       .protection = protection, .flags = flags, .fd = flags & MAP_ANONYMOUS ? -1 : fd,
	       .offset = bytes);
	return (void *)libc_result(memory_mmap(CALL_HERE("mmap"), (uintptr_t)address, length,
					       protection, flags, fd, bytes));
}

EXPORT void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	INJECT(MAP_FAILED, MMAP, "mmap64", .address = (uintptr_t)address, .length = length,
	       .protection = protection, .flags = flags, .fd = flags & MAP_ANONYMOUS ? -1 : fd,
	       .offset = offset);
	return (void *)libc_result(memory_mmap(CALL_HERE("mmap64"), (uintptr_t)address, length,
					       protection, flags, fd, offset));
}

EXPORT int munmap(void *address, size_t length)
{
	INJECT(-1, MUNMAP, "munmap", .address = (uintptr_t)address, .length = length, .fd = -1);
	return (int)libc_result(memory_munmap(CALL_HERE("munmap"), (uintptr_t)address, length));
}

EXPORT void *mremap(void *old, size_t old_size, size_t new_size, int flags, ...)
{
	void *new_address = NULL;
	va_list list;

	va_start(list, flags);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		new_address = va_arg(list, void *);
	va_end(list);
	INJECT(MAP_FAILED, MREMAP, "mremap", .address = (uintptr_t)old, .length = old_size,
	       .new_length = new_size, .new_address = (uintptr_t)new_address, .flags = flags,
	       .fd = -1);
	return (void *)libc_result(memory_mremap(CALL_HERE("mremap"), (uintptr_t)old, old_size,
						 new_size, flags, (uintptr_t)new_address));
}

EXPORT int mprotect(void *address, size_t length, int protection)
{
	INJECT(-1, MPROTECT, "mprotect", .address = (uintptr_t)address, .length = length,
	       .protection = protection, .fd = -1);
	return (int)libc_result(
		memory_mprotect(CALL_HERE("mprotect"), (uintptr_t)address, length, protection));
}

EXPORT int pkey_mprotect(void *address, size_t length, int protection, int key)
{
	INJECT(-1, MPROTECT, "pkey_mprotect", .address = (uintptr_t)address, .length = length,
	       .protection = protection, .fd = -1);
	/* As libc has it: without a key it is mprotect, which every kernel has. */
	if (key == -1)
		return (int)libc_result(memory_mprotect(CALL_HERE("pkey_mprotect"),
							(uintptr_t)address, length, protection));
	return (int)libc_result(memory_pkey_mprotect((uintptr_t)address, length, protection, key));
}

EXPORT int madvise(void *address, size_t length, int advice)
{
	INJECT(-1, MADVISE, "madvise", .address = (uintptr_t)address, .length = length, .fd = -1);
	return (int)libc_result(memory_madvise((uintptr_t)address, length, advice));
}

EXPORT int posix_madvise(void *address, size_t length, int advice)
{
	/* Destructive on Linux, and so nothing in libc's posix_madvise. */
	if (advice == POSIX_MADV_DONTNEED)
		return 0;
	long error = INJECTED(MADVISE, "posix_madvise", .address = (uintptr_t)address,
			      .length = length, .fd = -1);
	if (error)
		return (int)-error;
	return (int)-memory_madvise((uintptr_t)address, length, advice);
}

EXPORT int mlock(const void *address, size_t length)
{
	return (int)libc_result(memory_lock(SYS_mlock, (uintptr_t)address, length, 0));
}

EXPORT int mlock2(const void *address, size_t length, unsigned int flags)
{
	/* As libc has it: without flags it is mlock, and flags are wrong where there is no mlock2.
	 */
	long r = memory_lock(flags ? SYS_mlock2 : SYS_mlock, (uintptr_t)address, length, flags);
	return (int)libc_result(flags && r == -ENOSYS ? -EINVAL : r);
}

EXPORT int munlock(const void *address, size_t length)
{
	return (int)libc_result(memory_lock(SYS_munlock, (uintptr_t)address, length, 0));
}

EXPORT int mlockall(int flags)
{
	return (int)libc_result(memory_lock_all(SYS_mlockall, flags));
}

EXPORT int munlockall(void)
{
	return (int)libc_result(memory_lock_all(SYS_munlockall, 0));
}

EXPORT int remap_file_pages(void *address, size_t size, int protection, size_t page_offset,
			    int flags)
{
	INJECT(-1, REMAP_FILE_PAGES, "remap_file_pages", .address = (uintptr_t)address,
	       .length = size, .protection = protection, .fd = -1);
	return (int)libc_result(memory_remap_file_pages(CALL_HERE("remap_file_pages"),
							(uintptr_t)address, size, protection,
							page_offset, flags));
}
