/* SPDX-License-Identifier: MIT */
/*
 * Access checks of opens and maps: see selfmem.h. Async-signal-safe, since open is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "audit/event.h"
#include "kernel/file.h"
#include "support/sys.h"
#include "policy/policy.h"
#include "selfmem/selfmem.h"
#include "selfmem/view.h"

/* ---- What the records of this room have in common. ---- */

#define PATH_BYTES 256

static const char *const synchrony_names[] = { NULL, "alone", "held", "held-user", "none" };

/* Begins a record: path, error (or 0) and why, call, kind. */
static struct record *record_memory(enum event_action action, const struct call *call, int fd,
				    const struct file *file, int error, const char *reason)
{
	struct record *record =
		record_of_call(action, error ? OUTCOME_FAILURE : OUTCOME_SUCCESS, call);
	char path[PATH_BYTES];

	if (record && sys_fd_path(fd, path, sizeof(path)) > 0)
		record_str(record, "file.path", path);
	if (error)
		record_error(record, error, reason);
	record_str(record, "mmfence.call", call->name);
	record_str(record, "mmfence.selfmem.kind",
		   file->kind == FILE_PROCESS_MEMORY ? "process" : "device");
	if (file->owner >= 0)
		record_int(record, "mmfence.selfmem.owner", file->owner);
	return record;
}

/* address: where it is, or 0. */
static void record_request(struct record *record, const struct map_request *request,
			   uintptr_t address)
{
	record_mapping(record, address, request->length, request->offset, request->protection,
		       request->flags & MAP_SHARED);
	record_bool(record, "mmfence.mapping.shared", request->flags & MAP_SHARED);
}

void view_report(const struct view *view, const struct file *file, uintptr_t address, int error)
{
	struct record *record = record_memory(EVENT_SELFMEM_MAP, view->call, view->request->fd,
					      file, error, view->reason);

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
	}
	record_request(record, view->request, address);
	record_emit(record);
}

static bool shows_memory(const struct file *file)
{
	return file->kind == FILE_PROCESS_MEMORY || file->kind == FILE_DEVICE_MEMORY;
}

static const char *mode_text(int flags)
{
	static const char *const modes[] = { "r", "w", "rw", "rw" };
	return modes[flags & O_ACCMODE];
}

/* error: 0, or the kernel's or ours. */
static void report_open(const struct call *call, int fd, int flags, const struct file *file,
			int error, bool refused)
{
	struct record *record = record_memory(EVENT_SELFMEM_OPEN, call, fd, file, error, NULL);

	record_str(record, "mmfence.selfmem.mode", mode_text(flags));
	if (refused)
		record_str(record, "mmfence.policy",
			   the_policy.selfmem_open == SELFMEM_OPEN_REFUSE ? "refuse" : "readonly");
	record_emit(record);
}

int selfmem_check_open(const struct call *call, int fd, int flags)
{
	struct file file;

	if (file_identify(fd, &file) || !shows_memory(&file))
		return 0;
	bool refused = the_policy.selfmem_open == SELFMEM_OPEN_REFUSE ||
		       (the_policy.selfmem_open == SELFMEM_OPEN_READONLY &&
			(flags & O_ACCMODE) != O_RDONLY);
	report_open(call, fd, flags, &file, refused ? EACCES : 0, refused);
	return refused ? -EACCES : 0;
}

void selfmem_open_denied(const struct call *call, int fd, int flags, int error)
{
	struct file file;

	if (!file_identify(fd, &file) && shows_memory(&file))
		report_open(call, fd, flags, &file, error, false);
}

static void report_map(const struct call *call, const struct map_request *request,
		       const struct file *file, int error)
{
	struct record *record =
		record_memory(EVENT_SELFMEM_MAP, call, request->fd, file, error, NULL);

	record_request(record, request, 0);
	record_emit(record);
}

/* A read-only shared mapping of a descriptor that can write could be made writable later. */
static bool could_write(const struct map_request *request)
{
	return request->protection & PROT_WRITE ||
	       (sys_fcntl(request->fd, F_GETFL, 0) & O_ACCMODE) == O_RDWR;
}

/* What a file of sysfs or procfs is shows when it is mapped: somewhere else, and without access. */
static int can_be_mapped(const struct map_request *request)
{
	int flags = request->flags & ~(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_LOCKED | MAP_POPULATE);
	long r = sys_mmap(0, request->length, PROT_NONE, flags, request->fd, request->offset);

	if (sys_failed(r))
		return (int)r;
	sys_munmap(r, request->length);
	return 0;
}

int selfmem_check_map(const struct call *call, const struct map_request *request)
{
	struct file file;
	enum file_device device = file_device(request->fd);

	if (device == DEVICE_NONE || !could_write(request))
		return 0;
	int r = device == DEVICE_IF_MAPPED ? can_be_mapped(request) : 0;
	if (r) /* of ENODEV the kernel's own call is certain; nothing else may be tried twice */
		return r == -ENODEV ? 0 : r;
	if (file_identify(request->fd, &file))
		return 0;
	report_map(call, request, &file, EACCES);
	return -EACCES;
}

long selfmem_map_failed(const struct call *call, const struct map_request *request, int error)
{
	struct file file;

	if (file_identify(request->fd, &file) || file.kind != FILE_PROCESS_MEMORY)
		return -error;
	return selfmem_emulate(call, request, &file, error);
}

/* No backtrace: mprotect is not told its caller, for the sake of its speed. */
long selfmem_check_protect(uintptr_t address, size_t length)
{
	struct range range;

	if (!ranges_find(RANGE_READONLY, address, address + PAGE_UP(length), &range))
		return 0;
	struct record *record = record_begin(EVENT_SELFMEM_MAP, OUTCOME_FAILURE, NULL);
	record_error(record, EACCES, "a read-only view is to be made writable");
	record_str(record, "mmfence.call", "mprotect");
	record_str(record, "mmfence.selfmem.kind", "process");
	record_address(record, "mmfence.mapping.address", address);
	record_uint(record, "mmfence.mapping.length", length);
	record_emit(record);
	return -EACCES;
}

/* ---- fork ---- */

void selfmem_before_fork(void)
{
	ranges_settle();
	split_before_fork();
	views_release();
}

void selfmem_new_process(void)
{
	views_reset();
	ranges_after_fork();
}
