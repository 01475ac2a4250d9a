/* SPDX-License-Identifier: MIT */
/*
 * Which mappings become snapshots: the kernel's facts about the file against the
 * policy. Decides, and does nothing.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"

#define MAP_TYPE_BITS 0x0f

static bool may_be_shared_snapshot(const struct map_request *request)
{
	int type = request->flags & MAP_TYPE_BITS;

	return (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) &&
	       !(request->protection & PROT_WRITE) && !(request->flags & MAP_SYNC) &&
	       the_policy.snapshot_shared[0];
}

bool snapshot_possible(const struct map_request *request)
{
	if (the_policy.snapshot_mode != SNAPSHOT_ON && !request->asked)
		return false;
	if (request->flags & (MAP_ANONYMOUS | MAP_HUGETLB | MAP_GROWSDOWN))
		return false;
	return (request->flags & MAP_TYPE_BITS) == MAP_PRIVATE || may_be_shared_snapshot(request);
}

static const char *no_copy(uint64_t bytes, bool named)
{
	if (!named && bytes > the_policy.snapshot_copy_limit)
		return "larger than snapshot.copy-limit";
	if (the_policy.snapshot_max_copy && bytes > the_policy.snapshot_max_copy)
		return "larger than snapshot.max-copy";
	return NULL;
}

/* A shared mapping of a descriptor that can write could be made writable. */
static bool could_write(int fd)
{
	return (sys_fcntl(fd, F_GETFL, 0) & O_ACCMODE) != O_RDONLY;
}

void decide(const struct map_request *request, const struct file *file, const char *path,
	    struct decision *out)
{
	*out = (struct decision){ .verdict = VERDICT_IGNORE };
	if (file->kind != FILE_ORDINARY && file->kind != FILE_BLOCK)
		return;
	bool named = request->asked || glob_list_match(the_policy.snapshot_paths, path);
	out->shared = (request->flags & MAP_TYPE_BITS) != MAP_PRIVATE;
	if (out->shared) {
		if (could_write(request->fd) || !glob_list_match(the_policy.snapshot_shared, path))
			return;
		named = true;
	}
	if (!named && (file->deleted || glob_list_match(the_policy.snapshot_exclude, path)))
		return;
	out->live = named ? NULL : live_reason(request, file);
	out->verdict = out->live ? VERDICT_LEAVE : VERDICT_TAKE;
	out->guard = the_policy.snapshot_guard != GUARD_NONE && !(request->protection & PROT_WRITE);
	out->bytes =
		file_bytes_at_most(file, request->offset,
				   request->offset + (int64_t)PAGE_UP((uint64_t)request->length));
	out->no_copy = no_copy(out->bytes, named);
}
