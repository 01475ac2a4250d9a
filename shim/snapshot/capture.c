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
#include <linux/memfd.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/raw.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"
#include "support/text.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define ATTEMPTS 3

/* One of the two signals that libc keeps for itself and sends to single threads only: no program
 * can wait for it, and none is sent to the whole process. */
#define LEASE_SIGNAL 33

/* What the capture thread works with. */
struct work {
	struct capture *capture;
	int source; /* the file */
	int copy;   /* the memfd */
	bool own;   /* the source's open file description is ours: it may be moved and leased */
	bool leased;
};

static int fail(struct capture *capture, int error, const char *reason)
{
	capture->result = error;
	capture->reason = reason;
	return error;
}

static void path_of_program_descriptor(const struct capture *capture, char *out, size_t size)
{
	struct text path;

	text_init(&path, out, size);
	text_add(&path, "/proc/self/task/");
	text_add_uint(&path, (unsigned int)capture->thread);
	text_add(&path, "/fd/");
	text_add_uint(&path, (unsigned int)capture->request->fd);
}

/* The program's own description: where the file may not be opened again, or there is no /proc. */
static int borrow_descriptor(const struct capture *capture)
{
	int process = (int)raw(SYS_pidfd_open, raw(SYS_getpid), 0);

	if (process < 0)
		return process;
	int fd = (int)raw(SYS_pidfd_getfd, process, capture->request->fd, 0);
	raw_close(process);
	return fd;
}

static int source_open(struct work *work)
{
	struct capture *capture = work->capture;
	char path[64];

	if (!capture->borrow) {
		path_of_program_descriptor(capture, path, sizeof(path));
		work->source = raw_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
		work->own = work->source >= 0;
	}
	if (!work->own)
		work->source = borrow_descriptor(capture);
	return work->source < 0 ? fail(capture, work->source, "the file could not be opened again")
				: 0;
}

static void lease_try(struct work *work)
{
	struct f_owner_ex me = { F_OWNER_TID, (pid_t)raw(SYS_gettid) };

	work->capture->reason = "the file could not be opened again";
	if (!work->own)
		return;
	/* Owner and signal first: a break in between would kill the process with SIGIO. */
	raw(SYS_fcntl, work->source, F_SETOWN_EX, &me);
	raw(SYS_fcntl, work->source, F_SETSIG, LEASE_SIGNAL);
	long r = raw(SYS_fcntl, work->source, F_SETLEASE, F_RDLCK);
	work->leased = r == 0;
	switch (r) {
	case 0:
		work->capture->reason = NULL;
		break;
	case -EAGAIN:
		work->capture->reason = "somebody has the file open for writing";
		break;
	case -EACCES:
		work->capture->reason = "no lease: not the file's owner";
		break;
	default:
		work->capture->reason = "no lease on this file system";
	}
}

static int memfd_new(void)
{
	static const char name[] = "mmfence";
	int fd = (int)raw(SYS_memfd_create, name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd == -EINVAL) /* before 6.3 */
		fd = (int)raw(SYS_memfd_create, name, MFD_CLOEXEC);
	return fd;
}

static int64_t send(int to, int from, int64_t *offset, uint64_t length)
{
	size_t most = length > 0x7ffff000 ? 0x7ffff000 : (size_t)length;
#ifdef __x86_64__
	return raw(SYS_sendfile, to, from, offset, most);
#else
	return raw(SYS_sendfile64, to, from, offset, most);
#endif
}

/* 0, -ENODATA when the file ended early, or -errno. */
static int copy_range(struct work *work, int64_t start, int64_t end)
{
	int64_t at = raw_lseek(work->copy, start, SEEK_SET);

	if (at < 0)
		return (int)at;
	while (start < end) {
		int64_t sent = send(work->copy, work->source, &start, (uint64_t)(end - start));
		if (sent == 0)
			return -ENODATA;
		if (sent < 0 && sent != -EINTR)
			return (int)sent;
		if (sent > 0)
			work->capture->bytes += (uint64_t)sent;
	}
	return 0;
}

/* Where the next data begins; holes are told only through a description of ours, since asking
 * moves its position. */
static int64_t next_data(const struct work *work, int64_t at, int64_t end)
{
	int64_t data = work->own ? raw_lseek(work->source, at, SEEK_DATA) : at;

	if (data == -ENXIO)
		return end;
	return data < 0 ? at : data;
}

static int64_t next_hole(const struct work *work, int64_t at, int64_t end)
{
	int64_t hole = work->own ? raw_lseek(work->source, at, SEEK_HOLE) : end;

	return hole < 0 || hole > end ? end : hole;
}

static int copy_window(struct work *work, const struct file *file)
{
	const struct decision *window = work->capture->decision;
	int64_t at = window->window_start;
	int64_t last = window->window_end < file->size ? window->window_end : file->size;

	if (file->blocks * 512 >= file->size)
		return copy_range(work, at, last);
	while ((at = next_data(work, at, last)) < last) {
		int64_t end = next_hole(work, at, last);
		int r = copy_range(work, at, end);
		if (r)
			return r;
		at = end;
	}
	return 0;
}

static bool unchanged(const struct file *before, const struct file *after)
{
	return before->size == after->size && before->mtime_ns == after->mtime_ns &&
	       before->ctime_ns == after->ctime_ns;
}

/* A lease that can still be given back was there all the time: a writer may wait for it by now, but
 * none was let in. One that the kernel broke by force is gone. */
static bool lease_held_to_the_end(struct work *work)
{
	if (!work->leased)
		return false;
	work->leased = false;
	return raw(SYS_fcntl, work->source, F_SETLEASE, F_UNLCK) == 0;
}

/* One attempt. 1: the file changed meanwhile. */
static int copy_once(struct work *work)
{
	struct capture *capture = work->capture;
	struct file before, after;
	int r = file_identify(work->source, &before);

	capture->bytes = 0;
	if (!r)
		r = raw_ftruncate(work->copy, 0);
	if (!r)
		r = raw_ftruncate(work->copy, before.size);
	if (!r)
		r = copy_window(work, &before);
	if (r && r != -ENODATA)
		return fail(capture, r, "the copy failed");
	capture->file_size = before.size;
	if (!r && lease_held_to_the_end(work)) {
		capture->consistency = PROVEN;
		return 0;
	}
	if (r || file_identify(work->source, &after) || !unchanged(&before, &after))
		return 1;
	capture->consistency = VERIFIED;
	return 0;
}

static int copy_file(struct work *work)
{
	struct capture *capture = work->capture;

	work->copy = memfd_new();
	if (work->copy < 0)
		return fail(capture, work->copy, "memfd_create failed");
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		int r = copy_once(work);
		if (r <= 0)
			return r;
	}
	capture->consistency = TORN_POSSIBLE;
	capture->reason = "the file kept changing";
	return 0;
}

/* A descriptor that cannot write: mprotect(PROT_WRITE) on its shared mapping is EACCES. */
static int read_only_copy(int copy)
{
	char path[40];
	struct text text;

	text_init(&text, path, sizeof(path));
	text_add(&text, "/proc/thread-self/fd/");
	text_add_uint(&text, (unsigned int)copy);
	return raw_open(path, O_RDONLY, 0);
}

static int replace(struct work *work)
{
	struct capture *capture = work->capture;
	const struct map_request *request = capture->request;
	int flags = MAP_FIXED | (capture->decision->shared ? MAP_SHARED : MAP_PRIVATE);
	int fd = capture->decision->shared ? read_only_copy(work->copy) : work->copy;

	if (fd < 0)
		return fail(capture, fd, "the copy could not be opened read-only");
	flags |= request->flags & (MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK);
	long r = raw_mmap(capture->address, request->length, request->protection, flags, fd,
			  request->offset);
	if (raw_failed(r))
		return fail(capture, (int)r, "the copy could not be mapped");
	if (request->flags & MAP_LOCKED)
		raw(SYS_mlock, capture->address, request->length);
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

static int budget_take(struct capture *capture)
{
	const struct decision *window = capture->decision;
	uint64_t bytes = (uint64_t)(window->window_end - window->window_start);
	uint64_t allocated = (uint64_t)capture->file->blocks * 512;
	const char *reason;

	if (allocated < bytes)
		bytes = allocated;
	int r = budget_charge(bytes, &reason);
	if (r)
		return fail(capture, r, reason);
	capture->charged = bytes;
	return 0;
}

static int capture_steps(struct work *work)
{
	struct capture *capture = work->capture;
	int r = source_open(work);

	if (!r)
		r = budget_take(capture);
	if (r)
		return r;
	lease_try(work);
	r = copy_file(work);
	if (!r && !consistent_enough(capture))
		r = fail(capture, -ENOMEM, "the consistency is less than snapshot.require");
	return r ? r : replace(work);
}

static void capture_body(void *argument)
{
	struct work work = { .capture = argument, .source = -1, .copy = -1 };
	int r = thread_own_table();

	if (r) {
		fail(work.capture, r, "no descriptor table of its own for the capture");
		return;
	}
	work.capture->result = 0;
	if (capture_steps(&work) && work.capture->charged) {
		budget_release(work.capture->charged);
		work.capture->charged = 0;
	}
	if (work.leased)
		raw(SYS_fcntl, work.source, F_SETLEASE, F_UNLCK);
}

void capture_run(struct capture *capture)
{
	int r = thread_run(capture_body, capture);

	if (r)
		fail(capture, r, "no thread could be started for the capture");
}
