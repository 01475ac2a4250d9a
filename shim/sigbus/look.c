/* SPDX-License-Identifier: MIT */
/*
 * What is at the address of a fault: asked of the kernel at that moment, so that mappings which
 * nobody cuts cost nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "kernel/vma.h"
#include "policy/policy.h"
#include "sigbus/sigbus.h"
#include "sigbus/writer.h"
#include "support/sys.h"
#include "support/text.h"
#include "support/user.h"

/* The very file that is mapped; for the privileged alone. */
static int stat_of_area(const struct vma *area, struct statx *out)
{
	char path[VMA_LINK_BYTES];

	vma_link(area, path);
	return sys_statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, out);
}

/* The device may be another one in maps (btrfs, overlayfs). */
static int stat_by_name(const struct sigbus *it, struct statx *out)
{
	if (it->path[0] != '/' || it->unnamed)
		return -ENOENT;
	int r = sys_statx(AT_FDCWD, it->path, 0, STATX_BASIC_STATS, out);
	return !r && out->stx_ino != it->area.inode ? -ESTALE : r;
}

static int64_t size_of(const struct sigbus *it)
{
	struct statx st;

	if (stat_of_area(&it->area, &st) && stat_by_name(it, &st) && sigbus_find_own(it, &st))
		return -1;
	return S_ISREG(st.stx_mode) ? (int64_t)st.stx_size : -1;
}

static void strip_deleted(struct sigbus *it)
{
	char *mark = sys_deleted_mark(it->path);

	it->unnamed = mark;
	if (mark)
		*mark = 0;
}

int sigbus_look(struct sigbus *it)
{
	int r = vma_find(it->address, &it->area, it->path, sizeof(it->path));

	if (r)
		return r;
	if (it->area.start > it->address || !vma_has_file(&it->area))
		return -ENODEV;
	strip_deleted(it);
	it->offset = (int64_t)it->area.offset + (int64_t)(PAGE_DOWN(it->address) - it->area.start);
	it->size = size_of(it);
	it->snapshot = NULL;
	it->lost = false;
	it->size_then = -1;
	return 0;
}

void sigbus_note_snapshot(struct sigbus *it, const char *path, int64_t size, const char *fate,
			  bool copied)
{
	text_make(it->path, sizeof(it->path), "%s", path);
	it->lost = !copied && it->offset < size;
	it->snapshot = it->lost ? "lost" : fate;
	it->size_then = size;
	if (copied)
		it->size = size;
}

/* What is free on its file system; no lease is broken. Of a file that has no name any more its
 * directory tells, if that is still on the same one. -1: not known. */
static int64_t free_bytes(struct sigbus *it, bool *in_memory)
{
	char *end = it->unnamed ? strrchr(it->path, '/') : NULL;
	struct statfs64 fs;
	struct statx st;
	int64_t free = -1;

	if (end)
		*end = 0;
	int fd = sys_open(end == it->path ? "/" : it->path, O_PATH, 0);
	if (end)
		*end = '/';
	if (fd < 0)
		return -1;
	if (!sys_fstat(fd, &st) && !sys_fstatfs(fd, &fs) &&
	    (!it->unnamed ||
	     it->area.device == ((uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor))) {
		free = (int64_t)(fs.f_bavail * (uint64_t)fs.f_bsize);
		*in_memory = (uint32_t)fs.f_type == TMPFS_MAGIC;
	}
	sys_close(fd);
	return free;
}

#define LITTLE (1 << 20) /* file systems keep some for themselves */

/* What is in the way of a store does not keep a page from being read, but in memory. */
static enum sigbus_trouble trouble_of(struct sigbus *it)
{
	bool readable = user_readable((void *)it->address, 1), in_memory = false;

	if (readable && it->access != ACCESS_WRITES)
		return GROWN_AGAIN;
	if (attributes_are_huge(it->address))
		return NO_HUGE_PAGE;
	it->free = free_bytes(it, &in_memory);
	if (it->free >= 0 && it->free < (readable ? LITTLE : in_memory ? (int64_t)PAGE_BYTES : 0))
		return NO_SPACE;
	if (readable)
		return NOT_STORED;
	return it->size < 0 ? BEYOND_END : NOT_READ;
}

void sigbus_judge(struct sigbus *it)
{
	it->free = -1;
	it->trouble = it->size >= 0 && it->offset >= it->size ? BEYOND_END : trouble_of(it);
}

/* Zeros are instructions too, which store wherever a register points. */
bool sigbus_may_rescue(const struct sigbus *it)
{
	return !it->handled && !(it->area.protection & PROT_EXEC);
}

bool sigbus_is_wanted(const struct sigbus *it)
{
	return the_policy.sigbus_rescue[0] && sigbus_may_rescue(it) &&
	       glob_list_match(the_policy.sigbus_rescue, it->path);
}

void sigbus_rescue_range(const struct sigbus *it, struct rescue *out)
{
	int64_t page = (int64_t)PAGE_BYTES;
	int64_t beyond = (it->size + page - 1) / page * page - (int64_t)it->area.offset;

	*out = (struct rescue){ PAGE_DOWN(it->address), it->area.end, it->area.protection };
	if (it->size >= 0)
		out->start = it->area.start + (beyond > 0 ? (uintptr_t)beyond : 0);
}

long sigbus_rescue(void *rescue)
{
	const struct rescue *it = rescue;
	struct attributes_walk walk;

	attributes_walk_begin(&walk, -1);
	const struct attributes *attributes = attributes_at(&walk, it->start);
	long r = sys_mmap(it->start, it->end - it->start, it->protection,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	if (!sys_failed(r))
		attributes_apply(attributes, it->start, it->end, it->protection);
	attributes_walk_end(&walk);
	return r;
}
