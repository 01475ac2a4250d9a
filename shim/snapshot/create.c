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

#include "audit/event.h"
#include "audit/trace.h"
#include "support/sys.h"
#include "policy/policy.h"
#include "kernel/vma.h"
#include "snapshot/guard.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"

static atomic_ullong total_snapshots, total_bytes, total_unprotected;

static const char *const engine_names[] = { "guard", "clone", "memory", "spill" };
static const char *const consistency_names[] = { "torn-possible", "verified", "proven" };

const char *engine_name(enum engine engine)
{
	return engine_names[engine];
}

const char *consistency_name(enum consistency consistency)
{
	return consistency_names[consistency];
}

/* What an attempt to take a snapshot is about, for its event. */
struct creation {
	const struct call *call;
	const struct map_request *request;
	const struct file *file;
	char *path;
	uintptr_t address;
	uint64_t started;
};

static void record_request(struct record *record, const struct creation *creation)
{
	const struct map_request *request = creation->request;

	record_mapping(record, creation->address, request->length, request->offset,
		       request->protection, request->flags & MAP_SHARED);
}

static void record_file(struct record *record, const struct creation *creation)
{
	record_str(record, "file.path", creation->path);
	record_number_string(record, "file.inode", creation->file->inode);
	record_int(record, "file.size", creation->file->size);
}

static void report_unprotected(const struct creation *creation, int error, const char *reason,
			       bool deny)
{
	struct record *record =
		record_of_call(EVENT_SNAPSHOT_UNPROTECTED, OUTCOME_FAILURE, creation->call);

	record_file(record, creation);
	record_error(record, error, reason);
	record_str(record, "mmfence.snapshot.decision", deny ? "deny" : "plain");
	record_request(record, creation);
	record_emit(record);
}

static long unprotected(const struct creation *creation, int error, const char *reason)
{
	bool deny = creation->request->asked || the_policy.snapshot_on_failure == ON_FAILURE_DENY;
	struct creation denied = *creation;

	atomic_fetch_add(&total_unprotected, 1);
	if (!deny) {
		report_unprotected(creation, error, reason, deny);
		return (long)creation->address;
	}
	snapshot_munmap(creation->address, creation->request->length);
	denied.address = 0;
	report_unprotected(&denied, error, reason, deny);
	return -ENOMEM;
}

static void report_created(const struct creation *creation, struct snapshot *snapshot,
			   const struct capture *capture)
{
	struct trace trace;

	if (!audit_enabled())
		return;
	trace_capture(&trace, creation->call->ip, creation->call->cfa);
	if (repeats_take(snapshot, &trace, creation->request->length, capture->bytes))
		return;
	struct record *record = record_begin(EVENT_SNAPSHOT_CREATE, OUTCOME_SUCCESS, &trace);
	record_file(record, creation);
	record_uint(record, "mmfence.snapshot.id", snapshot->id);
	record_str(record, "mmfence.snapshot.engine", engine_name(snapshot->engine));
	record_str(record, "mmfence.snapshot.consistency", consistency_name(snapshot->consistency));
	if (capture->reason)
		record_str(record, "mmfence.snapshot.reason", capture->reason);
	record_uint(record, "mmfence.snapshot.bytes", capture->bytes);
	record_uint(record, "mmfence.snapshot.microseconds",
		    sys_microseconds() - creation->started);
	record_request(record, creation);
	record_emit(record);
}

static struct snapshot *snapshot_new(const struct creation *creation)
{
	struct snapshot *snapshot = arena_alloc(sizeof(*snapshot));

	if (!snapshot)
		return NULL;
	snapshot->path_size = strlen(creation->path) + 1;
	snapshot->path = arena_strdup(creation->path);
	if (!snapshot->path) {
		arena_free(snapshot, sizeof(*snapshot));
		return NULL;
	}
	snapshot->file = creation->file->id;
	snapshot->noexec = creation->file->noexec;
	snapshot->shared = creation->request->flags & MAP_SHARED;
	snapshot->captured_start = creation->request->offset;
	snapshot->captured_end =
		creation->request->offset + (int64_t)PAGE_UP((uint64_t)creation->request->length);
	snapshot->fate = FATE_PRIVATE;
	return snapshot;
}

/* A copy that is not listed could grow into pages that were never captured: better none at all. */
static int capture_and_enter(struct capture *capture)
{
	struct snapshot *ended = NULL;

	capture_run(capture);
	if (capture->result)
		return capture->result;
	snapshot_lock();
	int r = piece_enter(capture->piece, &ended);
	snapshot_unlock();
	report_ended(ended);
	if (!r)
		return 0;
	capture->reason = "no memory for the index";
	return r;
}

/* A file that has no lease of ours. */
static int take_anew(struct capture *capture, bool may_guard)
{
	capture->thread = sys_gettid();
	if (sys_fcntl(capture->request->fd, F_GETLEASE, 0) == F_WRLCK)
		capture->borrow = true;
	if (may_guard && !capture->borrow && !guard_take(capture))
		return 0;
	return capture_and_enter(capture);
}

void totals_copied(uint64_t bytes)
{
	atomic_fetch_add(&total_bytes, bytes);
}

static long take(const struct creation *creation, const struct decision *decision)
{
	uintptr_t end = creation->address + PAGE_UP(creation->request->length);
	struct piece piece = { creation->address, end, creation->request->offset,
			       snapshot_new(creation) };
	struct capture capture = {
		.request = creation->request,
		.decision = decision,
		.file = creation->file,
		.piece = &piece,
		.borrow = !guard_may_open(),
	};

	if (!piece.snapshot)
		return unprotected(creation, ENOMEM, "no memory for the index");
	if (creation->request->flags & (MAP_LOCKED | MAP_NORESERVE))
		attributes_note();
	int r = decision->guard && !capture.borrow ? guard_join(&capture) : -ENOENT;
	if (r)
		r = take_anew(&capture, decision->guard && r == -ENOENT);
	if (r) {
		snapshot_free(piece.snapshot);
		return unprotected(creation, -r, capture.reason);
	}
	atomic_fetch_add(&total_snapshots, 1);
	totals_copied(capture.bytes);
	report_created(creation, piece.snapshot, &capture);
	return (long)creation->address;
}

static long take_if_wanted(struct creation *creation)
{
	struct decision decision;

	decide(creation->request, creation->file, creation->path, &decision);
	if (decision.verdict == VERDICT_TAKE)
		return take(creation, &decision);
	if (decision.verdict == VERDICT_LEAVE) {
		atomic_fetch_add(&total_unprotected, 1);
		report_unprotected(creation, 0, decision.live, false);
	}
	return (long)creation->address;
}

long snapshot_create(const struct call *call, const struct map_request *request, uintptr_t address)
{
	struct file file;

	if (file_identify(request->fd, &file) ||
	    (file.kind != FILE_ORDINARY && file.kind != FILE_BLOCK))
		return (long)address;
	char *path = arena_alloc(PATH_MAX);
	if (!path) /* the kernel has no memory left, and says so */
		return sys_munmap(address, request->length), -ENOMEM;
	sys_fd_path(request->fd, path, PATH_MAX);
	struct creation creation = { call, request, &file,
				     path, address, audit_enabled() ? sys_microseconds() : 0 };
	long r = take_if_wanted(&creation);
	arena_free(path, PATH_MAX);
	return r;
}

/* A memfd is never on such a mount, so that the kernel would allow it. */
bool snapshot_forbids_exec(uintptr_t address, size_t length, uintptr_t *from)
{
	struct piece piece;
	bool forbids = false;

	snapshot_lock();
	for (uintptr_t at = address;
	     !forbids && index_next(at, &piece) && piece.start < address + PAGE_UP(length);
	     at = piece.end) {
		forbids = piece.snapshot->noexec &&
			  piece_is_there(&piece, at, address + PAGE_UP(length));
		*from = piece.start > at ? piece.start : at;
	}
	snapshot_unlock();
	return forbids;
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
