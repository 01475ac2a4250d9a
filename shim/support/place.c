/* SPDX-License-Identifier: MIT */
/*
 * Where the library's own memory lies: in a part of the address space that the kernel gives to
 * nobody by itself. At an address of the kernel's choice it would fill what the program left free
 * on purpose: a hole of MADV_DONTFORK in a child, the place that it is about to map by
 * MAP_FIXED_NOREPLACE. The place of place.h. The kernel begins at the loader, which it mapped
 * first, and goes on downwards; above lies what it keeps free for the stack to grow (128 MiB at
 * least), and of that the farthest from the stack is ours. Where mappings grow upwards (no limit
 * for the stack), ours is what lies below the loader.
 */
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "support/arena.h"

/* The loader itself, and some distance. */
#define MARGIN (4UL << 20)
#define SPAN   (sizeof(long) == 8 ? 64UL << 20 : 32UL << 20)
#define TRIES  12

/* How far the place is used: counted from its beginning, and from the beginning again at the end.
 */
static _Atomic size_t used;

/* Some page of it. */
static uintptr_t find_loader(void)
{
	static _Atomic uintptr_t found;
	uintptr_t loader = atomic_load_explicit(&found, memory_order_relaxed);

	if (loader)
		return loader;
	loader = auxiliary(AT_BASE);
	if (!loader) /* it was started as the program */
		loader = _r_debug.r_ldbase;
	atomic_store_explicit(&found, loader, memory_order_relaxed);
	return loader;
}

/* Where size bytes lie when as many as before are taken; 0 when there is no place. */
static uintptr_t place_at(size_t before, size_t size)
{
	uintptr_t loader = find_loader();

	if (loader > (uintptr_t)&used)
		return loader + MARGIN + before;
	size_t below = MARGIN + before + size;
	return loader > below ? loader - below : 0;
}

/* Before Linux 4.17 the address is a hint, and something else may be the answer. */
static long map_at(uintptr_t address, size_t size, int protection, int flags, int fd,
		   int64_t offset)
{
	long r = sys_mmap(address, size, protection, flags | MAP_FIXED_NOREPLACE, fd, offset);

	if (sys_failed(r) || (uintptr_t)r == address)
		return r;
	sys_munmap(r, size);
	return -EEXIST;
}

long place_map(size_t size, int protection, int flags, int fd, int64_t offset)
{
	size_t step = size = PAGE_UP(size);

	for (int i = 0; i < TRIES && step < SPAN / 2; i++, step *= 2) {
		size_t before = atomic_fetch_add(&used, step) % SPAN;
		uintptr_t address = place_at(before, size);
		long r = address ? map_at(address, size, protection, flags, fd, offset) : -ENOMEM;
		if (!sys_failed(r))
			return r;
		if (r != -EEXIST)
			break;
	}
	return sys_mmap(0, size, protection, flags, fd, offset);
}

void place_unmap(long address, size_t size)
{
	size_t last = atomic_load(&used);

	size = PAGE_UP(size);
	sys_munmap(address, size);
	if (last >= size && place_at((last - size) % SPAN, size) == (uintptr_t)address)
		atomic_compare_exchange_strong(&used, &last, last - size);
}
