/* SPDX-License-Identifier: MIT */
/*
 * The copy: the file's bytes into a memfd of the same size, at the same offsets,
 * while a read lease keeps writers out if it can be had; then the mapping is
 * replaced in place. Runs on a bare thread (kernel/thread.h): raw calls only, no TLS.
 *
 * It copies from a descriptor, never out of the mapping, which would be SIGBUS if
 * the file shrank meanwhile. A memfd of the file's exact size behaves like the
 * file at its end and under MADV_DONTNEED.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "kernel/file.h"
#include "kernel/lease_thread.h"
#include "support/sys.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "snapshot/family.h"
#include "snapshot/preserve.h"

#define ATTEMPTS 3

/* What the capture thread works with. */
struct work {
	struct capture *capture;
	struct snapshot *snapshot;
	struct preserve preserve;
	bool leased;
	int thread; /* this one */
	bool here;  /* and it is the lease thread */
	bool offered;
	struct family_share share;
	enum family_turn turn;
};

static int fail(struct capture *capture, int error, const char *reason)
{
	capture->result = error;
	capture->reason = reason;
	return error;
}

/* The part of the mapping that the file has bytes for now, whatever it had when it was decided. */
static struct window window_of(const struct map_request *request, const struct file *file)
{
	int64_t at = request->offset;
	int64_t last = at + (int64_t)PAGE_UP((uint64_t)request->length);

	if (last > file->size || last < at)
		last = file->size;
	return (struct window){ at, at < last ? last : at };
}

/* What the program shares the position of is not asked for holes: all is copied. */
static void copy_all(struct work *work)
{
	const struct capture *capture = work->capture;
	struct window window = window_of(capture->request, capture->file);

	work->preserve.most = (uint64_t)(window.end - window.start);
	work->preserve.no_copy = decide_copy(work->preserve.most, capture->decision->named);
}

static int source_open(struct work *work)
{
	struct capture *capture = work->capture;
	struct file now;

	if (!capture->borrow) {
		work->preserve.copy.source =
			thread_open_again(-1, capture->thread, capture->request->fd,
					  O_RDONLY | O_NONBLOCK | O_NOCTTY);
		work->preserve.copy.seekable = work->preserve.copy.source >= 0;
	}
	/* The program's own: where the file may not be opened again, or there is no /proc. */
	if (!work->preserve.copy.seekable) {
		work->preserve.copy.source = thread_fetch(0, capture->request->fd);
		copy_all(work);
	}
	/* A thread that maps it may have a table of its own, and a tracer may lead elsewhere. */
	if (work->preserve.copy.source >= 0 &&
	    file_is(work->preserve.copy.source, "", &capture->file->id, &now)) {
		sys_close(work->preserve.copy.source);
		work->preserve.copy.source = -EBADF;
	}
	return work->preserve.copy.source < 0 ? fail(capture, work->preserve.copy.source,
						     "the file could not be opened again")
					      : 0;
}

static void take_lease(struct work *work)
{
	struct capture *capture = work->capture;

	capture->reason = "the file could not be opened again";
	if (!work->preserve.copy.seekable)
		return;
	capture->reason = lease_refusal(0);
	if (!filesystem_has(capture->file->filesystem, KEEPS_LEASES))
		return;
	int r = lease_take(work->preserve.copy.source, sys_gettid());
	work->leased = !r;
	capture->reason = r ? lease_refusal(r) : NULL;
}

static int copy_window(struct work *work, const struct file *file)
{
	struct window window = window_of(work->capture->request, file);

	return preserve_part(&work->preserve, file->blocks * 512 < file->size, window.start,
			     window.end);
}

/* A lease that can still be released was there all the time: a writer may wait for it by now, but
 * none was let in. One that the kernel broke by force is gone. */
static bool lease_held_to_the_end(struct work *work)
{
	if (!work->leased)
		return false;
	work->leased = false;
	return !lease_release(work->preserve.copy.source);
}

/* One attempt. 1: the file changed meanwhile. */
static int copy_once(struct work *work)
{
	struct capture *capture = work->capture;
	struct file before, after;
	int64_t now = sys_clock(CLOCK_REALTIME_COARSE);
	int r = file_identify(work->preserve.copy.source, &before);

	work->preserve.copy.bytes = 0;
	work->preserve.reason = "the copy failed";
	if (!r)
		r = sys_ftruncate(work->preserve.copy.target, 0);
	if (!r)
		r = sys_ftruncate(work->preserve.copy.target, before.size);
	if (!r)
		r = copy_window(work, &before);
	if (r && r != -ENODATA)
		return fail(capture, r, work->preserve.reason);
	capture->bytes = work->preserve.copy.bytes;
	work->snapshot->file_size = before.size;
	if (!r && lease_held_to_the_end(work)) {
		work->snapshot->consistency = PROVEN;
		return 0;
	}
	if (r || file_identify(work->preserve.copy.source, &after) ||
	    !file_is_unchanged(&before.version, &after.version))
		return 1;
	if (file_change_would_show(&before, now)) {
		work->snapshot->consistency = VERIFIED;
		return 0;
	}
	work->snapshot->consistency = TORN_POSSIBLE;
	capture->reason = "the file's times are too coarse to show a change";
	return 0;
}

static int copy_file(struct work *work)
{
	struct capture *capture = work->capture;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		int r = copy_once(work);
		if (r <= 0)
			return r;
	}
	work->snapshot->consistency = TORN_POSSIBLE;
	capture->reason = "the file kept changing";
	return 0;
}

/* A clone is one moment of the file, whoever writes. */
static int clone_file(struct work *work)
{
	struct file clone;
	int r = file_identify(work->preserve.copy.target, &clone);

	work->snapshot->consistency = PROVEN;
	work->capture->reason = NULL;
	work->snapshot->file_size = clone.size;
	return r;
}

/* Somewhere to put the pages; then put them there. */
static int copy_to_place(struct work *work)
{
	struct preserve *preserve = &work->preserve;
	int r = preserve_begin(preserve);

	if (r)
		return fail(work->capture, r, preserve->reason);
	return preserve->whole ? clone_file(work) : copy_file(work);
}

/* ---- a copy that somebody of the family has ---- */

/* Under the lease: a store through a mapping that was there before changes no time, nor does a
 * write that is under way. The coarse clock is the one that file systems take their times from. */
static bool version_get(struct work *work)
{
	struct family_share *share = &work->share;
	int64_t now = sys_clock(CLOCK_REALTIME_COARSE);
	const struct map_request *request = work->capture->request;
	struct file file;

	if (file_identify(work->preserve.copy.source, &file) ||
	    !file_change_would_show(&file, now) || !filesystem_has(file.filesystem, TIMES_STORES))
		return false;
	*share = (struct family_share){
		.file = file.id,
		.at_once = true,
		.version = file.version,
		.window = { request->offset,
			    request->offset + (int64_t)PAGE_UP((uint64_t)request->length) },
		.abroad = !work->here,
	};
	return true;
}

/* The lease thread waits for nobody: it has others to serve. */
static void ask_family(struct work *work)
{
	work->turn = FAMILY_ALONE;
	if (!work->leased || !lease_thread_running() || !version_get(work))
		return;
	work->turn = work->here ? family_ask(&work->share) : family_wait(&work->share);
	if (work->turn == FAMILY_BUSY)
		work->turn = FAMILY_ALONE;
}

static int borrow(struct work *work)
{
	preserve_borrow(&work->preserve, work->share.fd, work->share.engine);
	work->snapshot->file_size = work->share.version.size;
	work->snapshot->consistency = PROVEN;
	work->snapshot->store = store_of(work->share.kept);
	return 0;
}

static int preserve_file(struct work *work)
{
	ask_family(work);
	int r = work->turn == FAMILY_THERE ? borrow(work) : copy_to_place(work);
	preserve_show(&work->preserve, work->snapshot);
	return r;
}

/* On the lease thread, in whose table it stays. */
static void offer(void *argument)
{
	struct work *work = argument;
	int fd = work->here ? work->preserve.copy.target
			    : thread_open_again(lease_thread_files.proc, work->thread,
						work->preserve.copy.target, O_RDWR);

	if (fd < 0)
		return;
	family_offer(&work->share, fd, work->snapshot->engine, &work->share.window);
	store_keep(work->snapshot->store, fd, &work->share);
	work->offered = true;
	if (work->here)
		work->preserve.copy.target = -1;
}

/* The copy is shown now. One that is not of this version for sure is nobody else's. */
static void offer_if_good(struct work *work, bool good)
{
	if (work->turn != FAMILY_MINE)
		return;
	good = good && work->snapshot->consistency == PROVEN;
	if (good && work->here)
		offer(work);
	else if (good)
		lease_thread_call_running(offer, work);
	family_settle(&work->share, work->offered);
}

static int replace(struct work *work)
{
	struct capture *capture = work->capture;
	const struct map_request *request = capture->request;
	int flags = MAP_FIXED | (capture->decision->shared ? MAP_SHARED : MAP_PRIVATE);
	int fd = work->preserve.copy.target;

	/* One that cannot write: mprotect(PROT_WRITE) on its shared mapping is EACCES. */
	if (capture->decision->shared)
		fd = thread_open_again(-1, 0, fd, O_RDONLY);

	if (fd < 0)
		return fail(capture, fd, "the copy could not be opened read-only");
	flags |= request->flags & (MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK);
	long r = sys_mmap(capture->piece->start, request->length, request->protection, flags, fd,
			  request->offset);
	/* A lock (mlockall) counts against RLIMIT_MEMLOCK until it is gone; what comes is locked
	 * too. */
	if (r == -EAGAIN && !sys_munlock(capture->piece->start, request->length))
		r = sys_mmap(capture->piece->start, request->length, request->protection, flags, fd,
			     request->offset);
	if (fd != work->preserve.copy.target)
		sys_close(fd);
	if (sys_failed(r))
		return fail(capture, (int)r, "the copy could not be mapped");
	if (request->flags & MAP_LOCKED)
		sys_mlock(capture->piece->start, request->length);
	return 0;
}

static bool consistent_enough(const struct snapshot *snapshot)
{
	switch (the_policy.snapshot_require) {
	case REQUIRE_PROVEN:
		return snapshot->consistency == PROVEN;
	case REQUIRE_VERIFIED:
		return snapshot->consistency >= VERIFIED;
	default:
		return true;
	}
}

/* The copy is the snapshot's from here on. */
static int bear(struct work *work)
{
	struct snapshot *snapshot = work->snapshot;

	if (snapshot->store || (!work->preserve.charged && work->turn != FAMILY_MINE))
		return 0;
	snapshot->store = store_new();
	if (!snapshot->store)
		return fail(work->capture, -ENOMEM, "no memory for the index");
	store_bear(snapshot->store, work->preserve.charged);
	work->preserve.charged = 0;
	return 0;
}

static int capture_steps(struct work *work)
{
	struct capture *capture = work->capture;
	int r = source_open(work);

	if (r)
		return r;
	take_lease(work);
	r = preserve_file(work);
	if (!r && !consistent_enough(work->snapshot))
		r = fail(capture, -ENOMEM, "the consistency is less than snapshot.require");
	if (!r)
		r = bear(work);
	return r ? r : replace(work);
}

/* On the lease thread, or on a thread of its own: either way with another descriptor table. */
static void capture_here(struct capture *capture)
{
	struct work work = { .capture = capture,
			     .snapshot = capture->piece->snapshot,
			     .preserve = { .copy = { -1, -1, false, 0 },
					   .path = capture->piece->snapshot->path,
					   .file = capture->file,
					   .most = capture->decision->bytes,
					   .no_copy = capture->decision->no_copy },
			     .thread = sys_gettid() };

	work.here = work.thread == lease_thread_number();
	capture->result = 0;
	bool failed = capture_steps(&work);
	offer_if_good(&work, !failed);
	if (work.leased)
		lease_release(work.preserve.copy.source);
	sys_close_if_open(work.preserve.copy.source);
	preserve_end(&work.preserve, failed);
}

static void on_lease_thread(void *argument)
{
	capture_here(argument);
}

static void on_own_thread(void *argument)
{
	int r = thread_own_table(-1);

	if (r)
		fail(argument, r, "no descriptor table of its own for the capture");
	else
		capture_here(argument);
}

/* A small copy is not worth a thread. A large one would keep the lease thread from a lease that
 * breaks, and so does a server (network, FUSE) that is slow or gone.
 */
#define SMALL_BYTES (4ULL << 20)

/* Before a large one: the copy stays open in the lease thread's table. */
static void be_there(void *capture)
{
	(void)capture;
}

void capture_run(struct capture *capture)
{
	bool small = capture->decision->bytes <= SMALL_BYTES && lease_is_trusted(capture->file);
	bool there = the_policy.snapshot_guard != GUARD_NONE &&
		     !lease_thread_call(small ? on_lease_thread : be_there, capture);

	if (there && small)
		return;
	int r = thread_run(on_own_thread, capture);
	if (r)
		fail(capture, r, "no thread could be started for the capture");
}
