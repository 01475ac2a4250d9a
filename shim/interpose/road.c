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
#include "kernel/vma.h"
#include "kernel/file.h"
#include "mapping/index.h"
#include "mapping/request.h"
#include "mmfence.h"
#include "nonlinear/nonlinear.h"
#include "policy/policy.h"
#include "selfmem/selfmem.h"
#include "snapshot/guard.h"
#include "snapshot/snapshot.h"
#include "support/user.h"

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
	if (unlikely(anchor_may_touch(start, end)))
		DO_IN_SCOPE(anchor_note_gone(start, end));
}

void road_gone(uintptr_t start, uintptr_t end)
{
	windows_gone(start, end);
	if (index_may_touch(start, end))
		DO_IN_SCOPE(snapshot_look_again(start, end));
}

long road_replace(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument)
{
	long r = likely(!index_may_touch(start, end))
			 ? replace(argument)
			 : IN_SCOPE(mapping_replace(start, end, replace, argument),
				    replace(argument));

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
	if (has_snapshots(address, length))
		DO_IN_SCOPE(mapping_preserve(address, address + PAGE_UP(length), "protect"));
}

void road_trim(void)
{
	if (unlikely(anchor_may_touch(0, UINTPTR_MAX)))
		DO_IN_SCOPE(anchors_trim());
}

/* ENOMEM may mean one area too many. */
static long look_at_error(const struct call *call, long result)
{
	if (unlikely(result == -ENOMEM))
		DO_IN_SCOPE(nonlinear_no_memory(call));
	return result;
}

/* ---- mmap ---- */

static long map(void *argument)
{
	const struct map_request *request = argument;

	return sys_mmap(request->address, request->length, request->protection, request->flags,
			request->fd, request->offset);
}

#define HUGEST_PAGE (1UL << 30)

static __attribute__((noinline)) long map_over(struct map_request *request)
{
	uintptr_t end = request->address + PAGE_UP(request->length);
	long r = road_replace(request->address, end, map, request);

	/* The kernel rounds up to a huge page. */
	if (unlikely(request->flags & MAP_HUGETLB) && !sys_failed(r) &&
	    index_may_touch(end, end + HUGEST_PAGE))
		DO_IN_SCOPE(snapshot_look_again(end, end + HUGEST_PAGE));
	return r;
}

static long map_in_place(struct map_request *request)
{
	return request->flags & MAP_FIXED ? map_over(request) : map(request);
}

/* Memory of devices is mapped by nobody who could write to it. */
static long check_device(const struct call *call, const struct map_request *request)
{
	if (!(request->flags & MAP_SHARED) || likely(file_device(request->fd) == DEVICE_NONE))
		return 0;
	return IN_SCOPE(selfmem_check_map(call, request), 0);
}

/* What a fixed mapping replaces cannot be asked for later. */
static void look_at_window(const struct map_request *request, struct rewire *rewire)
{
	rewire->possible = false;
	if (request->flags & MAP_FIXED)
		DO_IN_SCOPE(nonlinear_rewire_look(request, rewire));
}

static void note_anchor(const struct map_request *request, uintptr_t address)
{
	int fd = request->flags & MAP_ANONYMOUS ? -1 : request->fd;

	if (unlikely(request->flags & MAP_SHARED && emulate_at_once()))
		DO_IN_SCOPE(anchor_note(address, request->length, fd));
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
	if (rewire.possible)
		DO_IN_SCOPE(nonlinear_rewire_done(call, request, &rewire, r));
	if (sys_failed(r))
		return r;
	if (unlikely(request->flags & MAP_LOCKED))
		emulate_note_attributes((uintptr_t)r, (uintptr_t)r + PAGE_UP(request->length));
	if (!silent)
		note_anchor(request, (uintptr_t)r);
	return r;
}

static long map_file(const struct call *call, struct map_request *request)
{
	bool shared = (request->flags & MAP_TYPE_BITS) != MAP_PRIVATE;
	long r = shared ? map_shared(call, request) : map_in_place(request);

	/* The kernel maps no memory of processes: perhaps we do. */
	if (unlikely(r == -ENODEV))
		return IN_SCOPE(selfmem_map_failed(call, request, ENODEV), r);
	if (sys_failed(r) || !snapshot_possible(request))
		return r;
	return IN_SCOPE(snapshot_create(call, request, (uintptr_t)r), r);
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
	bool asked = flags & MAP_SNAPSHOT && (flags & MAP_TYPE_BITS) == MAP_PRIVATE;
	struct map_request request = {
		address, length, protection, asked ? flags & ~MAP_SNAPSHOT : flags,
		fd,	 offset, asked,
	};

	return look_at_error(call, flags & MAP_ANONYMOUS ? map_anonymous(&request)
							 : map_file(call, &request));
}

/* ---- munmap ---- */

static long unmap(uintptr_t address, size_t length)
{
	if (likely(!has_snapshots(address, length)))
		return sys_munmap(address, length);
	return IN_SCOPE(snapshot_munmap(address, length), sys_munmap(address, length));
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

static long move_bare(const struct move_request *request)
{
	return sys_mremap(request->old, request->old_size, request->new_size, request->flags,
			  request->new_address);
}

static long move_ours(const struct call *call, const struct move_request *request)
{
	long r = snapshot_mremap(call, request);

	return sys_failed(r) || !ranges_any()
		       ? r
		       : converted_moved(request->old, request->old_size, (uintptr_t)r,
					 request->new_size, request->flags);
}

static long move(const struct call *call, const struct move_request *request)
{
	if (likely(!moves_snapshots(request) && !ranges_any()))
		return move_bare(request);
	return IN_SCOPE(move_ours(call, request), move_bare(request));
}

static void windows_moved(const struct move_request *request, uintptr_t to)
{
	/* What was there goes before what came is known there: it would go with it. */
	if (request->flags & MREMAP_FIXED)
		windows_gone(request->new_address,
			     request->new_address + PAGE_UP(request->new_size));
	if (unlikely(anchor_may_touch(request->old, old_end(request))))
		DO_IN_SCOPE(anchor_note_moved(to, to + PAGE_UP(request->new_size)));
	windows_gone(request->old, request->old + PAGE_UP(request->old_size));
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
	long r;

	if (same_process_as_before() && nonlinear_remap_known(call, request, &r))
		return r;
	return IN_SCOPE(nonlinear_remap(call, request),
			sys_remap_file_pages(request->address, request->size, request->protection,
					     request->page_offset, request->flags));
}

/* ---- what areas have: protection, lock, advice ---- */

/* Makes the call, and again where areas of ours were replaced meanwhile: the lease thread had
 * perhaps looked at what they had before. Nothing is held around it: it waits for pages, which a
 * thread of the program's may have to give. */
#define AREAS_KEPT(ours, call)                                                     \
	({                                                                         \
		bool ours_ = unlikely(ours);                                       \
		unsigned int since_ = ours_ ? snapshot_replacements() : 0;         \
		long result_ = call;                                               \
		while (ours_ && IN_SCOPE(snapshot_replaced_since(&since_), false)) \
			(void)call;                                                \
		result_;                                                           \
	})

static long protect(uintptr_t address, size_t length, int protection, int key)
{
	return key < 0 ? sys_mprotect(address, length, protection)
		       : sys_pkey_mprotect(address, length, protection, key);
}

/* A guarded mapping is preserved before it can be stored to: then no store races with it. */
static long protection_allowed(uintptr_t address, size_t length, int protection, int key)
{
	uintptr_t refused;
	long r = 0;

	if (protection & PROT_WRITE && ranges_any())
		r = selfmem_check_protect(address, length);
	bool part =
		!r && protection & PROT_EXEC && snapshot_forbids_exec(address, length, &refused);
	if (part)
		length = refused - address;
	if (!r && protection & PROT_WRITE)
		r = snapshot_before_write(address, length);
	if (!r && part) /* the kernel gets as far as there */
		r = protect(address, length, protection, key);
	return !r && part ? -EACCES : r;
}

static long before_protect(uintptr_t address, size_t length, int protection, int key)
{
	if (likely(!(protection & (PROT_WRITE | PROT_EXEC))) ||
	    (!has_snapshots(address, length) && !ranges_any()))
		return 0;
	return IN_SCOPE(protection_allowed(address, length, protection, key), 0);
}

long road_mprotect(const struct call *call, uintptr_t address, size_t length, int protection)
{
	long r = before_protect(address, length, protection, -1);

	if (!r)
		r = AREAS_KEPT(has_snapshots(address, length),
			       protect(address, length, protection, -1));
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
	long r = before_protect(address, length, protection, key);

	note_attributes(address, address + PAGE_UP(length));
	return r ? r
		 : AREAS_KEPT(has_snapshots(address, length),
			      protect(address, length, protection, key));
}

static void note_lock(uintptr_t address, size_t length)
{
	note_attributes(PAGE_DOWN(address), PAGE_UP(address + length));
}

long road_mlock(uintptr_t address, size_t length)
{
	note_lock(address, length);
	return AREAS_KEPT(has_snapshots(address, length), sys_mlock(address, length));
}

long road_mlock2(uintptr_t address, size_t length, unsigned int flags)
{
	note_lock(address, length);
	return AREAS_KEPT(has_snapshots(address, length), sys_mlock2(address, length, flags));
}

long road_munlock(uintptr_t address, size_t length)
{
	note_lock(address, length);
	return AREAS_KEPT(has_snapshots(address, length), sys_munlock(address, length));
}

long road_mlockall(int flags)
{
	attributes_note();
	road_trim();
	long r = AREAS_KEPT(guard_any(), sys_mlockall(flags));
	if (!r) {
		emulate_note_lock_all(flags);
		road_trim(); /* what was doubled meanwhile inherits no lock */
	}
	return r;
}

long road_munlockall(void)
{
	attributes_note();
	long r = AREAS_KEPT(guard_any(), sys_munlockall());
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

/* Or takes one away. */
static bool advice_marks(int advice)
{
	return advice_stays(advice) || advice == MADV_NORMAL || advice == MADV_DOFORK ||
	       advice == MADV_DODUMP || advice == MADV_UNMERGEABLE;
}

#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, since Linux 6.13 */

/* Pages that are on their way to a view are not to be given up where they were. */
static long give_up(uintptr_t address, size_t length, int advice)
{
	views_take();
	snapshot_lock();
	long r = sys_madvise(address, length, advice);
	snapshot_unlock();
	r = converted_advised(address, length, advice, r);
	views_release();
	return r;
}

/* Whether it concerns ours. */
static bool before_advice(uintptr_t address, size_t length, int advice)
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
	return ours;
}

long road_madvise(uintptr_t address, size_t length, int advice)
{
	bool ours = before_advice(address, length, advice);

	if (unlikely(selfmem_has_views()) && converted_gives_up(advice))
		return IN_SCOPE(give_up(address, length, advice),
				sys_madvise(address, length, advice));
	return AREAS_KEPT(ours && advice_marks(advice), sys_madvise(address, length, advice));
}

/* Since Linux 6.13 a process may give itself any advice. */
long road_process_madvise(int pidfd, const struct iovec *areas, size_t count, int advice,
			  unsigned int flags)
{
	bool looks = (advice == GUARD_INSTALL || advice_marks(advice)) && !scope_silent();
	bool ours = false;

	for (size_t i = 0; looks && i < count && user_readable(&areas[i], sizeof(*areas)); i++)
		ours |= before_advice((uintptr_t)areas[i].iov_base, areas[i].iov_len, advice);
	return AREAS_KEPT(
		ours && advice_marks(advice),
		sys_call(SYS_process_madvise, pidfd, (long)areas, (long)count, advice, flags, 0));
}
