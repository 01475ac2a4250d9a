/* SPDX-License-Identifier: MIT */
/*
 * Serving the break of a lease, on the lease thread: put the pages aside without the
 * snapshot lock, replace under it what the kernel says is still this file, and only
 * then let the writer in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "audit/event.h"
#include "support/sys.h"
#include "kernel/lease_thread.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "snapshot/family.h"
#include "snapshot/lease.h"
#include "snapshot/preserve.h"
#include "snapshot/snapshot.h"
#include "support/text.h"

/* ---- what is mapped ---- */

/* What a child did not inherit (MADV_DONTFORK), or a call took away that is not wrapped, is still
 * listed. Pieces come upwards. */
static bool is_mapped(struct vma_walk *areas, const struct piece *piece,
		      const struct vma_file *file)
{
	struct vma vma;

	for (uintptr_t at = piece->start; at < piece->end; at = vma.end) {
		int r = vma_walk_to(areas, at, &vma, NULL, 0);
		if (r)
			return r != -ENOENT; /* nobody can tell */
		at = vma.start > at ? vma.start : at;
		if (at >= piece->end)
			return false;
		if (vma_shows(&vma, file, at, piece->offset + (int64_t)(at - piece->start)))
			return true;
	}
	return false;
}

/* Under the lock. 0 or -ENOMEM. */
static int windows_of(const struct lease *lease, const struct pieces *pieces,
		      struct windows *windows, bool *mapped)
{
	struct vma_walk areas;
	struct window window;
	int r = windows_alloc(windows, pieces->count);

	vma_walk_begin(&areas, lease_thread_files.maps);
	for (size_t i = 0; !r && i < pieces->count; i++)
		if (is_mapped(&areas, &pieces->list[i], &lease->shown)) {
			*mapped = true;
			lease_window(lease, &pieces->list[i], &window);
			windows_add(windows, &window);
		}
	vma_walk_end(&areas);
	windows_join(windows);
	return r;
}

/* 0 or -ENOMEM. */
static int windows_get(struct lease *lease, struct windows *windows, bool *needed)
{
	struct pieces pieces;

	*needed = false;
	*windows = (struct windows){ .count = 0 };
	snapshot_lock();
	lease->state = LEASE_BREAKING;
	int r = lease_pieces(lease, &pieces);
	if (!r)
		r = windows_of(lease, &pieces, windows, needed);
	*needed |= r && lease->snapshots;
	snapshot_unlock();
	pieces_free(&pieces);
	return r;
}

static uint64_t bytes_at_most(const struct lease *lease, const struct windows *windows)
{
	uint64_t most = file_bytes_at_most(&lease->file, 0, lease->file.size), sum = 0;

	for (size_t i = 0; i < windows->count; i++)
		sum += file_bytes_at_most(&lease->file, windows->list[i].start,
					  windows->list[i].end);
	return sum < most ? sum : most;
}

/* ---- what becomes of the snapshots ---- */

/* The first one's number, for the event. */
static uint64_t snapshots_leave(struct lease *lease, const struct preserve *preserve,
				struct store *store, unsigned int *count)
{
	enum fate fate = preserve ? FATE_PRESERVED : FATE_LOST;
	uint64_t first = 0;

	for (struct snapshot *snapshot = lease->snapshots; snapshot;
	     snapshot = snapshot->next_guarded) {
		first = *count && first < snapshot->id ? first : snapshot->id;
		++*count;
		snapshot->lease = NULL;
		snapshot->fate = fate;
		if (fate != FATE_PRESERVED)
			continue;
		preserve_show(preserve, snapshot);
		snapshot->captured_start = snapshot->captured_end = 0;
		snapshot->store = store;
		if (store)
			store_use(store);
	}
	lease->snapshots = NULL;
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
	record_uint(record, "mmfence.snapshot.bytes", preserve->copy.bytes);
	record_uint(record, "mmfence.snapshot.microseconds", took);
	record_emit(record);
}

void report_lost(const char *path, uint64_t first, unsigned int count, int error,
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
	unsigned int count = 0;

	snapshot_lock();
	uint64_t first = snapshots_leave(lease, NULL, NULL, &count);
	snapshot_unlock();
	if (count) /* else it was taken, and nobody's snapshot was made with it yet */
		report_lost(lease->path, first, count, 0, reason);
	lease_end(lease);
}

/* ---- the whole ---- */

/* A lease that is about to be broken looks to F_GETLEASE like one that is not there: but only the
 * first stands among the locks of its descriptor. Where these cannot be read, F_UNLCK will tell. */
static bool was_taken_away(const struct lease *lease)
{
	char text[512];

	if (lease_is_held(lease->fd)) /* which also ends what is overdue */
		return false;
	int fd = thread_open_info(lease_thread_files.proc, lease->fd);
	if (sys_read_text(fd, text, sizeof(text)) <= 0)
		return false;
	return !strstr(text, "LEASE");
}

/* The one way past a read lease that the kernel leaves open. */
static bool was_cut(const struct lease *lease)
{
	struct file now;

	return !file_identify(lease->fd, &now) && now.size < lease->file.size;
}

/* Who served it at once had no time: a limit of the processor's, low priority, a slow disk. */
#define AT_WORK 1000000 /* microseconds */

static const char *taken_away(uint64_t started)
{
	return sys_microseconds() - started > AT_WORK
		       ? "the kernel broke the lease by force: the copy took too long"
		       : "the kernel broke the lease by force: the process was stopped too long";
}

const char *lease_loss(const struct lease *lease, uint64_t started)
{
	if (was_taken_away(lease))
		return taken_away(started);
	return was_cut(lease) ? "the file was cut off by an open with O_RDONLY and O_TRUNC, which "
				"breaks no lease"
			      : NULL;
}

/* The preserve of one lease, under way. */
struct job {
	struct lease *lease;
	struct preserve preserve;
	const char *trigger;
	uint64_t started;
	bool needed; /* something is mapped */
	bool opened; /* there is somewhere to put them, or result says why not */
	struct family_share share;
	enum family_turn turn;
	int result;
};

static void job_begin(struct job *job, struct lease *lease, const char *trigger)
{
	struct windows windows;
	bool needed;
	int r = windows_get(lease, &windows, &needed);

	*job = (struct job){
		.lease = lease,
		.trigger = trigger,
		.started = lease->broken_at ? lease->broken_at : sys_microseconds(),
		.needed = needed,
		.result = r,
		.preserve = { .copy = { lease->fd, -1, true, 0 },
			      .path = lease->path,
			      .file = &lease->file,
			      .most = bytes_at_most(lease, &windows),
			      .copied = windows },
	};
}

/* Where there are several windows each process copies its own. */
static enum family_turn job_ask(struct job *job, bool wait)
{
	const struct windows *windows = &job->preserve.copied;

	if (windows->count != 1)
		return FAMILY_ALONE;
	job->share = (struct family_share){ .file = job->lease->file.id,
					    .granted = job->lease->granted,
					    .window = windows->list[0] };
	return wait ? family_wait(&job->share) : family_ask(&job->share);
}

static void job_open(struct job *job, bool wait)
{
	bool wanted = !job->result && job->needed;

	job->turn = wanted ? job_ask(job, wait) : FAMILY_ALONE;
	if (job->turn == FAMILY_BUSY)
		return;
	job->opened = true;
	if (job->turn == FAMILY_THERE) {
		preserve_borrow(&job->preserve, job->share.fd, job->share.engine);
		windows_add(&job->preserve.copied, &job->share.window);
	} else if (wanted) {
		job->result = preserve_begin(&job->preserve);
	}
}

/* May take long. On the lease thread, or on a thread that shares its table. */
static void job_copy(struct job *job)
{
	if (!job->opened)
		job_open(job, true);
	if (!job->result && job->needed)
		job->result = preserve_windows(&job->preserve);
}

/* The record is on file before the writer is let in: nothing that follows from it can be seen
 * earlier, and a process that ends then loses none. */
static void job_report(struct job *job, uint64_t first, unsigned int count)
{
	size_t path_size = job->lease->path_size;
	char *path = arena_strdup(job->lease->path);

	totals_copied(job->preserve.copy.bytes);
	report_preserve(job->lease, &job->preserve, first, count, job->trigger,
			sys_microseconds() - job->started);
	/* Another error than that there is no lease: the program gave up the right to give it back,
	 * which closing the file has done all the same. */
	if (lease_end(job->lease) == -EAGAIN && path)
		report_lost(path, first, count, 0, taken_away(job->started));
	arena_free(path, path_size);
}

/* The copy is its snapshots' from here on, and stays open for the rest of the family. */
static void job_keep(struct job *job, struct store *store)
{
	store_bear(store, job->preserve.charged);
	if (job->turn == FAMILY_MINE) {
		store_keep(store, job->preserve.copy.target, &job->share);
		job->preserve.copy.target = -1;
	}
	store_release(store);
}

static int job_replace(struct job *job)
{
	struct store *store = store_new();
	unsigned int count = 0;
	uint64_t first = 0;

	if (!store)
		return -ENOMEM;
	job->preserve.reason = NULL;
	snapshot_lock();
	int r = lease_replace(job->lease, &job->preserve);
	/* At once: nobody may grow a replaced mapping as if all of the file were held. */
	if (!r)
		first = snapshots_leave(job->lease, &job->preserve, store, &count);
	snapshot_unlock();
	if (r) {
		store_release(store);
		return r;
	}
	job_report(job, first, count);
	job_keep(job, store);
	return 0;
}

/* Now: the copy may have taken long, or the process been stopped meanwhile. */
static int job_check(struct job *job)
{
	const struct preserve *preserve = &job->preserve;
	bool mine = job->turn == FAMILY_MINE;

	if (mine && !job->result)
		family_offer(&job->share, preserve->copy.target, preserve->engine,
			     &job->share.window);
	const char *loss = job->needed ? lease_loss(job->lease, job->started) : NULL;
	int r = loss ? -ESTALE : job->result;
	if (loss)
		job->preserve.reason = loss;
	if (mine)
		family_settle(&job->share, !r);
	return r;
}

/* Nothing is mapped of them. */
static void snapshots_let_go(struct lease *lease)
{
	snapshot_lock();
	for (struct snapshot *one = lease->snapshots; one; one = one->next_guarded)
		one->lease = NULL;
	lease->snapshots = NULL;
	snapshot_unlock();
}

static int job_end(struct job *job)
{
	int r = job_check(job);

	if (!r && !job->needed) {
		snapshots_let_go(job->lease);
		lease_end(job->lease);
	} else if (!r) {
		r = job_replace(job);
	}
	if (r)
		lease_lose(job->lease, job->preserve.reason ? job->preserve.reason : "no memory");
	if (job->turn == FAMILY_MINE && job->preserve.copy.target >= 0) /* it was not kept */
		family_withdraw(job->share.entry, job->share.state);
	preserve_end(&job->preserve, r != 0);
	windows_free(&job->preserve.copied);
	return r;
}

/* ---- a copy that takes long: beside the lease thread, which has others to serve ---- */

#define LONG_BYTES (4ULL << 20)

static struct {
	bool busy;
	struct job job;
	struct thread thread;
	atomic_bool done;
} beside;

static void copy_beside(void *unused)
{
	(void)unused;
	job_copy(&beside.job);
	atomic_store(&beside.done, true);
	lease_thread_wake();
}

static int beside_end(void)
{
	thread_join(&beside.thread);
	beside.busy = false;
	return job_end(&beside.job);
}

static bool start_beside(const struct job *job)
{
	beside.job = *job;
	atomic_store(&beside.done, false);
	beside.busy = !thread_start(&beside.thread, copy_beside, NULL);
	return beside.busy;
}

/* ---- several of them: shortest first ---- */

static struct lease *waiting;

static void wait_for_beside(struct job *job)
{
	struct lease *lease = job->lease;

	windows_free(&job->preserve.copied);
	lease->broken_at = job->started;
	lease->is_waiting = true;
	lease->next_waiting = waiting;
	waiting = lease;
}

void lease_wait_no_more(struct lease *lease)
{
	struct lease **link = &waiting;

	if (!lease->is_waiting)
		return;
	while (*link != lease)
		link = &(*link)->next_waiting;
	*link = lease->next_waiting;
	lease->is_waiting = false;
}

static void start_shortest(void)
{
	struct lease *shortest = waiting;

	for (struct lease *lease = waiting; lease; lease = lease->next_waiting)
		if (lease->file.size < shortest->file.size)
			shortest = lease;
	if (!shortest)
		return;
	lease_wait_no_more(shortest);
	lease_break(shortest);
}

void lease_break_done(void)
{
	if (beside.busy && atomic_load(&beside.done))
		beside_end();
	if (!beside.busy)
		start_shortest();
}

bool lease_is_copied(const struct lease *lease)
{
	return beside.busy && beside.job.lease == lease;
}

void lease_break_forget(void)
{
	thread_forget(&beside.thread);
	beside.busy = false;
	while (waiting)
		lease_wait_no_more(waiting);
}

/* A clone takes no time. */
static void job_clone(struct job *job)
{
	job->preserve.no_copy = "";
	job->opened = !preserve_begin(&job->preserve);
	job->preserve.no_copy = NULL;
}

/* A disk takes as long as it likes, already when a file is opened there. */
static bool may_take_long(struct job *job)
{
	if (job->preserve.most <= LONG_BYTES)
		return the_policy.snapshot_spill_dir[0] && !beside.busy;
	if (beside.busy)
		job_clone(job);
	else if (!the_policy.snapshot_spill_dir[0])
		job_open(job, false);
	return !job->opened || (!job->result && !job->preserve.whole && !job->preserve.borrowed);
}

void lease_break(struct lease *lease)
{
	struct job job;

	if (lease_is_copied(lease) || lease->is_waiting)
		return;
	job_begin(&job, lease, "break");
	if (job.needed && may_take_long(&job)) {
		if (beside.busy) {
			wait_for_beside(&job);
			return;
		}
		if (start_beside(&job))
			return;
	}
	job_copy(&job);
	job_end(&job);
}

int lease_preserve(struct lease *lease, const char *trigger)
{
	struct job job;

	if (lease_is_copied(lease)) {
		int r = beside_end();
		lease_thread_wake(); /* for what waits */
		return r;
	}
	lease_wait_no_more(lease);
	job_begin(&job, lease, trigger);
	job_copy(&job);
	return job_end(&job);
}
