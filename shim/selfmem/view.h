/* SPDX-License-Identifier: MIT */
/*
 * A second view of the program's own memory, and what the parts of the room that make
 * one share. The order: source.c looks at what is there; view.c makes the view in a
 * place where nobody sees it; convert.c then converts private memory into the memfd that the
 * view shows, and puts everything back if it cannot; emulate.c moves the view to where
 * the program wants it. Until the conversion nothing of the program's is touched.
 */
#ifndef MMFENCE_SELFMEM_VIEW_H
#define MMFENCE_SELFMEM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/file.h"
#include "kernel/attributes.h"
#include "mapping/request.h"
#include "support/call.h"

/* As /proc/PID/maps names the memory of views, and where there is no memfd. */
#define VIEW_MEMFD "mmfence-view"
#define VIEW_NAME  "/memfd:" VIEW_MEMFD " (deleted)"
#define VIEW_SHM   UNNAMED_SHM "/" VIEW_MEMFD "."

/* The memfd is larger than what is in it: a mapping of it that grows finds zeros, as private memory
 * does. */
#define VIEW_FILE_BYTES (1LL << 42)
/* Makes it as large as that, or as it has to be. */
int view_file_size(int fd, int64_t least, int64_t *size);

/* What of the source lies in one area. */
struct part {
	uintptr_t start, end;
	int protection;
	bool shared;	 /* there is something to map a second time; else it has to be converted */
	bool anonymous;	 /* pages that were never touched are zeros */
	uintptr_t aside; /* where its pages are during the conversion, or 0 */
	bool held;	 /* touching it meanwhile waits */
	bool replaced;
	struct attributes attributes;
};

/* How the conversion kept stores of other threads. */
enum synchrony {
	SYNC_NONE,  /* nothing was converted */
	SYNC_ALONE, /* there are no other threads */
	SYNC_HELD,  /* their accesses waited */
	SYNC_USER,  /* the same, but a system call that touched the memory failed with EFAULT */
	SYNC_LOST,  /* they did not wait: stores may be lost */
};

struct view {
	const struct call *call;
	const struct map_request *request;
	uintptr_t start, end; /* the source */
	uintptr_t stage;      /* where it is made */
	struct part *parts;
	size_t count, room;
	bool copy;     /* MAP_PRIVATE */
	bool readonly; /* it can never be made writable */
	bool alone;    /* the process has one thread */
	enum synchrony synchrony;
	uint64_t converted, bytes; /* of address space; copied */
	const char *reason;	   /* of a failure */
	int result;
};

/* Looks at the source. 0, or -errno and the reason. */
int source_look(struct view *view);

/* On a bare thread: makes the view at stage, and converts what has to be. The result is in the
 * view.
 */
void view_make(void *view);
/* The same for a source that needs no conversion, on any thread. */
int view_double(struct view *view);

/* On the bare thread: converts the private parts into the memfd. */
int convert(struct view *view, int memfd);

/* Some areas' worth of room under vm.max_map_count, so that steps which must not fail do not. */
long spare_take(void);
void spare_give(long spare);

/* The event; error 0 for success, address is where the view is. */
void view_report(const struct view *view, const struct file *file, uintptr_t address, int error);

#endif
