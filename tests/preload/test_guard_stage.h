/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the guard share: file systems of their own, the kernel's
 * lease-break-time, and what a break must have said.
 */
#ifndef MMFENCE_TESTS_GUARD_STAGE_H
#define MMFENCE_TESTS_GUARD_STAGE_H

#include <stdbool.h>

#include "runner.h"

/* All snapshots were guarded, and cost nothing; `breaks` of them were preserved because of a
 * break. */
void guard_events(const struct run *run, size_t breaks);
/* A field is this string in every event of this name. */
void all_say(const struct run *run, const char *action, const char *name, const char *value);

/* A file system of its own at run.dir/work, in a mount namespace that ends with the helper. Put
 * into run->prepare before run_helper; root only. */
enum stage {
	STAGE_TMPFS,
	STAGE_EXT4,
	STAGE_EXT4_SECONDS,
	STAGE_XFS,
	STAGE_BTRFS,
	STAGE_OVERLAY,
	STAGE_OVERLAY_LOWER
};
void stage_on(struct run *run, enum stage stage);
/* The same, and then the helper is this user. */
void stage_user(unsigned int user);
/* An ext4 file system at run.dir/spill (or a tmpfs of so many bytes), and the options for it. */
void stage_spill(struct run *run, const char *tmpfs_size);
/* On another kind of file system, with options of mount's. */
void stage_spill_on(struct run *run, const char *type, const char *options);

/* For as long as the test runs a lease is broken by force after four seconds; that is put back
 * however the test ends. Nobody else may have a break under way that takes longer: they hold it
 * shared. */
void lease_time_shorten(void);
void lease_time_keep(void);

#endif
