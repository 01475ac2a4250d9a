/* SPDX-License-Identifier: MIT */
/*
 * System V segments, by libc's names and by number: shmat with SHM_REMAP replaces what was mapped
 * there, as mmap with MAP_FIXED does; shmdt unmaps what windows may have been noted in.
 */
#include <sys/ipc.h>
#include <sys/shm.h>

#include "interpose/interpose.h"
#include "kernel/vma.h"

static size_t segment_bytes(int id)
{
	struct shmid_ds segment;
	int r = sys_shmctl(id, IPC_STAT, &segment);

	return r ? 0 : PAGE_UP(segment.shm_segsz);
}

/* The call as it was made, and what its arguments mean. */
struct segment_call {
	long nr, a, b, c, d, e;
	int id, flags;
	uintptr_t address;
};

static long make(void *argument)
{
	const struct segment_call *call = argument;

	return sys_call(call->nr, call->a, call->b, call->c, call->d, call->e, 0);
}

static long attach(struct segment_call *call)
{
	uintptr_t start = PAGE_DOWN(call->address); /* SHM_RND; without it the kernel refuses */

	if (likely(!(call->flags & SHM_REMAP)))
		return make(call);
	return road_replace(start, start + segment_bytes(call->id), make, call);
}

/* The area of a segment has its number for an inode. */
static size_t bytes_at(uintptr_t address)
{
	struct vma vma;

	return !vma_find(address, &vma, NULL, 0) && vma.start == address && vma.shared
		       ? segment_bytes((int)vma.inode)
		       : 0;
}

static long detach(struct segment_call *call)
{
	size_t bytes = 0;

	if (unlikely(road_has_ours(call->address)))
		bytes = IN_SCOPE(bytes_at(call->address), 0);
	long r = make(call);
	if (unlikely(!r && bytes))
		road_gone(call->address, call->address + bytes);
	return r;
}

long segments_call(long nr, long a, long b, long c, long d, long e)
{
	struct segment_call call = { nr, a, b, c, d, e, 0, 0, 0 };

	switch (nr) {
#ifdef SYS_ipc
	case SYS_ipc: /* call, id, flags, where the address goes, address */
		call.id = (int)b;
		call.flags = (int)c;
		call.address = (uintptr_t)e;
		return (a & 0xffff) == IPC_CALL_SHMAT ? attach(&call) : detach(&call);
#endif
	case SYS_shmdt:
		call.address = (uintptr_t)a;
		return detach(&call);
	default:
		call.id = (int)a;
		call.address = (uintptr_t)b;
		call.flags = (int)c;
		return attach(&call);
	}
}

EXPORT void *shmat(int id, const void *address, int flags)
{
#ifdef SYS_ipc
	unsigned long result = 0;
	long r = segments_call(SYS_ipc, IPC_CALL_SHMAT, id, flags, (long)&result, (long)address);

	return (void *)libc_result(r ? r : (long)result);
#else
	return (void *)libc_result(segments_call(SYS_shmat, id, (long)address, flags, 0, 0));
#endif
}

EXPORT int shmdt(const void *address)
{
#ifdef SYS_ipc
	return (int)libc_result(segments_call(SYS_ipc, IPC_CALL_SHMDT, 0, 0, 0, (long)address));
#else
	return (int)libc_result(segments_call(SYS_shmdt, (long)address, 0, 0, 0, 0));
#endif
}
