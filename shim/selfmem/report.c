/* SPDX-License-Identifier: MIT */
/*
 * Records of opens and maps: see report.h.
 */
#include <sys/mman.h>

#include "audit/trace.h"
#include "support/sys.h"
#include "kernel/vma.h"
#include "policy/policy.h"
#include "selfmem/report.h"
#include "selfmem/view.h"

#define PATH_BYTES 256

static const char *const synchrony_names[] = { NULL, "alone", "held", "held-user", "none" };

void record_memory_path(struct record *record, int fd)
{
	char path[PATH_BYTES];

	if (record && sys_fd_path(fd, path, sizeof(path)) > 0)
		record_str(record, "file.path", path);
}

void record_memory_kind(struct record *record, const struct file *file)
{
	record_str(record, "mmfence.selfmem.kind",
		   file->kind == FILE_PROCESS_MEMORY ? "process" : "device");
	if (file->owner >= 0)
		record_int(record, "mmfence.selfmem.owner", file->owner);
}

struct record *record_map(const struct call *call, int fd, const struct file *file, int error,
			  const char *reason)
{
	struct trace trace;

	if (!audit_enabled())
		return NULL;
	trace_capture(&trace, call->ip, call->cfa);
	struct record *record =
		record_begin(EVENT_SELFMEM_MAP, error ? OUTCOME_FAILURE : OUTCOME_SUCCESS, &trace);
	record_memory_path(record, fd);
	if (error)
		record_error(record, error, reason);
	record_str(record, "mmfence.call", call->name);
	record_memory_kind(record, file);
	return record;
}

void record_request(struct record *record, const struct map_request *request)
{
	char protection[5];

	vma_protection_text(request->protection, request->flags & MAP_SHARED, protection);
	record_uint(record, "mmfence.mapping.length", request->length);
	record_int(record, "mmfence.mapping.offset", request->offset);
	record_str(record, "mmfence.mapping.protection", protection);
	record_bool(record, "mmfence.mapping.shared", request->flags & MAP_SHARED);
}

void view_report(const struct view *view, const struct file *file, uintptr_t address, int error)
{
	struct record *record =
		record_map(view->call, view->request->fd, file, error, view->reason);

	if (!error) {
		record_str(record, "mmfence.selfmem.view",
			   view->copy	    ? "copy"
			   : view->readonly ? "readonly"
					    : "alias");
		record_uint(record, "mmfence.selfmem.turned", view->converted);
		record_uint(record, "mmfence.selfmem.bytes", view->bytes);
		if (synchrony_names[view->synchrony])
			record_str(record, "mmfence.selfmem.synchronised",
				   synchrony_names[view->synchrony]);
		record_address(record, "mmfence.mapping.address", address);
	}
	record_request(record, view->request);
	record_emit(record);
}
