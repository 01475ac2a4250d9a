/* SPDX-License-Identifier: MIT */
/*
 * The proof that the tests can fail: without mmfence every case of every helper must break,
 * but those that the kernel keeps by itself.
 */
#include "runner.h"

#define FAILS_BARE(helper_name)                            \
	EACH_VARIANT(bare, helper_name)                    \
	{                                                  \
		struct run run = { .variant = variant,     \
				   .helper = #helper_name, \
				   .args = { "--bare" },   \
				   .preload = RUN_BARE };  \
		run_helper(&run);                          \
		run_must_hold(&run);                       \
		cr_assert(run.record_count == 0);          \
		run_end(&run);                             \
	}

FAILS_BARE(overwrite)
FAILS_BARE(cut)
FAILS_BARE(stores)
FAILS_BARE(advice)
FAILS_BARE(areas)
FAILS_BARE(guard_fork)
FAILS_BARE(guard_spawn)

/* Whether a plain mapping changes while it is looked at depends on luck: without that case. */
RUNS(EACH_WIDTH, bare, writer, .helper = "writer", .args = { "--bare", "[!b]*" },
     .preload = RUN_BARE)
FAILS_BARE(restricted)
FAILS_BARE(device)

/* With the library, but told to leave mappings alone, they must break as well. */
RUNS(EACH_WIDTH, bare, mode_off_changes_nothing, .helper = "overwrite",
     .args = { "--bare", "*/self/*" }, .options = { "snapshot.mode=off" },
     .expects = { "mapping.sigbus" }, .finds = { "snapshot.create 0", "snapshot.unprotected 0" })

/* What a helper observes of a plain mapping. */
RUNS(EACH_WIDTH, bare, observe_sees_a_plain_mapping, .helper = "observe", .preload = RUN_BARE,
     .says = "plain\n")
