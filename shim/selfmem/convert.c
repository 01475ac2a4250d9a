/* SPDX-License-Identifier: MIT */
/*
 * The conversion of private memory into shared, in place. The pages are moved aside in one
 * step (MREMAP_DONTUNMAP), whoever touches the emptied area meanwhile waits (hold.h),
 * they are copied to the memfd, and that is mapped where they were. Pages moved aside
 * are the old ones until the last step is done: when one fails, they are moved back.
 *
 * What nobody can store to is copied where it is. So is what cannot be held in a process
 * with several threads: then stores can be lost, and the event says so.
 */
#include <errno.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "selfmem/view.h"
#include "selfmem/selfmem.h"
#include "support/arena.h"

#define PATIENCE    1000
#define SPARE_PAGES 24

struct conversion {
	struct view *view;
	int memfd;
	struct file file; /* the memfd */
	struct proc proc;
	struct hold hold;
	bool can_hold;
};

/* ---- room under vm.max_map_count ---- */

/* Neighbours with different protection are areas of their own. */
long spare_take(void)
{
	long spare = place_map(SPARE_PAGES * PAGE_BYTES, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	long r = sys_failed(spare) ? spare : 0;

	for (unsigned long i = 1; !r && i < SPARE_PAGES; i += 2)
		r = sys_mprotect(spare + (long)(i * PAGE_BYTES), PAGE_BYTES, PROT_READ);
	if (r && !sys_failed(spare))
		spare_give(spare);
	return r ? r : spare;
}

void spare_give(long spare)
{
	place_unmap(spare, SPARE_PAGES * PAGE_BYTES);
}

/* ---- aside ---- */

static size_t size_of(const struct part *part)
{
	return part->end - part->start;
}

/* The most careful that is true of all parts. */
static void synchrony_is(struct view *view, enum synchrony synchrony)
{
	if (synchrony > view->synchrony)
		view->synchrony = synchrony;
}

/* Whether the pages may be taken away for a while: nobody runs into the gap. */
static bool may_move(struct conversion *conversion, struct part *part)
{
	struct view *view = conversion->view;

	if (part->protection & PROT_EXEC && !(part->protection & PROT_WRITE))
		return false;
	if (view->alone || part->protection == PROT_NONE)
		return true;
	if (!(part->protection & PROT_WRITE))
		return false;
	part->held = conversion->can_hold && part->anonymous &&
		     !hold_range(&conversion->hold, part->start, part->end);
	if (part->held)
		synchrony_is(view, conversion->hold.user_only ? SYNC_USER : SYNC_HELD);
	else
		synchrony_is(view, SYNC_LOST);
	return part->held;
}

static int move_aside(struct conversion *conversion, struct part *part)
{
	if (!may_move(conversion, part))
		return 0;
	long aside = sys_mremap(part->start, size_of(part), size_of(part),
				MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	if (aside == -EINVAL) { /* of a file, before 5.13; of anything, before 5.7 */
		if (part->held)
			synchrony_is(conversion->view, SYNC_LOST);
		return 0;
	}
	if (sys_failed(aside)) {
		conversion->view->reason = "the source could not be moved aside";
		return (int)aside;
	}
	part->aside = (uintptr_t)aside;
	if (part->protection == PROT_NONE)
		sys_mprotect(aside, size_of(part), PROT_READ);
	return 0;
}

/* The room for this was there before. */
static void move_back(const struct conversion *conversion, struct part *part)
{
	long r = -ENOMEM;

	for (int i = 0; i < PATIENCE && r == -ENOMEM; i++) {
		r = sys_mremap(part->aside, size_of(part), size_of(part),
			       MREMAP_MAYMOVE | MREMAP_FIXED, part->start);
		if (sys_failed(r))
			sys_sched_yield();
	}
	if (part->protection == PROT_NONE)
		sys_mprotect(part->start, size_of(part), PROT_NONE);
	if (part->held)
		hold_release(&conversion->hold, part->start, part->end);
	part->aside = 0;
}

/* ---- the copy and the replacement ---- */

static int replace(const struct conversion *conversion, struct part *part)
{
	long r = sys_mmap(part->start, size_of(part), part->protection,
			  MAP_SHARED | MAP_FIXED | attributes_map_flags(&part->attributes),
			  conversion->memfd, (int64_t)(part->start - conversion->view->start));

	if (sys_failed(r)) {
		conversion->view->reason = "the source could not be replaced";
		return (int)r;
	}
	conversion->view->converted += size_of(part);
	part->replaced = true;
	return 0;
}

/* ---- all parts ---- */

#define EACH_PART(part, view)                                                                 \
	for (struct part *part = (view)->parts; part < (view)->parts + (view)->count; part++) \
		if (!part->shared)

static int take_all(struct conversion *conversion)
{
	int r = 0;

	EACH_PART(part, conversion->view)
	if (!r)
		r = move_aside(conversion, part);
	EACH_PART(part, conversion->view)
	if (!r)
		r = part_copy(conversion->view, part, conversion->memfd, &conversion->proc);
	return r;
}

/* Those without old pages to bring back are the last. */
static int replace_all(const struct conversion *conversion)
{
	int r = 0;

	EACH_PART(part, conversion->view)
	if (!r && part->aside)
		r = replace(conversion, part);
	EACH_PART(part, conversion->view)
	if (!r && !part->aside)
		r = replace(conversion, part);
	return r;
}

static void undo(const struct conversion *conversion)
{
	EACH_PART(part, conversion->view)
	if (part->aside)
		move_back(conversion, part);
	conversion->view->converted = 0;
}

/* Before anybody can give pages of it up. */
static void list_converted(const struct conversion *conversion)
{
	EACH_PART(part, conversion->view)
	{
		ranges_remove(part->start, part->end);
		ranges_add(&(struct range){
			.start = part->start,
			.end = part->end,
			.device = conversion->file.device,
			.inode = conversion->file.inode,
			.used = (int64_t)(conversion->view->end - conversion->view->start),
			.size = conversion->file.size,
			.kind = part->anonymous ? RANGE_CONVERTED : RANGE_FILE });
	}
}

/* Threads go on first; locks only once the old pages, which may be locked, are gone. */
static void finish(const struct conversion *conversion)
{
	EACH_PART(part, conversion->view)
	if (part->held)
		hold_release(&conversion->hold, part->start, part->end);
	EACH_PART(part, conversion->view)
	if (part->aside)
		sys_munmap(part->aside, size_of(part));
	EACH_PART(part, conversion->view)
	attributes_apply(&part->attributes, part->start, part->end, part->protection);
}

static int convert_with_room(struct conversion *conversion)
{
	long spare = spare_take();

	if (sys_failed(spare)) {
		conversion->view->reason = "too many areas, or no address space";
		return (int)spare;
	}
	int r = take_all(conversion);
	spare_give(spare);
	if (!r)
		r = replace_all(conversion);
	if (r) {
		undo(conversion);
		return r;
	}
	list_converted(conversion);
	finish(conversion);
	return 0;
}

int convert(struct view *view, int memfd)
{
	struct conversion conversion = { .view = view, .memfd = memfd, .hold.fd = -1 };
	struct attributes_walk walk;
	bool any = false;

	attributes_walk_begin(&walk, -1);
	EACH_PART(part, view)
	{
		any = true;
		part->attributes = *attributes_at(&walk, part->start);
	}
	attributes_walk_end(&walk);
	if (!any)
		return 0;
	int r = file_identify(memfd, &conversion.file);
	if (r)
		return r;
	synchrony_is(view, view->alone ? SYNC_ALONE : SYNC_HELD);
	proc_open(&conversion.proc);
	conversion.can_hold = !view->alone && !hold_open(&conversion.hold);
	r = convert_with_room(&conversion);
	hold_close(&conversion.hold);
	return r;
}
