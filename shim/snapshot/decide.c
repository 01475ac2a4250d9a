/* SPDX-License-Identifier: MIT */
/*
 * Which mappings become snapshots: the kernel's facts about the file against the
 * policy. Decides, and does nothing.
 */
#include <sys/mman.h>

#include "kernel/raw.h"
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
	if (the_policy.snapshot_mode != SNAPSHOT_ON)
		return false;
	if (request->flags & (MAP_ANONYMOUS | MAP_HUGETLB | MAP_GROWSDOWN))
		return false;
	return (request->flags & MAP_TYPE_BITS) == MAP_PRIVATE || may_be_shared_snapshot(request);
}

/* The part of the mapping that the file has bytes for. */
static void window_set(const struct map_request *request, const struct file *file,
		       struct decision *out)
{
	int64_t end = request->offset + (int64_t)PAGE_UP((uint64_t)request->length);

	out->window_start = request->offset < file->size ? request->offset : file->size;
	out->window_end = end < file->size && end > 0 ? end : file->size;
}

static uint64_t bytes_at_most(const struct file *file, const struct decision *decision)
{
	uint64_t window = (uint64_t)(decision->window_end - decision->window_start);
	uint64_t allocated = (uint64_t)file->blocks * 512;

	return allocated < window ? allocated : window;
}

static void refuse(struct decision *out, const char *reason)
{
	out->verdict = VERDICT_REFUSE;
	out->reason = reason;
}

void decide(const struct map_request *request, const struct file *file, const char *path,
	    struct decision *out)
{
	*out = (struct decision){ .verdict = VERDICT_IGNORE };
	if (file->kind != FILE_ORDINARY && file->kind != FILE_BLOCK)
		return;
	bool named = glob_list_match(the_policy.snapshot_paths, path);
	out->shared = (request->flags & MAP_TYPE_BITS) != MAP_PRIVATE;
	if (out->shared) {
		if (!glob_list_match(the_policy.snapshot_shared, path))
			return;
		named = true;
	}
	if (!named && (file->deleted || glob_list_match(the_policy.snapshot_exclude, path)))
		return;
	window_set(request, file, out);
	uint64_t bytes = bytes_at_most(file, out);
	out->verdict = VERDICT_TAKE;
	if (!named && bytes > the_policy.snapshot_copy_limit)
		refuse(out, "larger than snapshot.copy-limit");
	else if (the_policy.snapshot_max_copy && bytes > the_policy.snapshot_max_copy)
		refuse(out, "larger than snapshot.max-copy");
}
