/* SPDX-License-Identifier: MIT */
/*
 * Serving the break of a lease, on the keeper: put the pages aside without the
 * snapshot lock, replace under it what the kernel says is still this file, and only
 * then let the writer in.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include "audit/event.h"
#include "kernel/raw.h"
#include "kernel/vma.h"
#include "snapshot/attributes.h"
#include "snapshot/keeper.h"
#include "snapshot/lease.h"
#include "snapshot/preserve.h"
#include "snapshot/private.h"
#include "support/text.h"

struct window {
	int64_t start, end;
};

static uint64_t microseconds(void)
{
	struct timespec now;

	raw(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool next_guarded(const struct lease *lease, uintptr_t *at, struct piece *piece)
{
	while (index_next(*at, piece)) {
		*at = piece->end;
		if (piece->snapshot->lease == lease)
			return true;
	}
	return false;
}

/* ---- what is mapped ---- */

static size_t count_pieces(const struct lease *lease)
{
	struct piece piece;
	size_t count = 0;

	for (uintptr_t at = 0; next_guarded(lease, &at, &piece);)
		count++;
	return count;
}

static void window_of(const struct lease *lease, const struct piece *piece, struct window *out)
{
	int64_t end = piece->offset + (int64_t)(piece->end - piece->start);

	out->start = piece->offset;
	out->end = end < lease->file.size ? end : lease->file.size;
}

/* NULL only without memory; count 0 when nothing is mapped any more. */
static struct window *windows_get(struct lease *lease, size_t *count)
{
	struct piece piece;
	size_t used = 0;

	snapshot_lock();
	lease->state = LEASE_BREAKING;
	*count = count_pieces(lease);
	struct window *windows = arena_alloc((*count + 1) * sizeof(*windows));
	for (uintptr_t at = 0; windows && next_guarded(lease, &at, &piece);)
		window_of(lease, &piece, &windows[used++]);
	snapshot_unlock();
	return windows;
}

static uint64_t bytes_at_most(const struct lease *lease, const struct window *windows, size_t count)
{
	uint64_t most = file_bytes_at_most(&lease->file, 0, lease->file.size), sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += file_bytes_at_most(&lease->file, windows[i].start, windows[i].end);
	return sum < most ? sum : most;
}

/* ---- replacing ---- */

static bool still_this_file(const struct lease *lease, const struct vma *vma, uintptr_t from,
			    int64_t offset)
{
	return vma->inode == lease->vma_inode &&
	       (int64_t)vma->offset + (int64_t)(from - vma->start) == offset;
}

/* Shared mappings must stay so that they cannot be made writable: through a descriptor that cannot.
 */
static int descriptor_for(const struct vma *vma, int target, int *read_only)
{
	char path[40];
	struct text text;

	if (!vma->shared)
		return target;
	if (*read_only >= 0)
		return *read_only;
	text_init(&text, path, sizeof(path));
	text_add(&text, "/proc/thread-self/fd/");
	text_add_uint(&text, (unsigned int)target);
	return *read_only = raw_open(path, O_RDONLY, 0);
}

static int map_over(const struct vma *vma, uintptr_t from, uintptr_t to, int fd, int64_t offset)
{
	struct attributes attributes;

	attributes_get(from, &attributes);
	long r = raw_mmap(from, to - from, vma->protection,
			  MAP_FIXED | (vma->shared ? MAP_SHARED : MAP_PRIVATE), fd, offset);
	if (raw_failed(r))
		return (int)r;
	attributes_apply(&attributes, from, to, vma->protection);
	return 0;
}

static int replace_area(const struct vma *vma, uintptr_t from, uintptr_t to, int64_t offset,
			int target, int *read_only)
{
	struct private_run *own = NULL;
	int fd = descriptor_for(vma, target, read_only);
	int r = fd < 0 ? fd : 0;

	if (!r && !vma->shared)
		r = private_save(from, to, &own);
	if (!r)
		r = map_over(vma, from, to, fd, offset);
	if (!r)
		return private_restore(own);
	private_free(own);
	return r;
}

static int replace_piece(const struct lease *lease, const struct piece *piece, int target,
			 int *read_only)
{
	struct vma vma;

	for (uintptr_t at = piece->start; at < piece->end; at = vma.end) {
		if (vma_query(keeper_maps(), at, &vma, NULL, 0) || vma.start >= piece->end)
			return 0;
		uintptr_t from = vma.start > at ? vma.start : at;
		uintptr_t to = vma.end < piece->end ? vma.end : piece->end;
		int64_t offset = piece->offset + (int64_t)(from - piece->start);
		if (!still_this_file(lease, &vma, from, offset))
			continue;
		int r = replace_area(&vma, from, to, offset, target, read_only);
		if (r)
			return r;
	}
	return 0;
}

/* What grew under the guard while the pages were put aside is put aside here. */
static int replace_all(const struct lease *lease, struct preserve *preserve)
{
	struct piece piece;
	struct window window;
	int read_only = -1, r = 0;

	for (uintptr_t at = 0; !r && next_guarded(lease, &at, &piece);) {
		window_of(lease, &piece, &window);
		if (window.start < window.end)
			r = preserve_window(preserve, window.start, window.end);
		if (!r)
			r = replace_piece(lease, &piece, preserve->target, &read_only);
		if (r && !preserve->reason)
			preserve->reason = "the old pages could not be mapped";
	}
	if (read_only >= 0)
		raw_close(read_only);
	return r;
}

/* ---- what becomes of the snapshots ---- */

static struct store *store_new(const struct preserve *preserve)
{
	struct store *store = preserve->charged ? arena_alloc(sizeof(*store)) : NULL;

	if (store)
		store->charged = preserve->charged;
	return store;
}

/* The first one's number, for the event. */
static uint64_t snapshots_leave(struct lease *lease, const struct preserve *preserve,
				enum fate fate, unsigned int *count)
{
	struct store *store = fate == FATE_PRESERVED ? store_new(preserve) : NULL;
	struct piece piece;
	uint64_t first = 0;

	for (uintptr_t at = 0; next_guarded(lease, &at, &piece);) {
		struct snapshot *snapshot = piece.snapshot;
		first = *count ? first : snapshot->id;
		++*count;
		snapshot->lease = NULL;
		snapshot->fate = fate;
		if (fate != FATE_PRESERVED)
			continue;
		snapshot->engine = preserve->engine;
		snapshot->whole = preserve->whole;
		snapshot->captured_start = snapshot->captured_end = 0;
		snapshot->store = store;
		if (store)
			store->users++;
	}
	lease->users = 0;
	return first;
}

/* ---- saying so ---- */

static void report_preserve(const struct lease *lease, const struct preserve *preserve,
			    uint64_t first, unsigned int count, const char *trigger, uint64_t took)
{
	struct record *record = record_begin(EVENT_SNAPSHOT_PRESERVE, OUTCOME_SUCCESS, NULL);

	record_str(record, "file.path", lease->path);
	record_uint(record, "mmfence.snapshot.id", first);
	record_uint(record, "mmfence.snapshot.count", count);
	record_str(record, "mmfence.snapshot.engine", engine_name(preserve->engine));
	record_str(record, "mmfence.snapshot.trigger", trigger);
	record_uint(record, "mmfence.snapshot.bytes", preserve->bytes);
	record_uint(record, "mmfence.snapshot.microseconds", took);
	record_emit(record);
}

static void report_lost(const char *path, uint64_t first, unsigned int count, int error,
			const char *reason)
{
	struct record *record = record_begin(EVENT_SNAPSHOT_LOST, OUTCOME_FAILURE, NULL);

	record_str(record, "file.path", path);
	record_error(record, error, reason);
	record_uint(record, "mmfence.snapshot.id", first);
	record_uint(record, "mmfence.snapshot.count", count);
	record_emit(record);
}

void lease_lose(struct lease *lease, const char *reason)
{
	struct preserve nothing = { .target = -1 };
	unsigned int count = 0;

	snapshot_lock();
	uint64_t first = snapshots_leave(lease, &nothing, FATE_LOST, &count);
	snapshot_unlock();
	report_lost(lease->path, first, count, 0, reason);
	lease_end(lease);
}

/* ---- the whole ---- */

/* The one way past a read lease that the kernel leaves open. */
static bool was_cut(const struct lease *lease)
{
	struct file now;

	return !file_identify(lease->fd, &now) && now.size < lease->file.size;
}

struct left {
	uint64_t first;
	unsigned int count;
};

static int put_aside(struct lease *lease, struct preserve *preserve, const struct window *windows,
		     size_t count, struct left *left)
{
	int r = was_cut(lease) ? -ESTALE : preserve_begin(preserve);

	if (r == -ESTALE)
		preserve->reason =
			"the file was cut off by an open with O_RDONLY and O_TRUNC, which "
			"breaks no lease";
	for (size_t i = 0; !r && i < count; i++)
		if (windows[i].start < windows[i].end)
			r = preserve_window(preserve, windows[i].start, windows[i].end);
	if (r)
		return r;
	preserve->reason = NULL;
	snapshot_lock();
	r = replace_all(lease, preserve);
	/* At once: nobody may grow a replaced mapping as if all of the file were held. */
	if (!r)
		left->first = snapshots_leave(lease, preserve, FATE_PRESERVED, &left->count);
	snapshot_unlock();
	return r;
}

/* The record is on file before the writer is let in: nothing that follows from it can be seen
 * earlier, and a process that ends then loses none. */
static void finish(struct lease *lease, const struct preserve *preserve, const char *trigger,
		   uint64_t started, const struct left *left)
{
	size_t path_size = lease->path_size;
	char *path = arena_strdup(lease->path);

	report_preserve(lease, preserve, left->first, left->count, trigger,
			microseconds() - started);
	/* Another error than that there is no lease: the program gave up the right to give it back,
	 * which closing the file has done all the same. */
	if (lease_end(lease) == -EAGAIN && path)
		report_lost(
			path, left->first, left->count, 0,
			"the kernel broke the lease by force: the process was stopped too long");
	arena_free(path, path_size);
}

int lease_preserve(struct lease *lease, const char *trigger)
{
	uint64_t started = microseconds();
	size_t count;
	struct window *windows = windows_get(lease, &count);
	struct preserve preserve = {
		.source = lease->fd,
		.path = lease->path,
		.file = &lease->file,
		.target = -1,
		.most = bytes_at_most(lease, windows, windows ? count : 0),
	};
	size_t windows_size = (count + 1) * sizeof(*windows);
	struct left left = { 0, 0 };

	if (windows && !count) {
		arena_free(windows, windows_size);
		lease_end(lease);
		return 0;
	}
	int r = windows ? put_aside(lease, &preserve, windows, count, &left) : -ENOMEM;
	if (r)
		lease_lose(lease, preserve.reason ? preserve.reason : "no memory");
	else
		finish(lease, &preserve, trigger, started, &left);
	preserve_end(&preserve, r != 0);
	arena_free(windows, windows_size);
	return r;
}
