/* SPDX-License-Identifier: MIT */
/*
 * The memory calls, with the index kept in step: the kernel's call and the index's
 * change happen under one lock, so that an address which the kernel gives away again
 * is never taken for the snapshot that was there before.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "audit/event.h"
#include "support/sys.h"
#include "kernel/vma.h"
#include "snapshot/snapshot.h"
#include "snapshot/family.h"
#include "snapshot/guard.h"
#include "support/arena.h"
#include "support/lock.h"

static const char *const fate_names[] = { "untouched", "preserved", "private", "lost" };

const char *fate_name(enum fate fate)
{
	return fate_names[fate];
}

static struct lock snapshots_lock;
static uint64_t next_id = 1;
/* ---- ends ---- */

/* Under the lock: notes what is gone; the events come after it. */
static void piece_removed(const struct piece *piece, void *context)
{
	struct snapshot **ended = context;
	struct snapshot *snapshot = piece->snapshot;

	snapshot->mapped -= piece->end - piece->start;
	if (snapshot->mapped)
		return;
	if (snapshot->lease)
		guard_leave(snapshot);
	snapshot->next_ended = *ended;
	*ended = snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	struct store *store = snapshot->store;

	if (store)
		store_release(store);
	arena_free(snapshot->path, snapshot->path_size);
	arena_free(snapshot, sizeof(*snapshot));
}

/* Without a log nobody is told the fate, and the look costs more than the munmap. */
static void last_look(struct snapshot *snapshot)
{
	bool asks = snapshot->fate == FATE_UNTOUCHED && audit_enabled();
	const char *loss = asks ? guard_loss(snapshot) : NULL;

	if (!loss)
		return;
	snapshot->fate = FATE_LOST;
	report_lost(snapshot->path, snapshot->id, 1, 0, loss);
}

static void report_end(const struct snapshot *snapshot)
{
	struct record *record = record_begin(EVENT_SNAPSHOT_END, OUTCOME_SUCCESS, NULL);

	record_str(record, "file.path", snapshot->path);
	record_uint(record, "mmfence.snapshot.id", snapshot->id);
	record_str(record, "mmfence.snapshot.fate", fate_name(snapshot->fate));
	if (snapshot->repeat)
		record_bool(record, "mmfence.snapshot.repeated", true);
	record_emit(record);
}

void report_ended(struct snapshot *ended)
{
	for (struct snapshot *one = ended; one; one = one->next_ended)
		last_look(one);
	if (ended)
		guard_left();
	while (ended) {
		struct snapshot *next = ended->next_ended;
		if (!repeats_end(ended))
			report_end(ended);
		snapshot_free(ended);
		ended = next;
	}
}

/* Its pieces are found again between these. */
static void covers(struct snapshot *snapshot, uintptr_t start, uintptr_t end)
{
	if (!snapshot->high || start < snapshot->low)
		snapshot->low = start;
	if (end > snapshot->high)
		snapshot->high = end;
}

static void piece_add(const struct piece *piece)
{
	piece->snapshot->mapped += piece->end - piece->start;
	covers(piece->snapshot, piece->start, piece->end);
	index_add(piece);
}

static void pieces_move(uintptr_t start, uintptr_t end, uintptr_t target, struct snapshot **ended)
{
	struct piece piece;

	index_move(start, end, target, piece_removed, ended);
	end += target - start;
	for (uintptr_t at = target; at < end && index_next(at, &piece) && piece.start < end;
	     at = piece.end)
		covers(piece.snapshot, piece.start, piece.end);
}

/* ---- looking again ----
 * A call that fails may have done a part of its work: mmap has unmapped what it was to replace,
 * mremap has moved some areas, or unmapped some of the target. And one that succeeds over areas
 * with gaps between them leaves the target there as it was. */

/* Whether the piece is shown at + by; *end is how far this is so. */
static bool is_there(const struct piece *piece, uintptr_t at, uintptr_t by, uintptr_t *end)
{
	struct vma vma;
	int r = vma_find(at + by, &vma, NULL, 0);

	if (r)
		return r != -ENOENT && !by; /* nobody can tell: as it was */
	if (vma.start > at + by) {
		if (vma.start - by < *end)
			*end = vma.start - by;
		return false;
	}
	if (vma.end - by < *end)
		*end = vma.end - by;
	return vma_shows(&vma, &piece->snapshot->shown, at + by,
			 piece->offset + (int64_t)(at - piece->start));
}

bool piece_is_there(const struct piece *piece, uintptr_t start, uintptr_t end)
{
	uintptr_t at = piece->start > start ? piece->start : start, to;
	bool is = false;

	end = piece->end < end ? piece->end : end;
	for (; !is && at < end; at = to) {
		to = end;
		is = is_there(piece, at, 0, &to);
	}
	return is;
}

/* It stays where it was, and is shown a second time. */
static void piece_double(const struct piece *piece, uintptr_t at, uintptr_t end, uintptr_t by,
			 struct snapshot **ended)
{
	struct piece second = { at + by, end + by, piece->offset + (int64_t)(at - piece->start),
				piece->snapshot };

	index_remove(second.start, second.end, piece_removed, ended);
	if (!index_reserve()) /* otherwise it goes unlisted, and is still right */
		piece_add(&second);
}

/* Where a range may have gone. */
struct move {
	uintptr_t by; /* 0: nowhere */
	bool doubles; /* and stayed all the same */
};
static const struct move nowhere;

/* What became of a piece from at to *end, or as far as its answer goes. */
static void part_settle(const struct piece *piece, uintptr_t at, uintptr_t *end,
			const struct move *move, struct snapshot **ended)
{
	bool stays = is_there(piece, at, 0, end);

	if (stays && !move->doubles)
		return;
	bool moved = move->by && is_there(piece, at, move->by, end);
	if ((stays && !moved) || index_reserve())
		return;
	if (stays)
		piece_double(piece, at, *end, move->by, ended);
	else if (moved)
		pieces_move(at, *end, at + move->by, ended);
	else
		index_remove(at, *end, piece_removed, ended);
}

/* What is listed in the range, and is not there, has moved, or is gone. */
static void look_again(uintptr_t start, uintptr_t end, const struct move *move,
		       struct snapshot **ended)
{
	struct piece piece;
	uintptr_t to;

	for (uintptr_t at = start; at < end && index_next(at, &piece) && piece.start < end;
	     at = to) {
		if (piece.start > at)
			at = piece.start;
		to = piece.end < end ? piece.end : end;
		part_settle(&piece, at, &to, move, ended);
	}
}

/* ---- calls over tracked ranges ---- */

/* Makes the call, if there is one. always: it succeeds only where no snapshot is, and needs no room
 * in the index then. */
static long change(uintptr_t start, uintptr_t end, long (*call)(void *), void *argument,
		   bool always)
{
	struct snapshot *ended = NULL;

	snapshot_lock();
	long reserved = index_reserve();
	long r = reserved && !always ? reserved : call(argument);
	if (sys_failed(r))
		look_again(start, end, &nowhere, &ended);
	else if (!reserved)
		index_remove(start, end, piece_removed, &ended);
	snapshot_unlock();
	report_ended(ended);
	return r;
}

long mapping_replace(uintptr_t start, uintptr_t end, long (*replace)(void *), void *argument)
{
	if (!index_may_touch(start, end))
		return replace(argument);
	drift_before_unmap(start, end);
	return change(start, end, replace, argument, false);
}

static long nothing(void *unused)
{
	(void)unused;
	return -EAGAIN;
}

void snapshot_look_again(uintptr_t start, uintptr_t end)
{
	change(start, end, nothing, NULL, true);
}

struct range_to_unmap {
	uintptr_t address;
	size_t length;
};

static long unmap(void *range)
{
	const struct range_to_unmap *it = range;

	return sys_munmap(it->address, it->length);
}

long snapshot_munmap(uintptr_t address, size_t length)
{
	struct range_to_unmap range = { address, length };

	return mapping_replace(address, address + PAGE_UP(length), unmap, &range);
}

/* ---- mremap ---- */

static void report_grow(const struct call *call, const struct piece *piece, size_t new_size)
{
	struct record *record = record_of_call(EVENT_SNAPSHOT_GROW, OUTCOME_FAILURE, call);
	record_str(record, "file.path", piece->snapshot->path);
	record_error(record, ENOMEM, "only the mapped part of the file was captured");
	record_uint(record, "mmfence.snapshot.id", piece->snapshot->id);
	record_int(record, "mmfence.snapshot.captured_end", piece->snapshot->captured_end);
	record_address(record, "mmfence.mapping.address", piece->start);
	record_uint(record, "mmfence.mapping.length", new_size);
	record_emit(record);
}

/* Growth shows more of the file: pages that are held, or pages past its end. */
static bool grows_beyond_capture(uintptr_t old, size_t new_size, struct piece *piece)
{
	if (old + PAGE_UP(new_size) <= old || !index_next(old, piece) || piece->start > old ||
	    old + PAGE_UP(new_size) <= piece->end)
		return false;
	const struct snapshot *snapshot = piece->snapshot;
	int64_t here = piece->offset + (int64_t)(piece->end - piece->start);
	int64_t end = piece->offset + (int64_t)(old - piece->start) + (int64_t)PAGE_UP(new_size);
	if (snapshot->whole || here >= snapshot->file_size)
		return false;
	return end > (int64_t)PAGE_UP((uint64_t)snapshot->captured_end) ||
	       snapshot->captured_start == snapshot->captured_end;
}

/* A new view, as long as it likes, of what a shared mapping shows from there on. */
static void index_view(uintptr_t old, size_t size, uintptr_t target, struct snapshot **ended)
{
	struct piece piece;
	bool found = index_next(old, &piece) && piece.start <= old;

	index_remove(target, target + size, piece_removed, ended);
	piece.offset += (int64_t)(old - piece.start);
	piece.start = target;
	piece.end = target + size;
	if (found)
		piece_add(&piece);
}

/* The old range stays, and shows the same file: the new one is a second view of it. */
static void index_double(uintptr_t old, size_t size, uintptr_t target, struct snapshot **ended)
{
	struct piece piece;
	uintptr_t at = old;

	index_remove(target, target + size, piece_removed, ended);
	while (at < old + size && index_next(at, &piece) && piece.start < old + size) {
		uintptr_t start = piece.start < at ? at : piece.start;
		uintptr_t end = piece.end > old + size ? old + size : piece.end;
		piece.offset += (int64_t)(start - piece.start);
		piece.start = start - old + target;
		piece.end = end - old + target;
		piece_add(&piece);
		at = end;
	}
}

static void index_grow(uintptr_t end, uintptr_t new_end)
{
	struct piece piece;

	if (new_end <= end || !index_next(end - 1, &piece) || piece.end != end)
		return;
	piece.snapshot->mapped += new_end - end;
	covers(piece.snapshot, piece.start, new_end);
	index_extend(end, new_end);
}

static bool doubles(size_t old_size, int flags)
{
	return old_size == 0 || flags & MREMAP_DONTUNMAP;
}

static void index_mremap(uintptr_t old, size_t old_size, size_t new_size, int flags,
			 uintptr_t target, struct snapshot **ended)
{
	if (!old_size) {
		index_view(old, new_size, target, ended);
		return;
	}
	if (flags & MREMAP_DONTUNMAP) {
		index_double(old, old_size, target, ended);
		return;
	}
	if (new_size < old_size) {
		index_remove(old + new_size, old + old_size, piece_removed, ended);
		old_size = new_size;
	}
	if (target != old)
		pieces_move(old, old + old_size, target, ended);
	if (new_size > old_size) {
		if (!index_reserve())
			index_remove(target + old_size, target + new_size, piece_removed, ended);
		index_grow(target + old_size, target + new_size);
	}
}

/* Otherwise the kernel refuses, with an error of its own. */
static bool is_one_area(uintptr_t address, size_t size)
{
	struct vma vma;

	return vma_at(address, &vma, NULL, 0) && vma.end >= address + PAGE_UP(size);
}

/* Several areas, or a failure. */
static void mremap_look_again(uintptr_t old, size_t old_size, size_t new_size, int flags,
			      uintptr_t target, struct snapshot **ended)
{
	bool fixed = flags & MREMAP_FIXED && !(target % PAGE_BYTES);

	const struct move move = { fixed ? target - old : 0, flags & MREMAP_DONTUNMAP };

	look_again(old, old + old_size, &move, ended);
	if (fixed)
		look_again(target, target + new_size, &nowhere, ended);
}

static long mremap_locked(const struct move_request *request, struct snapshot **ended)
{
	size_t old_size = PAGE_UP(request->old_size), new_size = PAGE_UP(request->new_size);
	uintptr_t old = request->old;
	int r = doubles(request->old_size, request->flags)
			? index_reserve_copy(old, old + (old_size ? old_size : new_size))
			: index_reserve();

	if (r)
		return r;
	bool one = !(request->flags & MREMAP_FIXED) || is_one_area(old, request->old_size);
	long result = sys_mremap(old, request->old_size, request->new_size, request->flags,
				 request->new_address);
	uintptr_t target = sys_failed(result) ? request->new_address : (uintptr_t)result;
	if (!sys_failed(result) && one)
		index_mremap(old, old_size, new_size, request->flags, target, ended);
	else
		mremap_look_again(old, old_size, new_size, request->flags, target, ended);
	return result;
}

#define ADDRESS_BITS 56 /* that a process has at most */

/* What the kernel looks at before it looks at the mapping; of what it refuses then it says why. */
static bool arguments_are_right(const struct move_request *request)
{
	uint64_t old = request->old, old_size = PAGE_UP(request->old_size);
	uint64_t target = request->new_address, size = PAGE_UP(request->new_size);

	if (request->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED) || old % PAGE_BYTES ||
	    size >> ADDRESS_BITS)
		return false;
	return !(request->flags & MREMAP_FIXED) ||
	       (request->flags & MREMAP_MAYMOVE && !(target % PAGE_BYTES) &&
		!((target + size) >> ADDRESS_BITS) &&
		(target >= old + old_size || target + size <= old));
}

/* The kernel would grow the mapping, and it is not one that holds what would be shown. Without an
 * old size it makes another view of a shared one. */
static bool must_not_grow(const struct move_request *request, struct piece *piece)
{
	uintptr_t old = request->old;

	return request->new_size > request->old_size && arguments_are_right(request) &&
	       grows_beyond_capture(old, request->new_size, piece) &&
	       (request->old_size || piece->snapshot->shared) &&
	       piece_is_there(piece, old, old + 1) && is_one_area(old, request->old_size);
}

long snapshot_mremap(const struct call *call, const struct move_request *request)
{
	struct snapshot *ended = NULL;
	struct piece piece;

	snapshot_lock();
	bool beyond = must_not_grow(request, &piece);
	long r = beyond ? -ENOMEM : mremap_locked(request, &ended);
	snapshot_unlock();
	if (beyond)
		report_grow(call, &piece, request->new_size);
	report_ended(ended);
	return r;
}

/* ---- remap_file_pages ---- */

/* To the kernel no snapshot is VM_SHARED: private ones are not, nor are shared ones, which come of
 * descriptors that cannot write. So it refuses, and always with EINVAL; where it does not, what is
 * listed there went away without our knowledge. */
long mapping_remap(uintptr_t start, uintptr_t end, long (*remap)(void *), void *argument)
{
	return change(start, end, remap, argument, true);
}

/* ---- one more ---- */

int piece_enter(const struct piece *piece, struct snapshot **ended)
{
	int r = index_reserve();

	if (r)
		return r;
	piece->snapshot->id = next_id++;
	/* What is still listed there went away without our knowledge. */
	index_remove(piece->start, piece->end, piece_removed, ended);
	piece_add(piece);
	return 0;
}

/* ---- the lock ---- */

void snapshot_lock(void)
{
	gate_take(&snapshots_lock);
}

void snapshot_unlock(void)
{
	lock_drop(&snapshots_lock);
}

static atomic_uint replacements; /* twice their number; odd: one is under way */

void snapshot_replaces(void)
{
	atomic_fetch_add(&replacements, 1);
}

unsigned int snapshot_replacements(void)
{
	return atomic_load(&replacements);
}

bool snapshot_replaced_since(unsigned int *since)
{
	unsigned int now = atomic_load(&replacements);

	if (now == *since && !(now & 1))
		return false;
	snapshot_lock();
	*since = atomic_load(&replacements);
	snapshot_unlock();
	return true;
}

void snapshot_before_fork(void)
{
	gate_close(&snapshots_lock);
}

void snapshot_after_fork(void)
{
	gate_reset();
	lock_reset(&snapshots_lock);
	atomic_store(&replacements, 0);
	family_after_fork();
	budget_after_fork();
	totals_reset();
	repeats_after_fork();
}
