/* SPDX-License-Identifier: MIT */
/*
 * From the refused call to the view: who may have one of what, where it is made, and how
 * it gets to its place. All of it under one lock, which fork waits for: a child would
 * find memory moved aside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "kernel/thread.h"
#include "support/sys.h"
#include "kernel/vma.h"
#include "policy/policy.h"
#include "selfmem/selfmem.h"
#include "selfmem/view.h"
#include "mapping/index.h"
#include "mapping/request.h"
#include "kernel/lease_thread.h"
#include "support/arena.h"
#include "support/lock.h"

static struct lock views_lock;
static atomic_bool has_views;

bool selfmem_has_views(void)
{
	return atomic_load_explicit(&has_views, memory_order_relaxed);
}

/* ---- who may have a view ---- */

/* Whose memory a descriptor shows is told by no name: it may be that of this number before it was
 * forked, or before an exec. */
static bool shows_own_memory(int fd)
{
	static volatile uint64_t token;
	uint64_t seen;

	for (int i = 0; i < 2; i++) {
		token = (token * 6364136223846793005U) ^
			((uint64_t)sys_clock(CLOCK_MONOTONIC) << 20) ^ (uint64_t)sys_getpid();
		seen = ~token;
		if (sys_pread(fd, &seen, sizeof(seen), (int64_t)(uintptr_t)&token) !=
			    sizeof(seen) ||
		    seen != token)
			return false;
	}
	return true;
}

static int may_have(struct view *view)
{
	const struct map_request *request = view->request;

	if (!shows_own_memory(request->fd))
		view->reason = "another process's memory";
	else if (the_policy.selfmem_map == SELFMEM_MAP_EMULATE_READONLY && !view->copy &&
		 request->protection & PROT_WRITE)
		view->reason = "selfmem.map=emulate-readonly";
	return view->reason ? -ENODEV : 0;
}

/* Threads are told by the link count of their directory. The lease thread touches nothing of the
 * program's. */
static bool is_alone(void)
{
	struct statx st;

	if (sys_statx(AT_FDCWD, "/proc/self/task", 0, STATX_NLINK, &st))
		return false;
	return st.stx_nlink <= 3U + (lease_thread_running() && home_is_here());
}

/* ---- where it is made ---- */

static bool over_others(const struct map_request *request)
{
	return (request->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
}

static long reserve_at(const struct view *view, uintptr_t address, int flags)
{
	return sys_mmap(address, view->end - view->start, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

static bool overlaps_target(const struct view *view, long stage)
{
	size_t size = view->end - view->start;

	return (uintptr_t)stage < view->request->address + size &&
	       view->request->address < (uintptr_t)stage + size;
}

/* A free place that is not where the view will be: of those that are free at once the third. */
static long reserve_elsewhere(const struct view *view)
{
	long stage = reserve_at(view, 0, 0);

	if (sys_failed(stage) || !overlaps_target(view, stage))
		return stage;
	long other = reserve_elsewhere(view);
	sys_munmap(stage, view->end - view->start);
	return other;
}

static int reserve(struct view *view)
{
	const struct map_request *request = view->request;
	long stage = over_others(request) ? reserve_elsewhere(view)
					  : reserve_at(view, request->address,
						       request->flags & (MAP_32BIT | MAP_FIXED |
									 MAP_FIXED_NOREPLACE));

	if (sys_failed(stage)) {
		view->reason = "no address space for the view";
		return (int)stage;
	}
	view->stage = (uintptr_t)stage;
	return 0;
}

/* ---- how it gets to its place ---- */

/* Area by area, as mremap wants it. What could not be moved is gone afterwards. */
static long move(struct view *view, long spare)
{
	uintptr_t target = view->request->address, end = view->stage + (view->end - view->start);
	uintptr_t at = view->stage;
	long r = 0;

	spare_give(spare);
	while (!sys_failed(r) && at < end) {
		struct vma vma;
		r = vma_find(at, &vma, NULL, 0);
		if (r)
			break;
		size_t size = (vma.end < end ? vma.end : end) - at;
		r = sys_mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			       target + (at - view->stage));
		at += sys_failed(r) ? 0 : size;
	}
	if (at < end)
		sys_munmap(at, end - at);
	return sys_failed(r) ? r : (long)target;
}

static long move_with_room(void *argument)
{
	struct view *view = argument;
	long spare = spare_take();

	if (!sys_failed(spare))
		return move(view, spare);
	sys_munmap(view->stage, view->end - view->start);
	return spare;
}

static long place(struct view *view)
{
	uintptr_t target = view->request->address;

	if (!over_others(view->request))
		return (long)view->stage;
	long r = mapping_replace(target, target + (view->end - view->start), move_with_room, view);
	if (sys_failed(r))
		view->reason = "the view could not be moved to its place";
	return r;
}

/* ---- all together ---- */

static bool has_part(const struct view *view, bool shared)
{
	for (size_t i = 0; i < view->count; i++)
		if (view->parts[i].shared == shared)
			return true;
	return false;
}

static long run_build(void *argument)
{
	struct view *view = argument;
	int r = thread_run(view_make, view);

	if (r)
		view->reason = "no thread could be started";
	return r ? r : view->result;
}

/* Snapshots in a converted source are none afterwards. */
static int make(struct view *view)
{
	if (!view->copy && !has_part(view, false))
		return view_double(view);
	view->alone = is_alone();
	return (int)(view->copy ? run_build(view)
				: mapping_replace(view->start, view->end, run_build, view));
}

static void finish(const struct view *view, uintptr_t address)
{
	const struct map_request *request = view->request;
	size_t size = view->end - view->start;

	ranges_remove(address, address + size);
	if (view->readonly)
		ranges_add_areas(address, address + size, RANGE_READONLY);
	if (request->flags & MAP_LOCKED)
		sys_mlock(address, size);
	if (request->flags & MAP_POPULATE && !(request->flags & MAP_NONBLOCK))
		sys_madvise(address, size,
			    request->protection & PROT_WRITE ? MADV_POPULATE_WRITE
							     : MADV_POPULATE_READ);
}

static long give(struct view *view)
{
	long r = may_have(view);

	if (!r)
		r = source_look(view);
	/* A shared snapshot that is guarded is preserved first: nobody would do it for the view
	 * later. That changes areas. */
	if (!r && !view->copy && has_part(view, true) && index_may_touch(view->start, view->end)) {
		mapping_preserve(view->start, view->end, "view");
		view->count = 0;
		r = source_look(view);
	}
	if (!r)
		r = reserve(view);
	if (r)
		return r;
	r = make(view);
	if (r) {
		sys_munmap(view->stage, view->end - view->start);
		return r;
	}
	r = place(view);
	if (!sys_failed(r))
		finish(view, (uintptr_t)r);
	return r;
}

/* Of a descriptor that cannot write the kernel makes no mapping that can be written to later. */
static bool is_readonly(const struct map_request *request)
{
	return the_policy.selfmem_map == SELFMEM_MAP_EMULATE_READONLY ||
	       (sys_fcntl(request->fd, F_GETFL, 0) & O_ACCMODE) == O_RDONLY;
}

long selfmem_emulate(const struct call *call, const struct map_request *request,
		     const struct file *file, int error)
{
	struct view view = { .call = call, .request = request };
	long r = -error;

	view.copy = (request->flags & 0x0f) == MAP_PRIVATE;
	view.readonly = !view.copy && is_readonly(request);
	if (the_policy.selfmem_map != SELFMEM_MAP_REFUSE) {
		atomic_store(&has_views, true);
		views_take();
		r = give(&view);
		lock_drop(&views_lock);
	}
	bool failed = sys_failed(r);
	view_report(&view, file, failed ? 0 : (uintptr_t)r, failed ? (int)-r : 0);
	arena_free(view.parts, view.room * sizeof(*view.parts));
	return r;
}

/* ---- fork ---- */

void views_take(void)
{
	gate_take(&views_lock);
}

void views_hold(void)
{
	lock_take(&views_lock);
}

void views_release(void)
{
	lock_drop(&views_lock);
}

void views_reset(void)
{
	lock_reset(&views_lock);
}
