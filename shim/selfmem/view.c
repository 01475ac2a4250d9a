/* SPDX-License-Identifier: MIT */
/*
 * Making the view, on a bare thread, so that no descriptor of ours appears among the
 * program's: what is private is mapped from a memfd that the conversion then fills, what is
 * shared already is mapped a second time by mremap. A MAP_PRIVATE view is a private
 * mapping of a copy, and needs no conversion.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "kernel/thread.h"
#include "kernel/file.h"
#include "selfmem/selfmem.h"
#include "selfmem/view.h"
#include "kernel/vma.h"
#include "support/arena.h"

/* ---- What the source of a view consists of: the areas that it lies in, and whether each may be
 * converted. The kernel is asked; nothing is changed. ---- */

#define NAME_BYTES 4096

/* This library's own image. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool is_special(const char *name)
{
	return name[0] == '[' && strcmp(name, "[heap]") && !begins(name, "[anon");
}

static bool is_device(const char *name)
{
	return begins(name, "/dev/") && !begins(name, "/dev/zero") && !begins(name, "/dev/shm/");
}

static bool holds(const struct vma *vma, const void *address)
{
	return (uintptr_t)address >= vma->start && (uintptr_t)address < vma->end;
}

static bool is_ours(const struct vma *vma)
{
	return vma->start < (uintptr_t)_end && vma->end > (uintptr_t)__ehdr_start;
}

/* Why this area cannot be converted, or NULL. */
static const char *obstacle(const struct view *view, const struct vma *vma, const char *name)
{
	if (is_device(name))
		return "the source is a device";
	if (vma->shared)
		return NULL;
	if (begins(name, "[stack") || holds(vma, view->call->cfa))
		return "the source is a stack";
	if (is_special(name))
		return "the source is the kernel's own mapping";
	if (begins(name, "/anon_hugepage"))
		return "the source has huge pages";
	if (is_ours(vma))
		return "the source is mmfence's own memory";
	if (vma->protection & PROT_EXEC && !(vma->protection & PROT_WRITE) && !view->readonly)
		return "the source is executable text, and the view could be written";
	return NULL;
}

static struct part *new_part(struct view *view)
{
	struct part *parts = arena_room(view->parts, sizeof(*parts), view->count + 1, &view->room);

	if (!parts)
		return NULL;
	view->parts = parts;
	return &parts[view->count++];
}

static int add_area(struct view *view, const struct vma *vma, uintptr_t at, const char *name)
{
	view->reason = view->copy ? NULL : obstacle(view, vma, name);
	if (view->reason)
		return -ENODEV;
	struct part *part = new_part(view);
	if (!part)
		return -ENOMEM;
	*part = (struct part){
		.start = at,
		.end = vma->end < view->end ? vma->end : view->end,
		.protection = vma->protection,
		.shared = vma->shared,
		.anonymous = !vma->shared && !vma->inode && !is_special(name),
	};
	return 0;
}

static int look(struct view *view, char *name)
{
	struct vma_walk walk;
	struct vma vma;
	int r = 0;

	vma_walk_begin(&walk, -1);
	for (uintptr_t at = view->start; !r && at < view->end; at = vma.end) {
		r = vma_walk_to(&walk, at, &vma, name, NAME_BYTES);
		if (r == -ENOENT || (!r && vma.start > at)) {
			view->reason = "nothing is mapped in part of the source";
			r = -EINVAL;
		}
		if (!r)
			r = add_area(view, &vma, at, name);
	}
	vma_walk_end(&walk);
	return r;
}

int source_look(struct view *view)
{
	uint64_t start = (uint64_t)view->request->offset;
	uint64_t end = start + PAGE_UP((uint64_t)view->request->length);

	if (end < start || end > UINTPTR_MAX) {
		view->reason = "the source lies outside the address space";
		return -EINVAL;
	}
	view->start = (uintptr_t)start;
	view->end = (uintptr_t)end;
	char *name = arena_alloc(NAME_BYTES);
	int r = name ? look(view, name) : -ENOMEM;
	arena_free(name, NAME_BYTES);
	if (!r)
		r = ranges_reserve(2 * view->count); /* on either side */
	if (r && !view->reason)
		view->reason = r == -ENOMEM ? "no memory for mmfence's own tables"
					    : "the process's areas cannot be read";
	return r;
}

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
	return r ? r : fd;
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
	/* Of a description that cannot write the kernel makes no mapping that could. */
	int readonly = view->readonly ? thread_open_again(-1, 0, memfd, O_RDONLY) : -1;
	int r = 0;

	for (size_t i = 0; !r && i < view->count; i++)
		if (!view->parts[i].shared)
			r = map_part(view, view->parts[i].start, view->parts[i].end, MAP_SHARED,
				     readonly < 0 ? memfd : readonly);
	if (r)
		view->reason = "the view could not be mapped";
	return r;
}

int part_copy(struct view *view, const struct part *part, int memfd, const struct proc *proc)
{
	int64_t at = (int64_t)(part->start - view->start);
	uintptr_t from = part->aside ? part->aside : part->start;
	uintptr_t end = from + (part->end - part->start);
	int r;

	if (part->shared)
		r = copy_shared_pages(memfd, from, end, at, &view->bytes);
	else if (part->protection == PROT_NONE && !part->aside) /* there it can be read */
		r = copy_unreadable_pages(memfd, proc, part->anonymous, from, end, at,
					  &view->bytes);
	else if (part->anonymous)
		r = copy_touched_pages(memfd, proc, from, end, at, &view->bytes);
	else
		r = copy_every_page(memfd, from, end, at, &view->bytes);
	if (r)
		view->reason = r == -EFAULT ? "part of the source cannot be read"
					    : "the source could not be copied";
	return r == -EFAULT ? -EINVAL : r;
}

static int copy_all(struct view *view, int memfd)
{
	struct proc proc;
	int r = 0;

	proc_open(&proc);
	for (size_t i = 0; !r && i < view->count; i++)
		r = part_copy(view, &view->parts[i], memfd, &proc);
	return r ? r : map_part(view, view->start, view->end, MAP_PRIVATE, memfd);
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

/* What is opened here goes with the thread, and so with its table. */
void view_make(void *argument)
{
	struct view *view = argument;
	int r = thread_own_table(-1);
	int memfd = r ? r : new_memfd(view);

	if (memfd < 0) {
		view->reason = "no memory file could be made";
		view->result = -ENOMEM;
		return;
	}
	r = build(view, memfd);
	/* What the kernel has no name for in mmap is a lack of memory. */
	view->result = r == -ENOSPC || r == -EIO ? -ENOMEM : r;
}
