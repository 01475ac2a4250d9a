/* SPDX-License-Identifier: MIT */
/*
 * The road of a memory call: what each room does before it, instead of it and after it, in the
 * order in which it stands here. The rooms do not know each other. Calls go to the kernel by raw
 * system call, because an allocator may call them before anything is resolved; what is none of
 * our business costs a branch and the call. No scope is held around a call that none of ours is
 * in the way of: it may block for the program's sake.
 */
#include <sys/mman.h>

#include "interpose/interpose.h"
#include "interpose/road.h"
#include "kernel/attributes.h"
#include "kernel/file.h"
#include "mapping/index.h"
#include "mapping/replace.h"
#include "mmfence.h"
#include "nonlinear/anchor.h"
#include "nonlinear/emulate.h"
#include "nonlinear/nonlinear.h"
#include "policy/policy.h"
#include "selfmem/emulate.h"
#include "selfmem/ranges.h"
#include "selfmem/selfmem.h"
#include "selfmem/converted.h"
#include "snapshot/guard.h"
#include "snapshot/snapshot.h"

#define MAP_TYPE_BITS 0x0f

/* ---- what is there, and is gone ---- */

static bool has_snapshots(uintptr_t address, size_t length)
{
	return index_may_touch(address, address + PAGE_UP(length));
}

bool road_has_ours(uintptr_t address)
{
	return index_may_touch(address, address + 1) || anchor_may_touch(address, address + 1);
}

/* The program unmapped, moved or covered the range: emulation holds on to nothing of it. */
static void windows_gone(uintptr_t start, uintptr_t end)
{
	struct scope scope;

	if (likely(!anchor_may_touch(start, end)) || !enter(&scope))
		return;
	anchor_note_gone(start, end);
	scope_leave(&scope);
}

void road_gone(uintptr_t start, uintptr_t end)
{
	struct scope scope;

	windows_gone(start, end);
	if (!index_may_touch(start, end) || !enter(&scope))
		return;
	snapshot_look_again(start, end);
	scope_leave(&scope);
}

long road_replace(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument)
{
	struct scope scope;
	long r;

	if (likely(!index_may_touch(start, end)) || !enter(&scope)) {
		r = replace(argument);
	} else {
		r = mapping_replace(start, end, replace, argument);
		scope_leave(&scope);
	}
	if (!sys_failed(r))
		windows_gone(start, end);
	return r;
}

long road_replace_inside(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument)
{
	long r = mapping_replace(start, end, replace, argument);

	if (!sys_failed(r) && anchor_may_touch(start, end))
		anchor_note_gone(start, end);
	return r;
}

void road_settle(uintptr_t address, size_t length)
{
	struct scope scope;

	if (!has_snapshots(address, length) || !enter(&scope))
		return;
	mapping_preserve(address, address + PAGE_UP(length), "protect");
	scope_leave(&scope);
}

void road_trim(void)
{
	struct scope scope;

	if (likely(!anchor_may_touch(0, UINTPTR_MAX)) || !enter(&scope))
		return;
	anchors_trim();
	scope_leave(&scope);
}

/* ENOMEM may mean one area too many. */
static long look_at_error(const struct call *call, long result)
{
	struct scope scope;

	if (likely(result != -ENOMEM) || !enter(&scope))
		return result;
	nonlinear_no_memory(call);
	scope_leave(&scope);
	return result;
}

/* ---- mmap ---- */

static long map(void *argument)
{
	const struct map_request *request = argument;

	return sys_mmap(request->address, request->length, request->protection, request->flags,
			request->fd, request->offset);
}

static long map_in_place(struct map_request *request)
{
	uintptr_t end = request->address + PAGE_UP(request->length);

	return request->flags & MAP_FIXED ? road_replace(request->address, end, map, request)
					  : map(request);
}

/* Memory of devices is mapped by nobody who could write to it. */
static long check_device(const struct call *call, const struct map_request *request)
{
	struct scope scope;

	if (!(request->flags & MAP_SHARED) || likely(file_device(request->fd) == DEVICE_NONE) ||
	    !enter(&scope))
		return 0;
	long r = selfmem_check_map(call, request);
	scope_leave(&scope);
	return r;
}

/* What a fixed mapping replaces cannot be asked for later. */
static void look_at_window(const struct map_request *request, struct rewire *rewire)
{
	struct scope scope;

	rewire->possible = false;
	if (!(request->flags & MAP_FIXED) || !enter(&scope))
		return;
	nonlinear_rewire_look(request, rewire);
	scope_leave(&scope);
}

static void record_rewire(const struct call *call, const struct map_request *request,
			  const struct rewire *rewire, long result)
{
	struct scope scope;

	if (!rewire->possible || !enter(&scope))
		return;
	nonlinear_rewire_done(call, request, rewire, result);
	scope_leave(&scope);
}

static void note_anchor(const struct map_request *request, uintptr_t address)
{
	struct scope scope;

	if (likely(!(request->flags & MAP_SHARED) || !emulate_at_once()) || !enter(&scope))
		return;
	anchor_note(address, request->length, request->flags & MAP_ANONYMOUS ? -1 : request->fd);
	scope_leave(&scope);
}

static long map_shared(const struct call *call, struct map_request *request)
{
	struct rewire rewire;
	bool silent = scope_silent();
	long r = silent ? 0 : check_device(call, request);

	if (unlikely(r))
		return r;
	look_at_window(request, &rewire);
	r = map_in_place(request);
	record_rewire(call, request, &rewire, r);
	if (sys_failed(r))
		return r;
	if (unlikely(request->flags & MAP_LOCKED))
		emulate_note_attributes((uintptr_t)r, (uintptr_t)r + PAGE_UP(request->length));
	if (!silent)
		note_anchor(request, (uintptr_t)r);
	return r;
}

/* The kernel maps no memory of processes: perhaps we do. */
static long map_memory(const struct call *call, const struct map_request *request, long error)
{
	struct scope scope;

	if (!enter(&scope))
		return error;
	long r = selfmem_map_failed(call, request, (int)-error);
	scope_leave(&scope);
	return r;
}

static long take_snapshot(const struct call *call, const struct map_request *request, long address)
{
	struct scope scope;

	if (!snapshot_possible(request) || !enter(&scope))
		return address;
	long r = snapshot_create(call, request, (uintptr_t)address);
	scope_leave(&scope);
	return r;
}

static long map_file(const struct call *call, struct map_request *request)
{
	bool shared = (request->flags & MAP_TYPE_BITS) != MAP_PRIVATE;
	long r = shared ? map_shared(call, request) : map_in_place(request);

	if (unlikely(r == -ENODEV))
		return map_memory(call, request, r);
	return sys_failed(r) ? r : take_snapshot(call, request, r);
}

static long map_anonymous(struct map_request *request)
{
	long r = map_in_place(request);

	if (!sys_failed(r))
		note_anchor(request, (uintptr_t)r);
	return r;
}

long road_mmap(const struct call *call, uintptr_t address, size_t length, int protection, int flags,
	       int fd, int64_t offset)
{
	struct map_request request = {
		address, length, protection, flags & ~MAP_SNAPSHOT, fd, offset, false,
	};

	request.asked = flags & MAP_SNAPSHOT && (flags & MAP_TYPE_BITS) == MAP_PRIVATE;
	return look_at_error(call, flags & MAP_ANONYMOUS ? map_anonymous(&request)
							 : map_file(call, &request));
}

/* ---- munmap ---- */

static long unmap(uintptr_t address, size_t length)
{
	struct scope scope;

	if (likely(!has_snapshots(address, length)) || !enter(&scope))
		return sys_munmap(address, length);
	long r = snapshot_munmap(address, length);
	scope_leave(&scope);
	return r;
}

long road_munmap(const struct call *call, uintptr_t address, size_t length)
{
	long r = unmap(address, length);

	if (likely(!r))
		windows_gone(address, address + PAGE_UP(length));
	return look_at_error(call, r);
}

/* ---- mremap ---- */

static uintptr_t old_end(const struct move_request *request)
{
	return request->old + PAGE_UP(request->old_size ? request->old_size : 1);
}

static bool moves_snapshots(const struct move_request *request)
{
	return index_may_touch(request->old, old_end(request)) ||
	       (request->flags & MREMAP_FIXED &&
		has_snapshots(request->new_address, request->new_size));
}

static long move(const struct call *call, const struct move_request *request)
{
	struct scope scope;

	if (likely(!moves_snapshots(request) && !ranges_any()) || !enter(&scope))
		return sys_mremap(request->old, request->old_size, request->new_size,
				  request->flags, request->new_address);
	long r = snapshot_mremap(call, request);
	if (!sys_failed(r) && ranges_any())
		r = converted_moved(request->old, request->old_size, (uintptr_t)r,
				    request->new_size, request->flags);
	scope_leave(&scope);
	return r;
}

static void windows_moved(const struct move_request *request, uintptr_t to)
{
	struct scope scope;

	if (unlikely(anchor_may_touch(request->old, old_end(request))) && enter(&scope)) {
		anchor_note_moved(to, to + PAGE_UP(request->new_size));
		scope_leave(&scope);
	}
	windows_gone(request->old, request->old + PAGE_UP(request->old_size));
	if (request->flags & MREMAP_FIXED)
		windows_gone(request->new_address,
			     request->new_address + PAGE_UP(request->new_size));
}

long road_mremap(const struct call *call, const struct move_request *request)
{
	long r = move(call, request);

	if (!sys_failed(r))
		windows_moved(request, (uintptr_t)r);
	return look_at_error(call, r);
}

/* ---- remap_file_pages ---- */

long road_remap_file_pages(const struct call *call, const struct remap_request *request)
{
	struct scope scope;
	long r;

	if (same_process_as_before() && nonlinear_remap_known(call, request, &r))
		return r;
	if (!enter(&scope))
		return sys_remap_file_pages(request->address, request->size, request->protection,
					    request->page_offset, request->flags);
	r = nonlinear_remap(call, request);
	scope_leave(&scope);
	return r;
}

/* ---- what areas have: protection, lock, advice ---- */

/* The call is made so that nothing comes between the lease thread's look at an area and its
 * replacement. */
#define AREAS_HELD(ours, call)                          \
	({                                              \
		struct scope scope_;                    \
		bool held_ = hold_areas(ours, &scope_); \
		long result_ = call;                    \
		if (unlikely(held_))                    \
			release_areas(&scope_);         \
		result_;                                \
	})

static bool hold_areas(bool ours, struct scope *scope)
{
	if (likely(!ours) || !enter(scope))
		return false;
	snapshot_lock();
	return true;
}

static void release_areas(const struct scope *scope)
{
	snapshot_unlock();
	scope_leave(scope);
}

/* A guarded mapping is preserved before it can be stored to: then no store races with it. */
static long before_protect(uintptr_t address, size_t length, int protection)
{
	struct scope scope;
	long r = 0;

	if (likely(!(protection & (PROT_WRITE | PROT_EXEC))) ||
	    (!has_snapshots(address, length) && !ranges_any()) || !enter(&scope))
		return 0;
	if (protection & PROT_WRITE && ranges_any())
		r = selfmem_check_protect(address, length);
	if (!r && protection & PROT_EXEC && snapshot_forbids_exec(address, length))
		r = -EACCES;
	if (!r && protection & PROT_WRITE)
		r = snapshot_before_write(address, length);
	scope_leave(&scope);
	return r;
}

long road_mprotect(const struct call *call, uintptr_t address, size_t length, int protection)
{
	long r = before_protect(address, length, protection);

	if (!r)
		r = AREAS_HELD(has_snapshots(address, length),
			       sys_mprotect(address, length, protection));
	return look_at_error(call, r);
}

/* What an area is given is looked for when it is replaced. */
static void note_attributes(uintptr_t start, uintptr_t end)
{
	attributes_note();
	emulate_note_attributes(start, end);
}

long road_pkey_mprotect(uintptr_t address, size_t length, int protection, int key)
{
	long r = before_protect(address, length, protection);

	note_attributes(address, address + PAGE_UP(length));
	return r ? r
		 : AREAS_HELD(has_snapshots(address, length),
			      sys_pkey_mprotect(address, length, protection, key));
}

static void note_lock(uintptr_t address, size_t length)
{
	note_attributes(PAGE_DOWN(address), PAGE_UP(address + length));
}

long road_mlock(uintptr_t address, size_t length)
{
	note_lock(address, length);
	return AREAS_HELD(has_snapshots(address, length), sys_mlock(address, length));
}

long road_mlock2(uintptr_t address, size_t length, unsigned int flags)
{
	note_lock(address, length);
	return AREAS_HELD(has_snapshots(address, length), sys_mlock2(address, length, flags));
}

long road_munlock(uintptr_t address, size_t length)
{
	note_lock(address, length);
	return AREAS_HELD(has_snapshots(address, length), sys_munlock(address, length));
}

long road_mlockall(int flags)
{
	attributes_note();
	road_trim();
	long r = AREAS_HELD(guard_any(), sys_mlockall(flags));
	if (!r) {
		emulate_note_lock_all(flags);
		road_trim(); /* what was doubled meanwhile inherits no lock */
	}
	return r;
}

long road_munlockall(void)
{
	attributes_note();
	long r = AREAS_HELD(guard_any(), sys_munlockall());
	if (!r)
		emulate_note_lock_all(0);
	return r;
}

/* ---- madvise ---- */

/* Whether it leaves a mark on the area, rather than doing something to its pages. */
static bool advice_stays(int advice)
{
	switch (advice) {
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_DONTFORK:
	case MADV_DONTDUMP:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_MERGEABLE:
		return true;
	default:
		return false;
	}
}

#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, since Linux 6.13 */

/* Pages that are on their way to a view are not to be given up where they were. */
static long give_up(uintptr_t address, size_t length, int advice)
{
	struct scope scope;

	if (!enter(&scope))
		return sys_madvise(address, length, advice);
	views_take();
	snapshot_lock();
	long r = sys_madvise(address, length, advice);
	snapshot_unlock();
	r = converted_advised(address, length, advice, r);
	views_release();
	scope_leave(&scope);
	return r;
}

long road_madvise(uintptr_t address, size_t length, int advice)
{
	bool ours = has_snapshots(address, length);

	if (unlikely(ours && advice == GUARD_INSTALL))
		road_settle(address, length);
	/* What is converted for a view has to keep it. */
	if (unlikely(ours ||
		     (the_policy.selfmem_map != SELFMEM_MAP_REFUSE && advice_stays(advice))))
		attributes_note();
	if (advice_stays(advice))
		emulate_note_attributes(address, address + PAGE_UP(length));
	if (unlikely(selfmem_has_views()) && converted_gives_up(advice))
		return give_up(address, length, advice);
	return AREAS_HELD(ours && advice != MADV_DONTNEED && advice != MADV_WILLNEED,
			  sys_madvise(address, length, advice));
}
