/* SPDX-License-Identifier: MIT */
/*
 * Memory of processes (/proc/PID/mem) and of the machine (/dev/mem): who opens it,
 * and who wants it mapped. Told by what is behind the descriptor.
 */
#ifndef MMFENCE_SELFMEM_SELFMEM_H
#define MMFENCE_SELFMEM_SELFMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/file.h"
#include "mapping/request.h"
#include "support/call.h"

/* A descriptor that file_is_suspect points at, opened with these flags: 0 when the program
 * may have it, -EACCES when not (the caller closes it). */
int selfmem_check_open(const struct call *call, int fd, int flags);

/* The kernel did not open what this descriptor of a path alone (O_PATH) leads to. */
void selfmem_open_denied(const struct call *call, int fd, int flags, int error);

/* A shared mapping of something that file_device points at is about to be made: 0, -EACCES, or what
 * the kernel says of it. */
int selfmem_check_map(const struct call *call, const struct map_request *request);

/* The kernel refused a mapping: if it was of process memory, an event, and a view if the policy
 * says so. Its address, or -error. */
long selfmem_map_failed(const struct call *call, const struct map_request *request, int error);

/* The range is about to be made writable, and ranges_any: 0 or -EACCES. */
long selfmem_check_protect(uintptr_t address, size_t length);

/* Before fork, after views_hold, when nobody changes the tables any more. */
void selfmem_before_fork(void);
/* This is another process than before, however it came to be. */
void selfmem_new_process(void);

/* ---- converted.c ---- */

/* This advice is to be followed by converted_advised, and no conversion may come in between. */
bool converted_gives_up(int advice);
/* After madvise: what it should have returned. Pages given up are zeros for the source and its
 * views. */
long converted_advised(uintptr_t address, size_t length, int advice, long result);

/* After mremap moved, doubled or grew what was at old, with these flags: what it grew by is zeros
 * that are nobody else's, and what it left behind too. The address, or -ENOMEM, and it is back at
 * old. */
long converted_moved(uintptr_t old, size_t old_size, uintptr_t address, size_t new_size, int flags);

/* ---- processes.c ---- */

/* Such a call was made, and answered with result (-errno, or bytes where it moves any). Recorded by
 * call site: the first one, and each time that there are twice as many. owner: whose they are, or
 * -1. */
void processes_reached(const struct call *call, const char *name, pid_t owner, long result);

/* The process whose descriptor this is, or -1. */
pid_t processes_owner(int pidfd);

/* What was counted since the last record of each call site. */
void processes_totals(void);
void processes_forget(void);

/* ---- emulate.c ---- */

/* The view's address, or -errno: error, where it is for the kernel to refuse. */
long selfmem_emulate(const struct call *call, const struct map_request *request,
		     const struct file *file, int error);

/* Whether there was a view in this process, or is about to be. */
bool selfmem_has_views(void);

/* No view is under way while held. views_hold is for fork; all others wait for a fork too. */
void views_take(void);
void views_hold(void);
void views_release(void);
/* In a child. */
void views_reset(void);

/* ---- ranges.c ---- */

enum range_kind {
	/* A view that may never be made writable. The kernel sees to it itself where the view is a
	 * mapping of a description that cannot write; a second view of memory that is shared
	 * already is a copy of a mapping that could be written. */
	RANGE_READONLY = 1,
	/* What was private anonymous memory, and was converted. */
	RANGE_CONVERTED = 2,
	/* What was a private mapping of a file, and was converted. */
	RANGE_FILE = 4,
};

struct range {
	uintptr_t start, end;
	uint64_t device, inode;
	int64_t used, size; /* of a memfd: what lies between was never anybody's */
	bool shared; /* with the process that this one was forked from, whose pages they are */
	enum range_kind kind;
};

bool ranges_any(void);

/* Room for so many entries: 0, or -ENOMEM. */
int ranges_reserve(size_t count);
/* Takes room that was reserved. */
void ranges_add(const struct range *range);
/* The same for each area in the range. */
void ranges_add_areas(uintptr_t start, uintptr_t end, enum range_kind kind);
/* Something else is there now. */
void ranges_remove(uintptr_t start, uintptr_t end);
/* The range, or part of it, was moved or doubled. */
void ranges_move(uintptr_t start, uintptr_t end, uintptr_t target);

/* The first part of [at, end) that is of one of these kinds, and still there. */
bool ranges_find(unsigned int kinds, uintptr_t at, uintptr_t end, struct range *out);

/* A mapping of this file grew to the offset end, from start: whether what lies there was nobody's,
 * as it is not any more. */
bool ranges_use(const struct range *range, int64_t start, int64_t end);

/* The gate is closed: waits until nobody is in the list. */
void ranges_settle(void);
/* In a child: all is its parent's too. */
void ranges_after_fork(void);
/* In a child: what showed the one file shows the other, which is its own. */
void ranges_renew(uint64_t device, uint64_t inode, const struct range *own);

#endif
