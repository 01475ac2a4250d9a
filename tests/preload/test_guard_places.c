/* SPDX-License-Identifier: MIT */
/*
 * The guard on each kind of file system, as root, as the files' owner and as somebody else.
 * Where there are reflinks a break costs a clone, and no byte is copied.
 */
#include <string.h>

#include "test_guard_stage.h"

#define SOMEBODY 40777

/* Before Linux 4.5 the call was btrfs' own, which what plays an older kernel does not know. */
static bool has_reflinks(enum stage stage)
{
	return (stage == STAGE_XFS || stage == STAGE_BTRFS) && !kernel_is_before("4.5");
}

static void clones_cost_nothing(const struct run *run)
{
	for (size_t i = 0; i < count_events(run, "snapshot.create"); i++) {
		const json_t *event = find_event_number(run, "snapshot.create", i);
		const char *engine = field_string(event, "mmfence.snapshot.engine");
		cr_assert(!strcmp(engine, "guard") || !strcmp(engine, "clone"), "engine %s",
			  engine);
		cr_assert(field_number(event, "mmfence.snapshot.bytes") == 0);
		cr_assert_str_eq(field_string(event, "mmfence.snapshot.consistency"), "proven");
	}
	all_say(run, "snapshot.preserve", "mmfence.snapshot.engine", "clone");
}

static void engines_are_right(const struct run *run, enum stage stage)
{
	cr_assert(count_events(run, "snapshot.create") > 0);
	cr_assert(count_events(run, "snapshot.lost") == 0);
	cr_assert(count_events(run, "snapshot.unprotected") == 0);
	if (has_reflinks(stage))
		clones_cost_nothing(run);
}

static void holds_on(const char *variant, enum stage stage, const char *helper, const char *pattern,
		     unsigned int user)
{
	struct run run = { .variant = variant,
			   .helper = helper,
			   .args = { pattern },
			   .options = { "snapshot.shared=**/guard.data",
					"snapshot.paths=**/cut.data" },
			   .seconds = 120 };

	stage_on(&run, stage);
	stage_user(user);
	run_helper(&run);
	run_must_hold(&run);
	engines_are_right(&run, stage);
	run_end(&run);
}

#define ON(stage, name, helper, pattern, user)                   \
	EACH_WIDTH(places, name)                                 \
	{                                                        \
		holds_on(variant, stage, helper, pattern, user); \
	}

/* All ways to change a file; the guard's own; fork. */
#define PLACE(stage, name)                                                         \
	ON(stage, name##_survives_every_way_of_writing, "overwrite", "*", 0)       \
	ON(stage, name##_survives_cutting, "cut", "*", 0)                          \
	ON(stage, name##_guards_as_root, "guard_view", "survives/*", 0)            \
	ON(stage, name##_guards_as_owner, "guard_view", "survives/*", SOMEBODY)    \
	ON(stage, name##_guards_shared_mappings, "guard_view", "shared/*", 0)      \
	ON(stage, name##_guards_windows_and_times, "guard_view", "[mos]*[snw]", 0) \
	ON(stage, name##_keeps_own_stores, "guard_view", "writable*", 0)           \
	ON(stage, name##_hands_guards_to_children, "guard_fork", "[cpgm]*", 0)

PLACE(STAGE_TMPFS, tmpfs)
PLACE(STAGE_EXT4, ext4)
PLACE(STAGE_XFS, xfs)
PLACE(STAGE_BTRFS, btrfs)
PLACE(STAGE_OVERLAY, overlayfs)

/* A file of the lower layer is copied up when somebody opens it for writing: the mapping shows the
 * lower file and never changes; the next one shows the upper. */

/* Somebody else has no lease, but a clone is one moment of the file all the same. */
static void somebody_else_on(const char *variant, enum stage stage)
{
	bool clone = has_reflinks(stage);

	struct run run = { .variant = variant,
			   .helper = "guard_limits",
			   .args = { "somebody_elses_file" } };

	stage_on(&run, stage);
	run_helper(&run);
	run_must_hold(&run);
	all_say(&run, "snapshot.create", "mmfence.snapshot.engine", clone ? "clone" : "memory");
	all_say(&run, "snapshot.create", "mmfence.snapshot.consistency",
		clone ? "proven" : "verified");
	cr_assert(count_events(&run, "snapshot.create") == 1);
	run_end(&run);
}

#define SOMEBODY_ELSE(stage, name)                \
	EACH_WIDTH(places, name)                  \
	{                                         \
		somebody_else_on(variant, stage); \
	}

SOMEBODY_ELSE(STAGE_TMPFS, tmpfs_somebody_else_copies)
SOMEBODY_ELSE(STAGE_EXT4, ext4_somebody_else_copies)
SOMEBODY_ELSE(STAGE_OVERLAY, overlayfs_somebody_else_copies)
SOMEBODY_ELSE(STAGE_EXT4_SECONDS, ext4_of_whole_seconds_somebody_else_copies)
SOMEBODY_ELSE(STAGE_XFS, xfs_somebody_else_clones)
SOMEBODY_ELSE(STAGE_BTRFS, btrfs_somebody_else_clones)

/* S14: a change within the same second would not have shown. */
EACH_WIDTH(places, ext4_of_whole_seconds_is_not_verified_at_once)
{
	struct run run = { .variant = variant,
			   .helper = "guard_limits",
			   .args = { "somebody_elses_new_file" } };

	stage_on(&run, STAGE_EXT4_SECONDS);
	run_helper(&run);
	run_must_hold(&run);
	all_say(&run, "snapshot.create", "mmfence.snapshot.consistency", "torn-possible");
	cr_assert(count_events(&run, "snapshot.create") == 1);
	run_end(&run);
}
