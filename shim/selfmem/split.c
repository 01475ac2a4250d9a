/* SPDX-License-Identifier: MIT */
/*
 * selfmem.fork=split: after a fork each side has its own memory in its views, and each side's views
 * still show the same. They are made before the fork, since afterwards the parent goes on storing.
 * Which areas are views is asked of the kernel, by the name of their file, on either side: what the
 * program did to them meanwhile does not matter. Each file is copied once and mapped in a place of
 * its own, which the child inherits; there every view becomes a second mapping of that.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "audit/event.h"
#include "support/sys.h"
#include "kernel/thread.h"
#include "kernel/file.h"
#include "kernel/vma.h"
#include "policy/policy.h"
#include "selfmem/selfmem.h"
#include "selfmem/view.h"
#include "support/arena.h"

#define NAME_BYTES 4096
#define PATIENCE   100

/* A memfd that views show, and its copy. */
struct original {
	uint64_t device, inode;
	int64_t start, end; /* what of it is mapped: file offsets */
	uintptr_t copy;	    /* mapped there, or 0 */
	int64_t size;	    /* of the copy */
	int fd;		    /* of the copy, on the thread that makes it */
};

/* An area that shows one. */
struct show {
	uintptr_t start, end;
	int64_t offset;
	size_t original;
};

static struct {
	struct original *originals;
	size_t original_count, original_room;
	struct show *shows;
	size_t show_count, show_room;
	uint64_t bytes;
	int error;
	struct attributes_walk walk; /* in the child */
} split;

/* ---- which areas ---- */

static bool is_view(const struct vma *vma, const char *name)
{
	return vma->shared &&
	       (!strcmp(name, VIEW_NAME) || !strncmp(name, VIEW_SHM, strlen(VIEW_SHM)));
}

static struct original *original_of(const struct vma *vma)
{
	for (size_t i = 0; i < split.original_count; i++)
		if (split.originals[i].inode == vma->inode &&
		    split.originals[i].device == vma->device)
			return &split.originals[i];
	return NULL;
}

static int add_original(const struct vma *vma, struct original **out)
{
	void *originals = arena_room(split.originals, sizeof(*split.originals),
				     split.original_count + 1, &split.original_room);

	if (!originals)
		return -ENOMEM;
	split.originals = originals;
	*out = &split.originals[split.original_count++];
	**out = (struct original){
		.device = vma->device, .inode = vma->inode, .start = INT64_MAX, .fd = -1
	};
	return 0;
}

static int add_show(const struct vma *vma)
{
	struct original *original = original_of(vma);
	int64_t start = (int64_t)vma->offset, end = start + (int64_t)(vma->end - vma->start);

	if (!original && add_original(vma, &original))
		return -ENOMEM;
	if (start < original->start)
		original->start = start;
	if (end > original->end)
		original->end = end;
	void *shows = arena_room(split.shows, sizeof(*split.shows), split.show_count + 1,
				 &split.show_room);
	if (!shows)
		return -ENOMEM;
	split.shows = shows;
	split.shows[split.show_count++] =
		(struct show){ vma->start, vma->end, start, (size_t)(original - split.originals) };
	return 0;
}

/* Each area that is a view, until one fails. */
static int each_view(int (*act)(const struct vma *vma))
{
	char *name = arena_alloc(NAME_BYTES);
	struct vma_walk walk;
	struct vma vma;
	int r = name ? 0 : -ENOMEM;

	vma_walk_begin(&walk, -1);
	for (uintptr_t at = 0; !r; at = vma.end) {
		r = vma_walk_to(&walk, at, &vma, name, NAME_BYTES);
		if (!r && is_view(&vma, name))
			r = act(&vma);
	}
	vma_walk_end(&walk);
	arena_free(name, NAME_BYTES);
	return r == -ENOENT ? 0 : r;
}

/* ---- copies, on a bare thread ---- */

static int copy_begin(struct original *original)
{
	original->fd = unnamed_memory(VIEW_MEMFD, 0);
	if (original->fd < 0)
		return original->fd;
	int r = view_file_size(original->fd, original->end, &original->size);
	if (r)
		return r;
	long copy = place_map((size_t)(original->end - original->start), PROT_READ | PROT_WRITE,
			      MAP_SHARED, original->fd, original->start);
	if (sys_failed(copy))
		return (int)copy;
	original->copy = (uintptr_t)copy;
	return 0;
}

/* Mostly each part of a file is shown twice: what is copied need not be again. */
static bool is_copied(size_t i)
{
	const struct show *show = &split.shows[i];
	int64_t end = show->offset + (int64_t)(show->end - show->start);

	for (size_t j = 0; j < i; j++) {
		const struct show *other = &split.shows[j];
		if (other->original == show->original && other->offset <= show->offset &&
		    other->offset + (int64_t)(other->end - other->start) >= end)
			return true;
	}
	return false;
}

static int copy_shown(size_t i)
{
	const struct show *show = &split.shows[i];
	struct original *original = &split.originals[show->original];
	int r = original->copy ? 0 : copy_begin(original);

	if (r || is_copied(i))
		return r;
	return copy_shared_pages(original->fd, show->start, show->end, show->offset, &split.bytes);
}

static void copy_views(void *unused)
{
	(void)unused;
	split.error = thread_own_table(-1);
	for (size_t i = 0; i < split.show_count && !split.error; i++)
		split.error = copy_shown(i);
}

/* ---- around fork ---- */

static void forget(void)
{
	for (size_t i = 0; i < split.original_count; i++)
		if (split.originals[i].copy)
			sys_munmap(split.originals[i].copy,
				   split.originals[i].end - split.originals[i].start);
	arena_free(split.originals, split.original_room * sizeof(*split.originals));
	arena_free(split.shows, split.show_room * sizeof(*split.shows));
	memset(&split, 0, sizeof(split));
}

static void report_failure(int error)
{
	struct record *record = record_begin(EVENT_SELFMEM_SPLIT, OUTCOME_FAILURE, NULL);

	record_error(record, error, "the child shares the memory of its parent's views");
	record_emit(record);
}

static void report(uint64_t started)
{
	struct record *record = record_begin(EVENT_SELFMEM_SPLIT, OUTCOME_SUCCESS, NULL);

	record_uint(record, "mmfence.selfmem.views", split.show_count);
	record_uint(record, "mmfence.selfmem.bytes", split.bytes);
	record_uint(record, "mmfence.selfmem.microseconds", sys_microseconds() - started);
	record_emit(record);
}

static int copy_all(void)
{
	int r = each_view(add_show);

	if (r || !split.show_count)
		return r;
	r = thread_run(copy_views, NULL);
	return r ? r : split.error;
}

void split_before_fork(void)
{
	uint64_t started;
	int r;

	if (the_policy.selfmem_fork != SELFMEM_FORK_SPLIT || !selfmem_has_views())
		return;
	started = sys_microseconds();
	/* Another thread may unmap one meanwhile. */
	for (int i = 0; (r = copy_all()) == -EFAULT && i < PATIENCE; i++)
		forget();
	if (r) {
		report_failure(-r);
		forget();
	} else if (split.show_count) {
		report(started);
	}
}

void split_after_fork_in_parent(void)
{
	if (split.show_count)
		forget();
}

static bool has_copy(const struct original *original, const struct vma *vma)
{
	int64_t start = (int64_t)vma->offset, end = start + (int64_t)(vma->end - vma->start);

	return original && original->copy && start >= original->start && end <= original->end;
}

/* In the child nobody else runs yet. */
static int show_copy(const struct vma *vma)
{
	const struct original *original = original_of(vma);
	size_t size = vma->end - vma->start;

	if (!has_copy(original, vma))
		return 0;
	uintptr_t copy = original->copy + (uintptr_t)((int64_t)vma->offset - original->start);
	const struct attributes *attributes = attributes_at(&split.walk, vma->start);
	long r = sys_mremap(copy, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, vma->start);
	if (sys_failed(r))
		return (int)r;
	if (vma->protection != (PROT_READ | PROT_WRITE))
		sys_mprotect(vma->start, size, vma->protection);
	attributes_apply(attributes, vma->start, vma->end, vma->protection);
	struct vma now;
	if (!vma_find(vma->start, &now, NULL, 0))
		ranges_renew(vma->device, vma->inode,
			     &(struct range){ .device = now.device,
					      .inode = now.inode,
					      .size = original->size });
	return 0;
}

void split_after_fork_in_child(void)
{
	if (!split.show_count)
		return;
	attributes_walk_begin(&split.walk, -1);
	int r = each_view(show_copy);
	attributes_walk_end(&split.walk);
	if (r)
		report_failure(-r);
	forget();
}
