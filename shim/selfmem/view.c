/* SPDX-License-Identifier: MIT */
/*
 * Making the view, on a bare thread, so that no descriptor of ours appears among the
 * program's: what is private is mapped from a memfd that the conversion then fills, what is
 * shared already is mapped a second time by mremap. A MAP_PRIVATE view is a private
 * mapping of a copy, and needs no conversion.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "kernel/thread.h"
#include "kernel/unnamed.h"
#include "selfmem/copy_pages.h"
#include "selfmem/view.h"
#include "kernel/transfer.h"
#include "support/text.h"

static uintptr_t stage_of(const struct view *view, const struct part *part)
{
	return view->stage + (part->start - view->start);
}

/* ---- shared already ---- */

static int double_part(const struct view *view, const struct part *part)
{
	uintptr_t at = stage_of(view, part);
	size_t size = part->end - part->start;
	long r = sys_mremap(part->start, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, at);

	if (sys_failed(r))
		return (int)r;
	/* The lock came with it, and the protection. */
	if (!(view->request->flags & MAP_LOCKED))
		sys_munlock(at, size);
	return part->protection == view->request->protection
		       ? 0
		       : sys_mprotect(at, size, view->request->protection);
}

int view_double(struct view *view)
{
	int r = 0;

	for (size_t i = 0; !r && i < view->count; i++)
		if (view->parts[i].shared)
			r = double_part(view, &view->parts[i]);
	if (r)
		view->reason = "the kernel does not map this source twice";
	return r;
}

/* ---- from a memfd ---- */

int view_file_size(int fd, int64_t least, int64_t *size)
{
	int r = sys_ftruncate(fd, *size = VIEW_FILE_BYTES);

	return r ? sys_ftruncate(fd, *size = least) : 0; /* RLIMIT_FSIZE */
}

static int new_memfd(const struct view *view)
{
	int fd = unnamed_memory(VIEW_MEMFD, 0);

	if (fd < 0)
		return fd;
	int64_t size;
	int r = view_file_size(fd, (int64_t)(view->end - view->start), &size);
	if (r)
		sys_close(fd);
	return r ? r : fd;
}

/* Of a description that cannot write the kernel makes no mapping that could. */
static int open_readonly(int memfd)
{
	char path[40];
	struct text text;

	text_init(&text, path, sizeof(path));
	text_add(&text, "/proc/thread-self/fd/");
	text_add_uint(&text, (unsigned int)memfd);
	return sys_open(path, O_RDONLY, 0);
}

static int map_part(const struct view *view, uintptr_t start, uintptr_t end, int type, int fd)
{
	long r = sys_mmap(view->stage + (start - view->start), end - start,
			  view->request->protection, type | MAP_FIXED, fd,
			  (int64_t)(start - view->start));

	return sys_failed(r) ? (int)r : 0;
}

static int map_private_parts(struct view *view, int memfd)
{
	int readonly = view->readonly ? open_readonly(memfd) : -1;
	int r = 0;

	for (size_t i = 0; !r && i < view->count; i++)
		if (!view->parts[i].shared)
			r = map_part(view, view->parts[i].start, view->parts[i].end, MAP_SHARED,
				     readonly < 0 ? memfd : readonly);
	if (readonly >= 0)
		sys_close(readonly);
	if (r)
		view->reason = "the view could not be mapped";
	return r;
}

static int copy_part(struct view *view, const struct part *part, int memfd, const struct proc *proc)
{
	int64_t at = (int64_t)(part->start - view->start);

	if (part->shared)
		return copy_shared_pages(memfd, part->start, part->end, at, &view->bytes);
	if (part->protection == PROT_NONE)
		return copy_unreadable_pages(memfd, proc, part->anonymous, part->start, part->end,
					     at, &view->bytes);
	if (part->anonymous)
		return copy_touched_pages(memfd, proc, part->start, part->end, at, &view->bytes);
	return copy_every_page(memfd, part->start, part->end, at, &view->bytes);
}

static int copy_all(struct view *view, int memfd)
{
	struct proc proc;
	int r = 0;

	proc_open(&proc);
	for (size_t i = 0; !r && i < view->count; i++)
		r = copy_part(view, &view->parts[i], memfd, &proc);
	proc_close(&proc);
	if (r)
		view->reason = r == -EFAULT ? "part of the source cannot be read"
					    : "the source could not be copied";
	if (!r)
		r = map_part(view, view->start, view->end, MAP_PRIVATE, memfd);
	return r == -EFAULT ? -EINVAL : r;
}

static int build(struct view *view, int memfd)
{
	if (view->copy)
		return copy_all(view, memfd);
	int r = map_private_parts(view, memfd);
	if (!r)
		r = view_double(view);
	return r ? r : convert(view, memfd);
}

void view_make(void *argument)
{
	struct view *view = argument;
	int r = thread_own_table();
	int memfd = r ? r : new_memfd(view);

	if (memfd < 0) {
		view->reason = "no memory file could be made";
		view->result = -ENOMEM;
		return;
	}
	r = build(view, memfd);
	/* What the kernel has no name for in mmap is a lack of memory. */
	view->result = r == -ENOSPC || r == -EFBIG || r == -EIO ? -ENOMEM : r;
	sys_close(memfd);
}
