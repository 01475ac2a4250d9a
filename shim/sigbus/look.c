/* SPDX-License-Identifier: MIT */
/*
 * What is at the address of a fault: asked of the kernel at that moment, so that mappings which
 * nobody cuts cost nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/policy.h"
#include "sigbus/sigbus.h"
#include "support/sys.h"
#include "support/text.h"

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

	if (stat_of_area(&it->area, &st) && stat_by_name(it, &st))
		return -1;
	return S_ISREG(st.stx_mode) ? (int64_t)st.stx_size : -1;
}

static void strip_deleted(struct sigbus *it)
{
	static const char mark[] = " (deleted)";
	size_t length = strlen(it->path), end = sizeof(mark) - 1;

	it->unnamed = length > end && !strcmp(it->path + length - end, mark);
	if (it->unnamed)
		it->path[length - end] = 0;
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
	struct text text;

	text_init(&text, it->path, sizeof(it->path));
	text_add(&text, path);
	it->lost = !copied && it->offset < size;
	it->snapshot = it->lost ? "lost" : fate;
	it->size_then = size;
	if (copied)
		it->size = size;
}

/* A file whose size nobody tells has no name any more: few of these have a device that fails. */
bool sigbus_is_cut(const struct sigbus *it)
{
	return it->size < 0 || it->offset >= it->size;
}

bool sigbus_is_wanted(const struct sigbus *it)
{
	return the_policy.sigbus_rescue[0] && glob_list_match(the_policy.sigbus_rescue, it->path);
}
