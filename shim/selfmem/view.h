/* SPDX-License-Identifier: MIT */
/*
 * A second view of the program's own memory, and what the parts of the room that make
 * one share. The order: view.c looks at what is there, and makes the view in a
 * place where nobody sees it; convert.c then converts private memory into the memfd that the
 * view shows, and puts everything back if it cannot; emulate.c moves the view to where
 * the program wants it. Until the conversion nothing of the program's is touched.
 */
#ifndef MMFENCE_SELFMEM_VIEW_H
#define MMFENCE_SELFMEM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/event.h"
#include "kernel/vma.h"
#include "kernel/file.h"
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

/* Looks at the source, and sees to it that the list has room for it. 0, or -errno and the reason.
 */
int source_look(struct view *view);

/* On a bare thread: makes the view at stage, and converts what has to be. The result is in the
 * view.
 */
void view_make(void *view);
/* The same for a source that needs no conversion, on any thread. */
int view_double(struct view *view);

/* Its pages, from where they are, to where they are in the memfd: 0, or -errno and the reason. */
struct proc;
int part_copy(struct view *view, const struct part *part, int memfd, const struct proc *proc);

/* On the bare thread: converts the private parts into the memfd. */
int convert(struct view *view, int memfd);

/* Some areas' worth of room under vm.max_map_count, so that steps which must not fail do not. */
long spare_take(void);
void spare_give(long spare);

/* The event; error 0 for success, address is where the view is. */
void view_report(const struct view *view, const struct file *file, uintptr_t address, int error);

/* ---- hold.c ---- */

struct hold {
	int fd;
	bool user_only; /* system calls do not wait: they fail with EFAULT */
};

/* 0, or -errno when there is none to be had. */
int hold_open(struct hold *hold);
/* From now on touching a page of the range that is not there waits. */
int hold_range(const struct hold *hold, uintptr_t start, uintptr_t end);
/* Another mapping is there, or the old one again: whoever waits goes on. */
void hold_release(const struct hold *hold, uintptr_t start, uintptr_t end);
void hold_close(struct hold *hold);

/* Instead of both: a system call that touches a hole of shared memory in the range fails with
 * EFAULT, and the hole stays one. */
int hold_refuse_missing(struct hold *hold, uintptr_t start, uintptr_t end);

/* ---- copy_pages.c ---- */

/* [from, end) to file offset at: 0, -EFAULT when part of it cannot be read, or -errno. Adds to
 * *bytes. */
int copy_every_page(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes);

/* /proc/self/pagemap and /proc/self/mem, or -errno: as long as the thread is there. */
struct proc {
	int pagemap, memory;
};
void proc_open(struct proc *proc);

/* The same for anonymous memory: only pages that are there. Without pagemap all are. */
int copy_touched_pages(int fd, const struct proc *proc, uintptr_t from, uintptr_t end, int64_t at,
		       uint64_t *bytes);

/* The same for private memory that is protected against reading; touched: only pages that are
 * there. */
int copy_unreadable_pages(int fd, const struct proc *proc, bool touched, uintptr_t from,
			  uintptr_t end, int64_t at, uint64_t *bytes);

/* The same for shared memory, readable or not: its holes are not filled by looking at them. */
int copy_shared_pages(int fd, uintptr_t from, uintptr_t end, int64_t at, uint64_t *bytes);

/* ---- split.c ---- */

/* Before the fork, on the thread that forks, when nobody changes the tables: copies what views
 * show, for the child. */
void split_before_fork(void);
/* The copies are the child's alone. */
void split_after_fork_in_parent(void);
/* Puts them where the child has views. */
void split_after_fork_in_child(void);

#endif
