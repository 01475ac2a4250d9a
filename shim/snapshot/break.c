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
#include <time.h>

#include "audit/event.h"
#include "support/sys.h"
#include "kernel/lease.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "kernel/lease_thread.h"
#include "snapshot/lease.h"
#include "snapshot/preserve.h"
#include "support/text.h"

static uint64_t microseconds(void)
{
	return (uint64_t)sys_clock(CLOCK_MONOTONIC) / 1000;
}

/* ---- what is mapped ---- */

/* 0 or -ENOMEM. */
static int windows_get(struct lease *lease, struct windows *windows, bool *needed)
{
	struct pieces pieces;
	struct window window;

	*windows = (struct windows){ .count = 0 };
	snapshot_lock();
	lease->state = LEASE_BREAKING;
	*needed = lease->snapshots;
	int r = lease_pieces(lease, &pieces);
	snapshot_unlock();
	if (!r)
		r = windows_alloc(windows, pieces.count);
	for (size_t i = 0; !r && i < pieces.count; i++) {
		lease_window(lease, &pieces.list[i], &window);
		windows_add(windows, &window);
	}
	windows_join(windows);
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
	uint64_t first = 0;

	if (fate == FATE_PRESERVED)
		budget_keep(preserve->charged);

	for (struct snapshot *snapshot = lease->snapshots; snapshot;
	     snapshot = snapshot->next_guarded) {
		first = *count && first < snapshot->id ? first : snapshot->id;
		++*count;
		snapshot->lease = NULL;
		snapshot->fate = fate;
		if (fate != FATE_PRESERVED)
			continue;
		snapshot->engine = preserve->engine;
		snapshot->shown = preserve->shown;
		snapshot->whole = preserve->whole;
		snapshot->captured_start = snapshot->captured_end = 0;
		snapshot->store = store;
		if (store)
			store->users++;
	}
	lease->snapshots = NULL;
	if (store && !store->users) { /* all were unmapped meanwhile */
		budget_release(store->charged);
		arena_free(store, sizeof(*store));
	}
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
	struct preserve nothing = { .target = -1 };
	unsigned int count = 0;

	snapshot_lock();
	uint64_t first = snapshots_leave(lease, &nothing, FATE_LOST, &count);
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
	int fd = thread_open_info(lease_thread_proc(), lease->fd);
	int64_t got = fd < 0 ? fd : sys_pread(fd, text, sizeof(text) - 1, 0);
	if (fd >= 0)
		sys_close(fd);
	if (got <= 0)
		return false;
	text[got] = 0;
	return !strstr(text, "LEASE");
}

/* The one way past a read lease that the kernel leaves open. */
bool lease_was_cut(const struct lease *lease)
{
	struct file now;

	return !file_identify(lease->fd, &now) && now.size < lease->file.size;
}

const char guard_cut_off[] =
	"the file was cut off by an open with O_RDONLY and O_TRUNC, which breaks no lease";

static const char taken_away[] =
	"the kernel broke the lease by force: the process was stopped too long";

/* 0 while the file is still what was captured; -ESTALE and why. */
static int check(const struct lease *lease, struct preserve *preserve)
{
	if (was_taken_away(lease))
		preserve->reason = taken_away;
	else if (lease_was_cut(lease))
		preserve->reason = guard_cut_off;
	else
		return 0;
	return -ESTALE;
}

/* The preserve of one lease, under way. */
struct job {
	struct lease *lease;
	struct preserve preserve;
	const char *trigger;
	uint64_t started;
	bool needed; /* something is mapped */
	bool opened; /* there is somewhere to put them, or result says why not */
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
		.started = microseconds(),
		.needed = needed,
		.result = r,
		.preserve = { .source = lease->fd,
			      .path = lease->path,
			      .file = &lease->file,
			      .target = -1,
			      .most = bytes_at_most(lease, &windows),
			      .copied = windows },
	};
}

static void job_open(struct job *job)
{
	job->opened = true;
	if (!job->result && job->needed)
		job->result = preserve_begin(&job->preserve);
}

/* May take long. On the lease thread, or on a thread that shares its table. */
static void job_copy(struct job *job)
{
	if (!job->opened)
		job_open(job);
	if (!job->result && job->needed)
		job->result = preserve_windows(&job->preserve);
}

/* The record is on file before the writer is let in: nothing that follows from it can be seen
 * earlier, and a process that ends then loses none. */
static void job_report(struct job *job, uint64_t first, unsigned int count)
{
	size_t path_size = job->lease->path_size;
	char *path = arena_strdup(job->lease->path);

	report_preserve(job->lease, &job->preserve, first, count, job->trigger,
			microseconds() - job->started);
	/* Another error than that there is no lease: the program gave up the right to give it back,
	 * which closing the file has done all the same. */
	if (lease_end(job->lease) == -EAGAIN && path)
		report_lost(path, first, count, 0, taken_away);
	arena_free(path, path_size);
}

static int job_replace(struct job *job)
{
	unsigned int count = 0;
	uint64_t first = 0;

	job->preserve.reason = NULL;
	snapshot_lock();
	int r = lease_replace(job->lease, &job->preserve);
	/* At once: nobody may grow a replaced mapping as if all of the file were held. */
	if (!r)
		first = snapshots_leave(job->lease, &job->preserve, FATE_PRESERVED, &count);
	snapshot_unlock();
	if (!r)
		job_report(job, first, count);
	return r;
}

static int job_end(struct job *job)
{
	/* Now: the copy may have taken long, or the process been stopped meanwhile. */
	int stale = job->needed ? check(job->lease, &job->preserve) : 0;
	int r = stale ? stale : job->result;

	if (!r && !job->needed)
		lease_end(job->lease);
	else if (!r)
		r = job_replace(job);
	if (r)
		lease_lose(job->lease, job->preserve.reason ? job->preserve.reason : "no memory");
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

void lease_break_done(void)
{
	if (beside.busy && atomic_load(&beside.done))
		beside_end();
}

bool lease_is_copied(const struct lease *lease)
{
	return beside.busy && beside.job.lease == lease;
}

void lease_break_forget(void)
{
	thread_forget(&beside.thread);
	beside.busy = false;
}

/* A disk takes as long as it likes, already when a file is opened there. A clone takes no time. */
static bool may_take_long(struct job *job)
{
	if (the_policy.snapshot_spill_dir[0])
		return true;
	if (job->preserve.most <= LONG_BYTES)
		return false;
	job_open(job);
	return !job->result && !job->preserve.whole;
}

void lease_break(struct lease *lease)
{
	struct job job;

	if (lease_is_copied(lease))
		return;
	job_begin(&job, lease, "break");
	if (!beside.busy && job.needed && may_take_long(&job)) {
		beside.job = job;
		atomic_store(&beside.done, false);
		beside.busy = !thread_start(&beside.thread, copy_beside, NULL);
		if (beside.busy)
			return;
	}
	job_copy(&job);
	job_end(&job);
}

int lease_preserve(struct lease *lease, const char *trigger)
{
	struct job job;

	if (lease_is_copied(lease))
		return beside_end();
	job_begin(&job, lease, trigger);
	job_copy(&job);
	return job_end(&job);
}
