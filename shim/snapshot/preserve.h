/* SPDX-License-Identifier: MIT */
/*
 * Where old pages go when somebody comes: a reflink clone of the whole file, a memfd,
 * or a spill file with the parts that are mapped. Under a lease the file cannot
 * change meanwhile. On the lease thread.
 */
#ifndef MMFENCE_SNAPSHOT_PRESERVE_H
#define MMFENCE_SNAPSHOT_PRESERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/file.h"
#include "snapshot/snapshot.h"
#include "snapshot/windows.h"

struct preserve {
	int source; /* the leased descriptor */
	const char *path;
	const struct file *file;
	uint64_t most;	     /* bytes that may have to be copied */
	const char *no_copy; /* a clone or nothing, and why; or NULL */
	/* what came of it */
	int target; /* holds the pages at the file's own offsets */
	enum engine engine;
	struct vma_file shown;
	bool whole;
	uint64_t bytes, charged;
	struct windows copied; /* the caller's to free */
	const char *reason;    /* of a failure */
};

/* Opens the target, a clone if the policy and the file system have it: 0 or -errno. */
int preserve_begin(struct preserve *preserve);
/* Puts there what copied lists: 0 or -errno. */
int preserve_windows(struct preserve *preserve);
/* What copied lacks of one more: 0 or -errno. */
int preserve_window(struct preserve *preserve, const struct window *window);
/* The charge is what the target takes, which may be more than was copied: 0 or -ENOMEM. */
int preserve_charge(struct preserve *preserve);
/* Closes the target; after a failure returns the charge too. */
void preserve_end(struct preserve *preserve, bool failed);

#endif
