/* SPDX-License-Identifier: MIT */
/*
 * Where old pages go when somebody comes: a reflink clone of the whole file, a memfd,
 * or a spill file with the parts that are mapped. Under a lease the file cannot
 * change meanwhile. On the lease thread.
 */
#ifndef MMFENCE_SNAPSHOT_PRESERVE_H
#define MMFENCE_SNAPSHOT_PRESERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/file.h"
#include "snapshot/snapshot.h"

/* ---- parts of a file, in order and apart from each other: what is to be copied of it, and what
 * was. Which part of a copy is there is never asked of the copy itself: where it lies in huge
 * pages, or on a file system that knows no holes, everything seems to be ---- */

struct window {
	int64_t start, end; /* bytes of the file */
};

struct windows {
	struct window *list;
	size_t count, capacity;
};

/* Room for so many: 0 or -ENOMEM. */
int windows_alloc(struct windows *windows, size_t capacity);
void windows_free(struct windows *windows);
/* Adds one, in any order, that need not be apart from the others; an empty one is none. */
void windows_add(struct windows *windows, const struct window *window);
/* Puts them in order, and makes one of those that meet. */
void windows_join(struct windows *windows);
/* The first part of [at, end) that is in none of them: false when there is none. */
bool windows_gap(const struct windows *windows, int64_t at, int64_t end, struct window *out);

/* ---- where they go ---- */

struct preserve {
	struct copy copy; /* from the file to what holds its pages at the same offsets */
	const char *path;
	const struct file *file;
	uint64_t most;	     /* bytes that may have to be copied */
	const char *no_copy; /* a clone or nothing, and why; or NULL */
	/* what came of it */
	enum engine engine;
	struct vma_file shown;
	bool whole;
	bool borrowed; /* another process made it, and is charged */
	uint64_t charged;
	struct windows copied; /* the caller's to free */
	const char *reason;    /* of a failure */
};

/* Opens the target, a clone if the policy and the file system have it: 0 or -errno. */
int preserve_begin(struct preserve *preserve);
/* Instead: what another process of the family made. What it has of the file is for the caller to
 * add to copied. */
void preserve_borrow(struct preserve *preserve, int target, enum engine engine);
/* Puts there what copied lists: 0 or -errno. */
int preserve_windows(struct preserve *preserve);
/* What copied lacks of one more; what is borrowed is not added to, but copied. 0 or -errno. */
int preserve_window(struct preserve *preserve, const struct window *window);
/* Puts a part there, and charges what the target takes, which may be more than was copied: 0 or
 * -errno, and why. */
int preserve_part(struct preserve *preserve, bool has_holes, int64_t start, int64_t end);
/* What the snapshot shows from now on. */
void preserve_show(const struct preserve *preserve, struct snapshot *snapshot);
/* Closes the target; after a failure returns the charge too. */
void preserve_end(struct preserve *preserve, bool failed);

/* Directories in which a clone of a file is tried, after the file's own: from TMPDIR,
 * XDG_CACHE_HOME and HOME, each of which may be NULL. They must stay. Once, at start. */
void clone_places_settle(const char *temporary, const char *cache, const char *home);

#endif
