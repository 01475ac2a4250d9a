/* SPDX-License-Identifier: MIT */
/*
 * Private, read-only mappings for the measuring programs, and whether they are what
 * they are meant to be: a program that measures a plain mapping where it wants a
 * snapshot ends with exit status 3.
 */
#ifndef MMFENCE_BENCH_GUARDED_H
#define MMFENCE_BENCH_GUARDED_H

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "clock.h"
#include "mmfence.h"

struct view {
	int fd;
	size_t size;
	void *map;
};

static inline void view_open(struct view *view, const char *path)
{
	struct stat file;

	view->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (view->fd < 0 || fstat(view->fd, &file))
		die(path);
	view->size = (size_t)file.st_size;
}

/* File number of a directory of files that are named by numbers. */
static inline void view_open_numbered(struct view *view, const char *directory, size_t number)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%zu", directory, number);
	view_open(view, path);
}

static inline void view_map(struct view *view)
{
	view->map = mmap(NULL, view->size, PROT_READ, MAP_PRIVATE, view->fd, 0);
	if (view->map == MAP_FAILED)
		die("mmap");
}

static inline void view_unmap(struct view *view)
{
	if (munmap(view->map, view->size))
		die("munmap");
}

/* The map stands; it is to be a snapshot of this kind. */
static inline void view_expect(const struct view *view, enum mmfence_engine engine,
			       enum mmfence_fate fate)
{
	struct mmfence_snapshot snapshot;

	if (!mmfence_snapshot_info(view->map, &snapshot) && snapshot.engine == engine &&
	    snapshot.fate == fate)
		return;
	fprintf(stderr, "not a snapshot of the kind that is to be measured\n");
	exit(3);
}

static inline void view_expect_guard(const struct view *view)
{
	view_expect(view, MMFENCE_GUARD, MMFENCE_UNTOUCHED);
}

/* Opens the view's file once more and leases it. */
static inline int lease_bare(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_SETLEASE, F_RDLCK))
		die(path);
	return fd;
}

/* Long enough for the lease thread to give back what nobody needs any more. */
static inline void let_lease_thread_work(void)
{
	nanosleep(&(struct timespec){ 0, 3000000 }, NULL);
}

#endif
