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
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernel/filesystem.h"
#include "kernel/lease.h"
#include "support/sys.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "kernel/transfer.h"
#include "kernel/lease_thread.h"
#include "snapshot/preserve.h"
#include "support/text.h"

#define ATTEMPTS 3

/* What the capture thread works with. */
struct work {
	struct capture *capture;
	struct copy copy; /* from the file to the memfd */
	bool leased;
};

static int fail(struct capture *capture, int error, const char *reason)
{
	capture->result = error;
	capture->reason = reason;
	return error;
}

static int source_open(struct work *work)
{
	struct capture *capture = work->capture;

	if (!capture->borrow) {
		work->copy.source = thread_open_again(-1, capture->thread, capture->request->fd,
						      O_RDONLY | O_NONBLOCK | O_NOCTTY);
		work->copy.seekable = work->copy.source >= 0;
	}
	/* The program's own: where the file may not be opened again, or there is no /proc. */
	if (!work->copy.seekable)
		work->copy.source = thread_fetch(0, capture->request->fd);
	return work->copy.source < 0
		       ? fail(capture, work->copy.source, "the file could not be opened again")
		       : 0;
}

static void take_lease(struct work *work)
{
	struct capture *capture = work->capture;

	capture->reason = "the file could not be opened again";
	if (!work->copy.seekable)
		return;
	capture->reason = lease_refusal(0);
	if (!filesystem_keeps_leases(capture->file->filesystem))
		return;
	int r = lease_take(work->copy.source, sys_gettid());
	work->leased = !r;
	capture->reason = r ? lease_refusal(r) : NULL;
}

/* The part of the mapping that the file has bytes for now, whatever it had when it was decided. */
static int copy_window(struct work *work, const struct file *file)
{
	const struct map_request *request = work->capture->request;
	int64_t at = request->offset;
	int64_t last = at + (int64_t)PAGE_UP((uint64_t)request->length);

	if (last > file->size || last < at)
		last = file->size;
	if (at >= last)
		return 0;
	return file->blocks * 512 >= file->size ? copy_range(&work->copy, at, last)
						: copy_data(&work->copy, at, last);
}

static bool unchanged(const struct file *before, const struct file *after)
{
	return before->size == after->size && before->mtime_ns == after->mtime_ns &&
	       before->ctime_ns == after->ctime_ns;
}

/* A lease that can still be released was there all the time: a writer may wait for it by now, but
 * none was let in. One that the kernel broke by force is gone. */
static bool lease_held_to_the_end(struct work *work)
{
	if (!work->leased)
		return false;
	work->leased = false;
	return !lease_release(work->copy.source);
}

/* The clock that file systems take their times from. */
/* One attempt. 1: the file changed meanwhile. */
static int copy_once(struct work *work)
{
	struct capture *capture = work->capture;
	struct file before, after;
	int64_t now = sys_clock(CLOCK_REALTIME_COARSE);
	int r = file_identify(work->copy.source, &before);

	work->copy.bytes = 0;
	if (!r)
		r = sys_ftruncate(work->copy.target, 0);
	if (!r)
		r = sys_ftruncate(work->copy.target, before.size);
	if (!r)
		r = copy_window(work, &before);
	if (r && r != -ENODATA)
		return fail(capture, r, "the copy failed");
	capture->bytes = work->copy.bytes;
	capture->file_size = before.size;
	if (!r && lease_held_to_the_end(work)) {
		capture->consistency = PROVEN;
		return 0;
	}
	if (r || file_identify(work->copy.source, &after) || !unchanged(&before, &after))
		return 1;
	if (file_change_would_show(&before, now)) {
		capture->consistency = VERIFIED;
		return 0;
	}
	capture->consistency = TORN_POSSIBLE;
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
	capture->consistency = TORN_POSSIBLE;
	capture->reason = "the file kept changing";
	return 0;
}

/* A clone is one moment of the file, whoever writes. */
static int clone_file(struct work *work)
{
	struct capture *capture = work->capture;
	struct file clone;
	int r = file_identify(work->copy.target, &clone);

	capture->consistency = PROVEN;
	capture->reason = NULL;
	capture->file_size = clone.size;
	return r;
}

/* Somewhere to put the pages; then put them there. */
static int preserve_file(struct work *work)
{
	struct capture *capture = work->capture;
	struct preserve preserve = {
		.source = work->copy.source,
		.path = capture->path,
		.file = capture->file,
		.most = capture->decision->bytes,
		.no_copy = capture->decision->no_copy,
	};
	int r = preserve_begin(&preserve);

	if (r)
		return fail(capture, r, preserve.reason);
	work->copy.target = preserve.target;
	capture->engine = preserve.engine;
	capture->shown = preserve.shown;
	capture->whole = preserve.whole;
	r = preserve.whole ? clone_file(work) : copy_file(work);
	if (!r && preserve_charge(&preserve))
		r = fail(capture, -ENOMEM, preserve.reason);
	capture->charged = preserve.charged;
	return r;
}

static int replace(struct work *work)
{
	struct capture *capture = work->capture;
	const struct map_request *request = capture->request;
	int flags = MAP_FIXED | (capture->decision->shared ? MAP_SHARED : MAP_PRIVATE);
	int fd = work->copy.target;

	/* One that cannot write: mprotect(PROT_WRITE) on its shared mapping is EACCES. */
	if (capture->decision->shared)
		fd = thread_open_again(-1, 0, fd, O_RDONLY);

	if (fd < 0)
		return fail(capture, fd, "the copy could not be opened read-only");
	flags |= request->flags & (MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK);
	long r = sys_mmap(capture->address, request->length, request->protection, flags, fd,
			  request->offset);
	if (fd != work->copy.target)
		sys_close(fd);
	if (sys_failed(r))
		return fail(capture, (int)r, "the copy could not be mapped");
	if (request->flags & MAP_LOCKED)
		sys_mlock(capture->address, request->length);
	return 0;
}

static bool consistent_enough(const struct capture *capture)
{
	switch (the_policy.snapshot_require) {
	case REQUIRE_PROVEN:
		return capture->consistency == PROVEN;
	case REQUIRE_VERIFIED:
		return capture->consistency >= VERIFIED;
	default:
		return true;
	}
}

static int capture_steps(struct work *work)
{
	struct capture *capture = work->capture;
	int r = source_open(work);

	if (r)
		return r;
	take_lease(work);
	r = preserve_file(work);
	if (!r && !consistent_enough(capture))
		r = fail(capture, -ENOMEM, "the consistency is less than snapshot.require");
	return r ? r : replace(work);
}

/* On the lease thread, or on a thread of its own: either way with another descriptor table. */
static void capture_here(struct capture *capture)
{
	struct work work = { .capture = capture, .copy = { -1, -1, false, 0 } };

	capture->result = 0;
	if (capture_steps(&work) && capture->charged) {
		budget_return(capture->charged);
		capture->charged = 0;
	}
	if (work.leased)
		lease_release(work.copy.source);
	if (work.copy.source >= 0)
		sys_close(work.copy.source);
	if (work.copy.target >= 0)
		sys_close(work.copy.target);
}

static void on_lease_thread(void *argument)
{
	capture_here(argument);
}

static void on_own_thread(void *argument)
{
	int r = thread_own_table();

	if (r)
		fail(argument, r, "no descriptor table of its own for the capture");
	else
		capture_here(argument);
}

/* A small copy is not worth a thread; a large one would keep the lease thread from a lease that
 * breaks.
 */
#define SMALL_BYTES (4ULL << 20)

void capture_run(struct capture *capture)
{
	bool small = capture->decision->bytes <= SMALL_BYTES;
	int r = small && the_policy.snapshot_guard != GUARD_NONE
			? lease_thread_call(on_lease_thread, capture)
			: -ENOSYS;

	if (r)
		r = thread_run(on_own_thread, capture);
	if (r)
		fail(capture, r, "no thread could be started for the capture");
}
