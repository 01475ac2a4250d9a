/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the guard share: file systems of their own, the kernel's
 * lease-break-time, and what a break must have said.
 */
#ifndef MMFENCE_TESTS_GUARD_STAGE_H
#define MMFENCE_TESTS_GUARD_STAGE_H

#include <stdbool.h>

#include "runner.h"

/* All snapshots were guarded, and cost nothing; run->breaks of them were preserved because of a
 * break. */
void guard_events(struct run *run);

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
/* For run->before. */
void stage_on_tmpfs(struct run *run);
void stage_on_ext4(struct run *run);
void stage_on_ext4_seconds(struct run *run);
void stage_on_xfs(struct run *run);
void stage_on_btrfs(struct run *run);
void stage_on_overlayfs(struct run *run);
/* The same, and then the helper is this user. */
void stage_user(unsigned int user);
/* An ext4 file system at run.dir/spill, or a small tmpfs, and the options for it. */
void stage_spill(struct run *run);
void stage_small_spill(struct run *run);
/* On another kind of file system, with options of mount's. */
void stage_spill_on(struct run *run, const char *type, const char *options);

/* For as long as the test runs a lease is broken by force after four seconds; that is put back
 * however the test ends. Nobody else may have a break under way that takes longer: they hold it
 * shared. */
void lease_time_shorten(struct run *run);
void lease_time_keep(struct run *run);

#endif
