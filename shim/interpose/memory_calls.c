/* SPDX-License-Identifier: MIT */
/*
 * The memory calls, by libc's names or by number. They go to the kernel by raw system
 * call, because an allocator may call them before anything is resolved. What is none of our
 * business costs a branch and the call.
 */
#include <sys/mman.h>

#include "interpose/interpose.h"
#include "kernel/file.h"
#include "mmfence.h"
#include "nonlinear/anchor.h"
#include "nonlinear/emulate.h"
#include "nonlinear/nonlinear.h"
#include "policy/policy.h"
#include "selfmem/emulate.h"
#include "selfmem/ranges.h"
#include "selfmem/selfmem.h"
#include "selfmem/turned.h"
#include "kernel/attributes.h"
#include "snapshot/guard.h"
#include "snapshot/snapshot.h"

#define MAP_TYPE_BITS 0x0f

static long plain(void *argument)
{
	const struct map_request *request = argument;

	return sys_mmap(request->address, request->length, request->protection, request->flags,
			request->fd, request->offset);
}

/* The program unmapped, moved or covered what was there: emulation holds on to nothing of it. */
static void forget_windows(uintptr_t start, uintptr_t end)
{
	struct scope scope;

	if (likely(!anchor_may_touch(start, end)) || !enter(&scope))
		return;
	anchor_note_gone(start, end);
	scope_leave(&scope);
}

long memory_over(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument)
{
	struct scope scope;
	long r;

	if (likely(!index_may_touch(start, end)) || !enter(&scope)) {
		r = replace(argument);
	} else {
		r = snapshot_replace(start, end, replace, argument);
		scope_leave(&scope);
	}
	if (!sys_failed(r))
		forget_windows(start, end);
	return r;
}

static long map_over(struct map_request *request)
{
	uintptr_t end = request->address + PAGE_UP(request->length);

	return request->flags & MAP_FIXED ? memory_over(request->address, end, plain, request)
					  : plain(request);
}

/* A call failed with ENOMEM: it may have been one area too many. */
static long no_memory(const struct call *call, long result)
{
	struct scope scope;

	if (!enter(&scope))
		return result;
	nonlinear_no_memory(call);
	scope_leave(&scope);
	return result;
}

/* Memory of devices is mapped by nobody who could write to it. */
static long judge_device(const struct call *call, const struct map_request *request)
{
	struct scope scope;

	if (!(request->flags & MAP_SHARED) || likely(file_device(request->fd) == DEVICE_NONE) ||
	    !enter(&scope))
		return 0;
	long r = selfmem_judge_map(call, request);
	scope_leave(&scope);
	return r;
}

/* A look at what is there comes first: what a fixed mapping replaces cannot be asked for later. */
static void before_fixed(const struct map_request *request, struct rewire *rewire)
{
	struct scope scope;

	rewire->possible = false;
	if (!enter(&scope))
		return;
	nonlinear_rewire_look(request, rewire);
	scope_leave(&scope);
}

static void after_fixed(const struct call *call, const struct map_request *request,
			const struct rewire *rewire, long result)
{
	struct scope scope;

	if (!rewire->possible || !enter(&scope))
		return;
	nonlinear_rewire_done(call, request, rewire, result);
	scope_leave(&scope);
}

static long map_shared_fixed(const struct call *call, struct map_request *request)
{
	struct rewire rewire;

	before_fixed(request, &rewire);
	long r = map_over(request);
	after_fixed(call, request, &rewire, r);
	return r;
}

static void prepare_emulation(const struct map_request *request, long address)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	anchor_note((uintptr_t)address, request->length,
		    request->flags & MAP_ANONYMOUS ? -1 : request->fd);
	scope_leave(&scope);
}

static long map_shared(const struct call *call, struct map_request *request)
{
	bool silent = scope_silent();
	long r = silent ? 0 : judge_device(call, request);

	if (unlikely(r))
		return r;
	r = request->flags & MAP_FIXED ? map_shared_fixed(call, request) : map_over(request);
	if (sys_failed(r))
		return r;
	if (unlikely(request->flags & MAP_LOCKED))
		emulate_note_attributes((uintptr_t)r, (uintptr_t)r + PAGE_UP(request->length));
	if (silent)
		return r;
	if (unlikely(emulate_at_once()))
		prepare_emulation(request, r);
	return r;
}

static long take_snapshot(const struct call *call, const struct map_request *request, long address)
{
	struct scope scope;

	if (!enter(&scope))
		return address;
	address = snapshot_take(call, request, (uintptr_t)address);
	scope_leave(&scope);
	return address;
}

/* The kernel maps no memory of processes: perhaps we do. */
static long refused_by_kernel(const struct call *call, const struct map_request *request,
			      long error)
{
	struct scope scope;

	if (!enter(&scope))
		return error;
	long r = selfmem_map_failed(call, request, (int)-error);
	scope_leave(&scope);
	return r;
}

static long map_file(const struct call *call, struct map_request *request)
{
	bool shared = (request->flags & MAP_TYPE_BITS) != MAP_PRIVATE;
	long r = shared ? map_shared(call, request) : map_over(request);

	if (unlikely(r == -ENODEV))
		return refused_by_kernel(call, request, r);
	if (!sys_failed(r) && snapshot_possible(request))
		r = take_snapshot(call, request, r);
	return r;
}

static long map_anonymous(struct map_request *request)
{
	long r = map_over(request);

	if (unlikely(request->flags & MAP_SHARED) && !sys_failed(r) && emulate_at_once())
		prepare_emulation(request, r);
	return r;
}

long memory_mmap(const struct call *call, uintptr_t address, size_t length, int protection,
		 int flags, int fd, int64_t offset)
{
	struct map_request request = {
		address, length, protection, flags & ~MAP_SNAPSHOT, fd, offset, false,
	};

	request.asked = flags & MAP_SNAPSHOT && (flags & MAP_TYPE_BITS) == MAP_PRIVATE;
	long r = flags & MAP_ANONYMOUS ? map_anonymous(&request) : map_file(call, &request);
	return unlikely(r == -ENOMEM) ? no_memory(call, r) : r;
}

static long unmap(uintptr_t address, size_t length)
{
	struct scope scope;

	if (likely(!index_may_touch(address, address + PAGE_UP(length))) || !enter(&scope))
		return sys_munmap(address, length);
	long r = snapshot_munmap(address, length);
	scope_leave(&scope);
	return r;
}

long memory_munmap(const struct call *call, uintptr_t address, size_t length)
{
	long r = unmap(address, length);

	if (likely(!r))
		forget_windows(address, address + PAGE_UP(length));
	return unlikely(r == -ENOMEM) ? no_memory(call, r) : r;
}

static long move(const struct call *call, uintptr_t old, size_t old_size, size_t new_size,
		 int flags, uintptr_t new_address)
{
	struct scope scope;
	bool fixed = flags & MREMAP_FIXED;
	bool ours = index_may_touch(old, old + PAGE_UP(old_size ? old_size : 1)) ||
		    (fixed && index_may_touch(new_address, new_address + PAGE_UP(new_size)));

	if (likely(!ours && !ranges_any()) || !enter(&scope))
		return sys_mremap(old, old_size, new_size, flags, new_address);
	long r = snapshot_mremap(call, old, old_size, new_size, flags, new_address);
	if (!sys_failed(r) && ranges_any())
		r = turned_moved(old, old_size, (uintptr_t)r, new_size, flags);
	scope_leave(&scope);
	return r;
}

static void window_moved(uintptr_t start, uintptr_t end, uintptr_t to, uintptr_t to_end)
{
	struct scope scope;

	if (likely(!anchor_may_touch(start, end)) || !enter(&scope))
		return;
	anchor_note_moved(to, to_end);
	scope_leave(&scope);
}

long memory_mremap(const struct call *call, uintptr_t old, size_t old_size, size_t new_size,
		   int flags, uintptr_t new_address)
{
	long r = move(call, old, old_size, new_size, flags, new_address);
	if (sys_failed(r))
		return unlikely(r == -ENOMEM) ? no_memory(call, r) : r;
	window_moved(old, old + PAGE_UP(old_size ? old_size : 1), (uintptr_t)r,
		     (uintptr_t)r + PAGE_UP(new_size));
	forget_windows(old, old + PAGE_UP(old_size));
	if (flags & MREMAP_FIXED)
		forget_windows(new_address, new_address + PAGE_UP(new_size));
	return r;
}

long memory_remap_file_pages(const struct call *call, uintptr_t address, size_t size,
			     int protection, size_t page_offset, int flags)
{
	struct remap_request request = { address, size, protection, page_offset, flags };
	struct scope scope;
	long result;

	if (same_process_as_before() && nonlinear_remap_known(call, &request, &result))
		return result;
	if (!enter(&scope))
		return sys_remap_file_pages(address, size, protection, page_offset, flags);
	long r = nonlinear_remap(call, &request);
	scope_leave(&scope);
	return r;
}

static bool ours(uintptr_t address, size_t length)
{
	return index_may_touch(address, address + PAGE_UP(length));
}

/* A guarded mapping is preserved before it can be stored to: then no store races with it. */
static long before_protect(uintptr_t address, size_t length, int protection)
{
	struct scope scope;
	long r = 0;

	if (likely(!(protection & (PROT_WRITE | PROT_EXEC))) ||
	    (!ours(address, length) && !ranges_any()) || !enter(&scope))
		return 0;
	if (protection & PROT_WRITE && ranges_any())
		r = selfmem_judge_protect(address, length);
	if (!r && protection & PROT_EXEC && snapshot_forbids_exec(address, length))
		r = -EACCES;
	if (!r && protection & PROT_WRITE)
		r = snapshot_before_write(address, length);
	scope_leave(&scope);
	return r;
}

/* Under the snapshot lock: between the lease thread's look at an area and its replacement nobody
 * may change what the area has. */
static long change_area(bool ours, long nr, uintptr_t address, size_t length, long a, long b)
{
	struct scope scope;

	if (likely(!ours) || !enter(&scope))
		return sys_call(nr, (long)address, (long)length, a, b, 0, 0);
	snapshot_lock();
	long r = sys_call(nr, (long)address, (long)length, a, b, 0, 0);
	snapshot_unlock();
	scope_leave(&scope);
	return r;
}

long memory_mprotect(const struct call *call, uintptr_t address, size_t length, int protection)
{
	long r = before_protect(address, length, protection);

	if (!r)
		r = change_area(ours(address, length), SYS_mprotect, address, length, protection,
				0);
	return unlikely(r == -ENOMEM) ? no_memory(call, r) : r;
}

long memory_pkey_mprotect(uintptr_t address, size_t length, int protection, int key)
{
	long r = before_protect(address, length, protection);

	attributes_note();
	emulate_note_attributes(address, address + PAGE_UP(length));
	return r ? r
		 : change_area(ours(address, length), SYS_pkey_mprotect, address, length,
			       protection, key);
}

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
	r = turned_advised(address, length, advice, r);
	views_release();
	scope_leave(&scope);
	return r;
}

long memory_madvise(uintptr_t address, size_t length, int advice)
{
	bool touches = ours(address, length);

	if (unlikely(touches && advice == GUARD_INSTALL))
		memory_settle(address, length);
	/* What is turned for a view has to keep it. */
	if (unlikely(touches ||
		     (the_policy.selfmem_map != SELFMEM_MAP_REFUSE && advice_stays(advice))))
		attributes_note();
	if (advice_stays(advice))
		emulate_note_attributes(address, address + PAGE_UP(length));
	if (unlikely(selfmem_has_views()) && turned_gives_up(advice))
		return give_up(address, length, advice);
	return change_area(touches && advice != MADV_DONTNEED && advice != MADV_WILLNEED,
			   SYS_madvise, address, length, advice, 0);
}

bool memory_has_ours(uintptr_t address)
{
	return index_may_touch(address, address + 1) || anchor_may_touch(address, address + 1);
}

void memory_gone(uintptr_t start, uintptr_t end)
{
	struct scope scope;

	forget_windows(start, end);
	if (!index_may_touch(start, end) || !enter(&scope))
		return;
	snapshot_look_again(start, end);
	scope_leave(&scope);
}

void memory_settle(uintptr_t address, size_t length)
{
	struct scope scope;

	if (!ours(address, length) || !enter(&scope))
		return;
	guard_preserve_range(address, address + PAGE_UP(length), "protect");
	scope_leave(&scope);
}

long memory_lock(long nr, uintptr_t address, size_t length, unsigned int flags)
{
	attributes_note();
	emulate_note_attributes(PAGE_DOWN(address), PAGE_UP(address + length));
	return change_area(ours(address, length), nr, address, length, (long)flags, 0);
}

void memory_trim(void)
{
	struct scope scope;

	if (likely(!anchor_may_touch(0, UINTPTR_MAX)) || !enter(&scope))
		return;
	anchors_trim();
	scope_leave(&scope);
}

long memory_lock_all(long nr, int flags)
{
	attributes_note();
	if (nr == SYS_mlockall)
		memory_trim();
	long r = change_area(guard_any(), nr, (uintptr_t)flags, 0, 0, 0);
	if (!r)
		emulate_note_lock_all(nr == SYS_munlockall ? 0 : flags);
	if (!r && nr == SYS_mlockall)
		memory_trim();
	return r;
}
