/* SPDX-License-Identifier: MIT */
/*
 * Judging opens and maps: see selfmem.h. Async-signal-safe, since open is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "kernel/file.h"
#include "kernel/raw.h"
#include "kernel/vma.h"
#include "policy/policy.h"
#include "selfmem/selfmem.h"

#define PATH_BYTES 256

static bool shows_memory(const struct file *file)
{
	return file->kind == FILE_PROCESS_MEMORY || file->kind == FILE_DEVICE_MEMORY;
}

static const char *mode_text(int flags)
{
	static const char *const modes[] = { "r", "w", "rw", "rw" };
	return modes[flags & O_ACCMODE];
}

static void record_path(struct record *record, int fd)
{
	char path[PATH_BYTES];

	if (record && raw_fd_path(fd, path, sizeof(path)) > 0)
		record_str(record, "file.path", path);
}

static void record_kind(struct record *record, const struct file *file)
{
	record_str(record, "mmfence.selfmem.kind",
		   file->kind == FILE_PROCESS_MEMORY ? "process" : "device");
	if (file->owner >= 0)
		record_int(record, "mmfence.selfmem.owner", file->owner);
}

static void report_open(const struct call *call, int fd, int flags, const struct file *file,
			bool refused)
{
	struct trace trace;

	if (!audit_enabled())
		return;
	trace_capture(&trace, call->ip, call->cfa);
	struct record *record = record_begin(EVENT_SELFMEM_OPEN,
					     refused ? OUTCOME_FAILURE : OUTCOME_SUCCESS, &trace);
	record_path(record, fd);
	if (refused)
		record_error(record, EACCES, NULL);
	record_str(record, "mmfence.call", call->name);
	record_kind(record, file);
	record_str(record, "mmfence.selfmem.mode", mode_text(flags));
	if (refused)
		record_str(record, "mmfence.policy",
			   the_policy.selfmem_open == SELFMEM_OPEN_REFUSE ? "refuse" : "readonly");
	record_emit(record);
}

int selfmem_judge_open(const struct call *call, int fd, int flags)
{
	struct file file;

	if (file_identify(fd, &file) || !shows_memory(&file))
		return 0;
	bool refused = the_policy.selfmem_open == SELFMEM_OPEN_REFUSE ||
		       (the_policy.selfmem_open == SELFMEM_OPEN_READONLY &&
			(flags & O_ACCMODE) != O_RDONLY);
	report_open(call, fd, flags, &file, refused);
	return refused ? -EACCES : 0;
}

static void report_map(const struct call *call, const struct map_request *request,
		       const struct file *file, int error)
{
	char protection[5];
	struct trace trace;

	if (!audit_enabled())
		return;
	vma_protection_text(request->protection, request->flags & MAP_SHARED, protection);
	trace_capture(&trace, call->ip, call->cfa);
	struct record *record = record_begin(EVENT_SELFMEM_MAP, OUTCOME_FAILURE, &trace);
	record_path(record, request->fd);
	record_error(record, error, NULL);
	record_str(record, "mmfence.call", call->name);
	record_kind(record, file);
	record_uint(record, "mmfence.mapping.length", request->length);
	record_int(record, "mmfence.mapping.offset", request->offset);
	record_str(record, "mmfence.mapping.protection", protection);
	record_bool(record, "mmfence.mapping.shared", request->flags & MAP_SHARED);
	record_emit(record);
}

/* A read-only shared mapping of a descriptor that can write could be made writable later. */
static bool could_write(const struct map_request *request)
{
	return request->protection & PROT_WRITE ||
	       (raw(SYS_fcntl, request->fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

int selfmem_judge_map(const struct call *call, const struct map_request *request)
{
	struct file file;

	if (!(request->flags & MAP_SHARED) || !file_is_device_memory(request->fd) ||
	    !could_write(request) || file_identify(request->fd, &file))
		return 0;
	report_map(call, request, &file, EACCES);
	return -EACCES;
}

void selfmem_map_failed(const struct call *call, const struct map_request *request, int error)
{
	struct file file;

	if (!file_identify(request->fd, &file) && file.kind == FILE_PROCESS_MEMORY)
		report_map(call, request, &file, error);
}
