/* SPDX-License-Identifier: MIT */
/*
 * What the source of a view consists of: the areas that it lies in, and whether each
 * may be converted. The kernel is asked; nothing is changed.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "kernel/vma.h"
#include "selfmem/view.h"
#include "support/arena.h"

#define NAME_BYTES  4096
#define FIRST_PARTS 8

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
	size_t size = view->room * sizeof(struct part);

	if (view->count == view->room) {
		struct part *larger =
			arena_alloc(size ? 2 * size : FIRST_PARTS * sizeof(struct part));
		if (!larger)
			return NULL;
		if (size)
			memcpy(larger, view->parts, size);
		arena_free(view->parts, size);
		view->parts = larger;
		view->room = size ? 2 * view->room : FIRST_PARTS;
	}
	return &view->parts[view->count++];
}

static int add_area(struct view *view, const struct vma *vma, uintptr_t at, const char *name)
{
	view->reason = view->copy ? NULL : obstacle(view, vma, name);
	if (view->reason)
		return -ENODEV;
	struct part *part = new_part(view);
	if (!part) {
		view->reason = "no memory for mmfence's own tables";
		return -ENOMEM;
	}
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
	if (!name)
		return -ENOMEM;
	int r = look(view, name);
	arena_free(name, NAME_BYTES);
	return r;
}
