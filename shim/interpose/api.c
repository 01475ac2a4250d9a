/* SPDX-License-Identifier: MIT */
/*
 * The public functions of include/mmfence.h: questions and wishes about snapshots by
 * address. Thin, like the wrappers of libc's.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "interpose/interpose.h"
#include "kernel/file.h"
#include "kernel/vma.h"
#include "mmfence.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"

_Static_assert((int)ENGINE_SPILL == (int)MMFENCE_SPILL && (int)PROVEN == (int)MMFENCE_PROVEN &&
		       (int)FATE_LOST == (int)MMFENCE_LOST,
	       "the public names follow the internal ones");

EXPORT int mmfence_version_(void)
{
	return MMFENCE_VERSION_NUMBER;
}

static int info_at(uintptr_t address, struct mmfence_snapshot *out, char *path)
{
	struct piece piece;
	int r = -ENOENT;

	snapshot_lock();
	if (index_next(address, &piece) && piece.start <= address) {
		const struct snapshot *snapshot = piece.snapshot;
		*out = (struct mmfence_snapshot){
			.id = snapshot->id,
			.address = (void *)piece.start,
			.length = piece.end - piece.start,
			.offset = piece.offset,
			.file_size = snapshot->file_size,
			.engine = (enum mmfence_engine)snapshot->engine,
			.consistency = (enum mmfence_consistency)snapshot->consistency,
			.fate = (enum mmfence_fate)snapshot->fate,
		};
		if (path)
			strncpy(path, snapshot->path, PATH_MAX - 1);
		r = 0;
	}
	snapshot_unlock();
	return r;
}

EXPORT int mmfence_snapshot_info_(const void *address, struct mmfence_snapshot *out, size_t size)
{
	struct mmfence_snapshot info;
	int r = IN_SCOPE(info_at((uintptr_t)address, &info, NULL), -EDEADLK);

	if (!r)
		memcpy(out, &info, size < sizeof(info) ? size : sizeof(info));
	return (int)libc_result(r);
}

static int preserve_at(void *address)
{
	struct mmfence_snapshot info;
	int r = info_at((uintptr_t)address, &info, NULL);

	if (!r && mapping_preserve((uintptr_t)info.address, (uintptr_t)info.address + info.length,
				   "request"))
		r = -ENOMEM;
	return r;
}

EXPORT int mmfence_snapshot_preserve_(void *address)
{
	return (int)libc_result(IN_SCOPE(preserve_at(address), -EDEADLK));
}

/* The file, if it is still the one under its name. */
static int reopen(const char *path, const struct mmfence_snapshot *info)
{
	struct piece piece;
	struct file file;
	int fd = sys_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return fd;
	int r = file_identify(fd, &file);
	snapshot_lock();
	bool same = !r && index_next((uintptr_t)info->address, &piece) &&
		    file_id_equals(&piece.snapshot->file, &file.id);
	snapshot_unlock();
	if (same)
		return fd;
	sys_close(fd);
	return -ESTALE;
}

/* Area by area, since each may have a protection of its own. */
static long map_again(const struct call *call, const struct mmfence_snapshot *info, int fd)
{
	uintptr_t start = (uintptr_t)info->address, end = start + info->length;
	struct vma vma;
	long r = 0;

	for (uintptr_t at = start; at < end && !sys_failed(r); at = vma.end) {
		if (vma_find(at, &vma, NULL, 0) || vma.start >= end)
			return 0;
		uintptr_t from = vma.start > at ? vma.start : at;
		uintptr_t to = vma.end < end ? vma.end : end;
		int type = vma.shared ? MAP_SHARED : MAP_PRIVATE | MAP_SNAPSHOT;
		r = road_mmap(call, from, to - from, vma.protection, type | MAP_FIXED, fd,
			      info->offset + (int64_t)(from - start));
	}
	return sys_failed(r) ? r : 0;
}

static int refresh_prepare(void *address, struct mmfence_snapshot *info)
{
	char *path = arena_alloc(PATH_MAX);
	int fd = path ? info_at((uintptr_t)address, info, path) : -ENOMEM;

	if (!fd)
		fd = reopen(path, info);
	arena_free(path, PATH_MAX);
	return fd;
}

EXPORT int mmfence_snapshot_refresh_(void *address)
{
	struct mmfence_snapshot info;
	int fd = IN_SCOPE(refresh_prepare(address, &info), -EDEADLK);

	if (fd < 0)
		return (int)libc_result(fd);
	long r = map_again(CALL_HERE("mmfence_snapshot_refresh"), &info, fd);
	sys_close(fd);
	return (int)libc_result(r);
}
