/* SPDX-License-Identifier: MIT */
/*
 * S12: with audit.drift=on the log says at the end of a snapshot what the program would have
 * seen change under it, page by page; its own stores are none of it.
 */
#include "runner.h"

#define DRIFTED(name, how)                                                          \
	WIDTHS_HOLD(                                                                \
		S12, name, "drift", how, .options = { "audit.drift=on" },           \
		.finds = {                                                          \
			"snapshot.drift 1", "snapshot.drift mmfence.drift.pages=4", \
			"snapshot.drift mmfence.drift.ranges=12288+8192 36864+4096 61440+4096" })

DRIFTED(drift_is_told_when_it_is_unmapped, "unmap")
DRIFTED(drift_is_told_when_the_process_ends, "exit")
DRIFTED(own_stores_are_no_drift, "own")
DRIFTED(drift_is_told_of_what_is_left, "parts")
WIDTHS_HOLD(S12, drift_is_told_once, "drift", "tail", .options = { "audit.drift=on" },
	    .finds = { "snapshot.drift 1",
		       "snapshot.drift mmfence.drift.ranges=12288+8192 36864+4096" })

/* Nobody writes into it. */
WIDTHS_HOLD(S12, a_pipe_of_its_name_is_another_file, "drift", "replaced",
	    .options = { "audit.drift=on" },
	    .finds = { "snapshot.drift error.message=another file has its name" })

/* A guarded snapshot that nobody touched has nothing to compare. */
WIDTHS_HOLD(S12, untouched_files_do_not_drift, "drift", "whole", .options = { "audit.drift=on" },
	    .finds = { "snapshot.drift 0" })
