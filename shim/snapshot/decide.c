/* SPDX-License-Identifier: MIT */
/*
 * Which mappings become snapshots: the kernel's facts about the file against the
 * policy. Decides, and does nothing.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"

/* ---- programs that want to see others' changes through a private mapping: told by the file's
 * first bytes, or by what they map of it ---- */

/* Of two formats whose writers tell readers through the file itself, in either byte order. */
static const struct {
	int offset, length;
	const char *bytes, *reason;
} formats[] = {
#define DCONF "a GVDB file (dconf), whose readers look for what its writer marks in it"
	{ 0, 8, "GVariant", DCONF },
	{ 0, 8, "raVGtnai", DCONF },
#define BERKELEY "a Berkeley DB file, whose readers see what its writer changes"
	{ 12, 4, "\x62\x31\x05\x00", BERKELEY }, /* a B-tree */
	{ 12, 4, "\x00\x05\x31\x62", BERKELEY },
	{ 12, 4, "\x61\x15\x06\x00", BERKELEY }, /* a hash */
	{ 12, 4, "\x00\x06\x15\x61", BERKELEY },
	{ 12, 4, "\x53\x22\x04\x00", BERKELEY }, /* a queue */
	{ 12, 4, "\x00\x04\x22\x53", BERKELEY },
};
#define HEAD_BYTES 16

static const char *format_reason(int fd)
{
	char head[HEAD_BYTES];

	if (sys_pread(fd, head, sizeof(head), 0) != sizeof(head))
		return NULL;
	for (unsigned int i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (!memcmp(head + formats[i].offset, formats[i].bytes, (size_t)formats[i].length))
			return formats[i].reason;
	return NULL;
}

static const char *live_reason(const struct map_request *request, const struct file *file)
{
	uint64_t end = (uint64_t)request->offset + PAGE_UP((uint64_t)request->length);

	if (file->kind != FILE_ORDINARY)
		return NULL;
	if (end > PAGE_UP((uint64_t)file->size))
		return "mapped beyond the file's end, and so counting on its growth";
	return format_reason(request->fd);
}

/* ---- the decision ---- */

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

const char *decide_copy(uint64_t bytes, bool named)
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

/* A file that was deleted or replaced after it was opened goes by the name that it had, too. */
static bool is_listed(const char *globs, const struct file *file, char *path)
{
	char *mark = file->deleted ? sys_deleted_mark(path) : NULL;
	bool is = glob_list_match(globs, path);

	if (!mark || is)
		return is;
	*mark = 0;
	is = glob_list_match(globs, path);
	*mark = ' ';
	return is;
}

void decide(const struct map_request *request, const struct file *file, char *path,
	    struct decision *out)
{
	*out = (struct decision){ .verdict = VERDICT_IGNORE };
	bool named = request->asked || is_listed(the_policy.snapshot_paths, file, path);
	out->shared = (request->flags & MAP_TYPE_BITS) != MAP_PRIVATE;
	if (out->shared &&
	    (could_write(request->fd) || !is_listed(the_policy.snapshot_shared, file, path)))
		return;
	if (!named && (file->deleted || glob_list_match(the_policy.snapshot_exclude, path)))
		return;
	out->named = named;
	out->live = named ? NULL : live_reason(request, file);
	out->verdict = out->live ? VERDICT_LEAVE : VERDICT_TAKE;
	out->guard = the_policy.snapshot_guard != GUARD_NONE && !(request->protection & PROT_WRITE);
	out->bytes =
		file_bytes_at_most(file, request->offset,
				   request->offset + (int64_t)PAGE_UP((uint64_t)request->length));
	out->no_copy = decide_copy(out->bytes, named);
}
