/* SPDX-License-Identifier: MIT */
/*
 * Making a snapshot of a mapping that the kernel has just given: decide, capture,
 * enter it in the index, say so. The capture is made without the snapshot lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "kernel/raw.h"
#include "kernel/vma.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"

static atomic_ullong total_snapshots, total_bytes, total_unprotected;

static const char *const consistency_names[] = { "torn-possible", "verified", "proven" };

static uint64_t microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What an attempt to take a snapshot is about, for its event. */
struct taking {
	const struct call *call;
	const struct map_request *request;
	const struct file *file;
	const char *path;
	uintptr_t address;
	uint64_t started;
};

static void record_mapping(struct record *record, const struct taking *taking)
{
	char protection[5];

	vma_protection_text(taking->request->protection, taking->request->flags & MAP_SHARED,
			    protection);
	record_address(record, "mmfence.mapping.address", taking->address);
	record_uint(record, "mmfence.mapping.length", taking->request->length);
	record_int(record, "mmfence.mapping.offset", taking->request->offset);
	record_str(record, "mmfence.mapping.protection", protection);
}

static struct record *record_taking(const struct taking *taking, enum event_action action,
				    enum event_outcome outcome)
{
	struct trace trace;

	if (!audit_enabled())
		return NULL;
	trace_capture(&trace, taking->call->ip, taking->call->cfa);
	struct record *record = record_begin(action, outcome, &trace);
	record_str(record, "file.path", taking->path);
	record_number_string(record, "file.inode", taking->file->inode);
	record_int(record, "file.size", taking->file->size);
	return record;
}

static long unprotected(const struct taking *taking, int error, const char *reason)
{
	bool deny = the_policy.snapshot_on_failure == ON_FAILURE_DENY;

	atomic_fetch_add(&total_unprotected, 1);
	if (deny)
		snapshot_munmap(taking->address, taking->request->length);
	struct record *record = record_taking(taking, EVENT_SNAPSHOT_UNPROTECTED, OUTCOME_FAILURE);
	record_error(record, error, reason);
	record_str(record, "mmfence.snapshot.decision", deny ? "deny" : "plain");
	record_mapping(record, taking);
	record_emit(record);
	return deny ? -ENOMEM : (long)taking->address;
}

static void report_created(const struct taking *taking, const struct capture *capture, uint64_t id)
{
	struct record *record = record_taking(taking, EVENT_SNAPSHOT_CREATE, OUTCOME_SUCCESS);

	record_uint(record, "mmfence.snapshot.id", id);
	record_str(record, "mmfence.snapshot.engine", "memory");
	record_str(record, "mmfence.snapshot.consistency", consistency_names[capture->consistency]);
	if (capture->reason)
		record_str(record, "mmfence.snapshot.reason", capture->reason);
	record_uint(record, "mmfence.snapshot.bytes", capture->bytes);
	record_uint(record, "mmfence.snapshot.microseconds", microseconds() - taking->started);
	record_mapping(record, taking);
	record_emit(record);
}

static struct snapshot *snapshot_new(const struct taking *taking)
{
	struct snapshot *snapshot = arena_alloc(sizeof(*snapshot));

	if (!snapshot)
		return NULL;
	snapshot->path_size = strlen(taking->path) + 1;
	snapshot->path = arena_strdup(taking->path);
	if (!snapshot->path) {
		arena_free(snapshot, sizeof(*snapshot));
		return NULL;
	}
	return snapshot;
}

static void snapshot_fill(struct snapshot *snapshot, const struct capture *capture)
{
	bool to_end = capture->decision->window_end >= capture->file->size;

	snapshot->device = capture->file->device;
	snapshot->inode = capture->file->inode;
	snapshot->file_size = capture->file_size;
	snapshot->captured_start = capture->decision->window_start;
	snapshot->captured_end = to_end ? INT64_MAX : capture->decision->window_end;
	snapshot->charged = capture->charged;
	snapshot->consistency = capture->consistency;
}

static int capture_and_enter(struct capture *capture, struct snapshot *snapshot)
{
	capture_run(capture);
	if (capture->result)
		return capture->result;
	snapshot_fill(snapshot, capture);
	uintptr_t end = capture->address + PAGE_UP(capture->request->length);
	int r = snapshot_enter(
		&(struct piece){ capture->address, end, capture->request->offset, snapshot });
	if (r) /* a copy that is not listed could grow into pages that were never captured */
		capture->reason = "no memory for the index";
	return r;
}

static long take(const struct taking *taking, const struct decision *decision)
{
	struct snapshot *snapshot = snapshot_new(taking);
	struct capture capture = {
		.request = taking->request,
		.decision = decision,
		.file = taking->file,
		.address = taking->address,
		.thread = (int)raw(SYS_gettid),
		.borrow = raw(SYS_fcntl, taking->request->fd, F_GETLEASE) == F_WRLCK,
	};

	if (!snapshot)
		return unprotected(taking, ENOMEM, "no memory for the index");
	int r = capture_and_enter(&capture, snapshot);
	if (r) {
		snapshot_free(snapshot);
		return unprotected(taking, -r, capture.reason);
	}
	atomic_fetch_add(&total_snapshots, 1);
	atomic_fetch_add(&total_bytes, capture.bytes);
	report_created(taking, &capture, snapshot->id);
	return (long)taking->address;
}

static long take_if_wanted(struct taking *taking)
{
	struct decision decision;

	decide(taking->request, taking->file, taking->path, &decision);
	switch (decision.verdict) {
	case VERDICT_TAKE:
		return take(taking, &decision);
	case VERDICT_REFUSE:
		return unprotected(taking, 0, decision.reason);
	default:
		return (long)taking->address;
	}
}

long snapshot_take(const struct call *call, const struct map_request *request, uintptr_t address)
{
	struct file file;

	if (file_identify(request->fd, &file) ||
	    (file.kind != FILE_ORDINARY && file.kind != FILE_BLOCK))
		return (long)address;
	char *path = arena_alloc(PATH_MAX);
	if (!path) /* the kernel has no memory left, and says so */
		return raw(SYS_munmap, address, request->length), -ENOMEM;
	raw_fd_path(request->fd, path, PATH_MAX);
	struct taking taking = { call, request, &file, path, address, microseconds() };
	long r = take_if_wanted(&taking);
	arena_free(path, PATH_MAX);
	return r;
}

void totals_reset(void)
{
	atomic_store(&total_snapshots, 0);
	atomic_store(&total_bytes, 0);
	atomic_store(&total_unprotected, 0);
}

struct snapshot_totals snapshot_totals(void)
{
	return (struct snapshot_totals){ total_snapshots, total_bytes, total_unprotected };
}
