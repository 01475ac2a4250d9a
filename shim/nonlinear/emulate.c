/* SPDX-License-Identifier: MIT */
/*
 * remap_file_pages as the kernel has had it since 4.0, without the kernel's: the same checks in the
 * same order, and then one shared mapping put in the place of another. The checks, their order and
 * their errors are those of mm/mmap.c since 4.0. What is at the address is asked of the kernel each
 * time, and only then anything is replaced.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "nonlinear/nonlinear.h"
#include "mapping/index.h"
#include "policy/policy.h"
#include "kernel/vma.h"
#include "support/arena.h"

static atomic_bool absent; /* the kernel or a filter has no such call */

/* Where a lock, advice or a protection key was seen. */
static struct bounds noted = BOUNDS_EMPTY;
static atomic_int lock_future; /* what mlockall set */

/* ---- whether ---- */

/* EPERM may be the kernel's own answer to this call; to one with a protection it always says
 * EINVAL. */
static bool filter_says_eperm(void)
{
	return sys_remap_file_pages(0, 0, PROT_READ, 0, 0) == -EPERM;
}

bool emulate_at_once(void)
{
	return the_policy.nonlinear_emulate == EMULATE_ALWAYS ||
	       (the_policy.nonlinear_emulate == EMULATE_AUTO &&
		atomic_load_explicit(&absent, memory_order_relaxed));
}

bool emulate_wanted(long result)
{
	if (the_policy.nonlinear_emulate == EMULATE_NEVER)
		return false;
	if (emulate_at_once())
		return true;
	if (result != -ENOSYS && (result != -EPERM || !filter_says_eperm()))
		return false;
	atomic_store(&absent, true);
	return true;
}

/* ---- attributes ---- */

void emulate_note_attributes(uintptr_t start, uintptr_t end)
{
	bounds_widen(&noted, start, end);
}

bool emulate_has_attributes(void)
{
	return bounds_touch(&noted, 0, UINTPTR_MAX);
}

void emulate_note_lock_all(int flags)
{
	atomic_store(&lock_future, flags & MCL_FUTURE ? flags : 0);
	emulate_note_attributes(0, UINTPTR_MAX);
}

/* The kernel makes no locked memory cold, and of unlocked memory nobody sees it. Since Linux 5.4; a
 * page of ours tells whether it does so at all. */
static bool is_locked(uintptr_t address)
{
	static char pages[2 * PAGE_BYTES] LARGE;
	uintptr_t page = PAGE_UP((uintptr_t)pages);
	struct attributes attributes;

	if (!bounds_touch(&noted, address, address + 1))
		return false;
	if (!sys_madvise(address, PAGE_BYTES, MADV_COLD))
		return false;
	if (!sys_madvise(page, PAGE_BYTES, MADV_COLD))
		return true;
	attributes_read_apart(address, &attributes);
	return attributes.flags & ATTRIBUTE_LOCKED;
}

/* ---- the checks ---- */

struct remap {
	uint64_t start, size, page; /* as the kernel rounds them */
	bool nonblock, locked, doubled;
	struct vma area;
};

/* Read by a thread with a table of its own: smaps has to be opened. Of all areas of a call or of
 * none, so that they can be compared. */
static void read_attributes(const struct remap *remap, uintptr_t address, struct attributes *out)
{
	*out = (struct attributes){ 0, 0 };
	if (bounds_touch(&noted, (uintptr_t)remap->start, (uintptr_t)(remap->start + remap->size)))
		attributes_read_apart(address, out);
}

static int check_arguments(const struct remap_request *request, struct remap *remap)
{
	if (request->protection)
		return -EINVAL;
	remap->start = PAGE_DOWN(request->address);
	remap->size = PAGE_DOWN(request->size);
	remap->page = request->page_offset;
	remap->nonblock = request->flags & MAP_NONBLOCK;
	remap->doubled = false;
	if (remap->start + remap->size <= remap->start)
		return -EINVAL;
	if (remap->page + remap->size / PAGE_BYTES < remap->page)
		return -EINVAL;
	return 0;
}

static int find_area(struct remap *remap)
{
	int r = vma_find((uintptr_t)remap->start, &remap->area, NULL, 0);

	if (r && r != -ENOENT)
		return r;
	if (r || remap->area.start > remap->start || !remap->area.shared ||
	    !vma_has_file(&remap->area))
		return -EINVAL;
	remap->locked = is_locked((uintptr_t)remap->start);
	return 0;
}

static bool continues(const struct remap *remap, const struct attributes *attributes,
		      const struct vma *next, uintptr_t end)
{
	struct attributes others;

	if (next->start != end || !vma_shares_file_by_name(&remap->area, next) ||
	    next->protection != remap->area.protection)
		return false;
	read_attributes(remap, next->start, &others);
	return others.flags == attributes->flags && others.key == attributes->key;
}

/* Without holes, and all of one file and with the same flags. */
static int check_span(const struct remap *remap)
{
	uintptr_t end = remap->area.end;
	struct attributes attributes;
	struct vma_walk walk;
	struct vma next;
	int r = 0;

	if (end >= remap->start + remap->size)
		return 0;
	read_attributes(remap, (uintptr_t)remap->start, &attributes);
	vma_walk_begin(&walk, -1);
	for (; !r && end < remap->start + remap->size; end = next.end)
		if (vma_walk_to(&walk, end, &next, NULL, 0) ||
		    !continues(remap, &attributes, &next, end))
			r = -EINVAL;
	vma_walk_end(&walk);
	return r;
}

/* ---- doing it ---- */

static bool locks(const struct remap *remap)
{
	return remap->locked || atomic_load(&lock_future);
}

/* Whether so much may be locked is asked before anything is replaced, in the way that gives the
 * kernel's own answer: memory without access is not populated. */
static int check_lock(const struct remap *remap)
{
	if (!locks(remap))
		return 0;
	long trial = place_map((size_t)remap->size, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				       (remap->locked ? MAP_LOCKED : 0),
			       -1, 0);
	if (trial == -EPERM || trial == -EAGAIN)
		return (int)trial;
	if (!sys_failed(trial))
		place_unmap(trial, (size_t)remap->size);
	return 0;
}

static void populate(const struct remap *remap)
{
	if (atomic_load(&lock_future) & MCL_ONFAULT && !remap->locked)
		sys_mlock2(remap->start, remap->size, MLOCK_ONFAULT);
	else if (locks(remap))
		sys_mlock(remap->start, remap->size);
	else if (!remap->nonblock)
		sys_madvise(remap->start, remap->size, MADV_POPULATE_READ);
}

/* By a descriptor: a page that is too far for an anchor; and near vm.max_map_count, where mremap
 * gives up some areas before mmap does. */
static long put_by_descriptor(const struct remap *remap, enum way *way)
{
	int flags = MAP_SHARED | MAP_FIXED | (remap->nonblock ? MAP_NONBLOCK : 0) | MAP_POPULATE |
		    (remap->locked ? MAP_LOCKED : 0);
	struct vma area = remap->area;

	/* A link in map_files is named after the area as it is. */
	long r = reopen_map(&area, (uintptr_t)remap->start, remap->size, area.protection, flags,
			    remap->page, way);
	return sys_failed(r) ? r : 0;
}

/* What the kernel allows for regular files and block devices, whatever their file system. */
static bool beyond_any_file(const struct remap *remap)
{
	return remap->size > INT64_MAX || remap->page > (INT64_MAX - remap->size) / PAGE_BYTES;
}

static long put(struct remap *remap, enum way *way)
{
	int refused = anchor_check(&remap->area);

	if (!refused)
		refused = check_lock(remap);
	if (refused)
		return refused;
	if (beyond_any_file(remap))
		return -EOVERFLOW;
	long r = anchor_double(&remap->area, remap->page, remap->size / PAGE_BYTES,
			       (uintptr_t)remap->start, way);
	remap->doubled = !r;
	if (!r)
		return 0;
	long other = put_by_descriptor(remap, way);
	if (*way != WAY_NONE || r != -ENOMEM)
		return other;
	*way = WAY_MAPPING;
	return r;
}

static long remap_checked(struct remap *remap, enum way *way)
{
	int r = find_area(remap);

	if (!r)
		r = check_span(remap);
	return r ? r : put(remap, way);
}

long emulate_remap(const struct remap_request *request, enum way *way)
{
	struct remap remap;
	long r = check_arguments(request, &remap);

	*way = WAY_REFUSED;
	if (r)
		return r;
	/* Nobody else changes an anchor between the look and the call. */
	anchors_take();
	r = remap_checked(&remap, way);
	anchors_drop();
	if (remap.doubled) /* which may take long */
		populate(&remap);
	return r;
}

void emulate_after_fork(void)
{
	atomic_store(&lock_future, 0);
}
