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
		const char *engine = field_string(find_event_number(run, "snapshot.create", i),
						  "mmfence.snapshot.engine");
		cr_assert(!strcmp(engine, "guard") || !strcmp(engine, "clone"), "engine %s",
			  engine);
	}
	run_finds(run, "snapshot.create[*] mmfence.snapshot.bytes=0");
	run_finds(run, "snapshot.create[*] mmfence.snapshot.consistency=proven");
	run_finds(run, "snapshot.preserve[*] mmfence.snapshot.engine=clone");
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
	ON(stage, name##_guards_shared_mappings, "guard_shared", "shared/*", 0)    \
	ON(stage, name##_guards_windows_and_times, "guard_view", "[mos]*[snw]", 0) \
	ON(stage, name##_keeps_own_stores, "guard_areas", "writable*", 0)          \
	ON(stage, name##_hands_guards_to_children, "guard_fork", "[cpgm]*", 0)

PLACE(STAGE_TMPFS, tmpfs)
PLACE(STAGE_EXT4, ext4)
PLACE(STAGE_XFS, xfs)
PLACE(STAGE_BTRFS, btrfs)
PLACE(STAGE_OVERLAY, overlayfs)

/* A file of the lower layer is copied up when somebody opens it for writing: the mapping shows the
 * lower file and never changes; the next one shows the upper. */

/* Somebody else has no lease, but a clone is one moment of the file all the same. */
#define SOMEBODY_ELSE(place, name, engine, consistency)                                   \
	WIDTHS_HOLD(places, name, "guard_limits", "somebody_elses_file", .before = place, \
		    .finds = { "snapshot.create 1",                                       \
			       "snapshot.create mmfence.snapshot.engine=" engine,         \
			       "snapshot.create mmfence.snapshot.consistency=" consistency })

SOMEBODY_ELSE(stage_on_tmpfs, tmpfs_somebody_else_copies, "memory", "verified")
SOMEBODY_ELSE(stage_on_ext4, ext4_somebody_else_copies, "memory", "verified")
SOMEBODY_ELSE(stage_on_overlayfs, overlayfs_somebody_else_copies, "memory", "verified")
SOMEBODY_ELSE(stage_on_ext4_seconds, ext4_of_whole_seconds_somebody_else_copies, "memory",
	      "verified")
SOMEBODY_ELSE(stage_on_xfs, xfs_somebody_else_clones, "clone", "proven")
SOMEBODY_ELSE(stage_on_btrfs, btrfs_somebody_else_clones, "clone", "proven")

/* S15: nor where it would do a writer more harm than waiting. */
#define CHOOSES(name, pattern, engine)                                           \
	ONE_HOLDS(places, name, "clone_choice", pattern, .before = stage_on_xfs, \
		  .finds = { "snapshot.preserve[*] mmfence.snapshot.engine=" engine })

CHOOSES(clean_file_is_cloned, "clean", "clone")
ONE_HOLDS(places, dirty_file_is_copied, "clone_choice", "dirty", .before = stage_on_xfs,
	  .finds = { kernel_is_before("6.5")
			     ? "snapshot.preserve[*] mmfence.snapshot.engine=clone"
			     : "snapshot.preserve[*] mmfence.snapshot.engine=memory" })
CHOOSES(clone_takes_no_room_from_a_writer, "no_room", "memory")

/* S14: a change within the same second would not have shown. */
WIDTHS_HOLD(places, ext4_of_whole_seconds_is_not_verified_at_once, "guard_limits",
	    "somebody_elses_new_file", .before = stage_on_ext4_seconds,
	    .finds = { "snapshot.create[*] mmfence.snapshot.consistency=torn-possible",
		       "snapshot.create 1" })
