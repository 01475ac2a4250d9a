/* SPDX-License-Identifier: MIT */
/*
 * S16: programs that want to see others' changes are left plain, and the log says so.
 */

#include "runner.h"

#define KEEP_ALIVE "MMFENCE_PRESET=keep-alive"

#define LEFT_PLAIN(name, what, reason)                                                            \
	WIDTHS_HOLD(S16, name, "live", what, .env = { KEEP_ALIVE },                               \
		    .finds = { "snapshot.create 0", "snapshot.unprotected error.message~" reason, \
			       "snapshot.unprotected mmfence.snapshot.decision=plain" })

LEFT_PLAIN(dconf_is_left_plain, "dconf", "GVDB")
LEFT_PLAIN(dconf_of_another_byte_order_is_left_plain, "swapped", "GVDB")
LEFT_PLAIN(berkeley_tree_is_left_plain, "btree", "Berkeley")
LEFT_PLAIN(berkeley_hash_is_left_plain, "hash", "Berkeley")
LEFT_PLAIN(berkeley_queue_is_left_plain, "queue", "Berkeley")
LEFT_PLAIN(shared_mappings_are_left_plain_too, "shared", "GVDB")
LEFT_PLAIN(who_maps_beyond_the_end_is_left_plain, "ahead", "beyond the file's end")
WIDTHS_HOLD(S16, named_files_are_taken_in, "live", "named_*", .options = { "snapshot.paths=**" })
WIDTHS_HOLD(S16, others_are_snapshots, "live", "other_*")

/* Who maps beyond the end lives on when the file is cut, and then sees no growth. */
WIDTHS_HOLD(S17, left_plain_is_rescued, "live", "rescued", .env = { KEEP_ALIVE },
	    .finds = { "snapshot.unprotected", "mapping.rescued" })

/* Nobody is denied what it does on purpose. */
WIDTHS_HOLD(S16, left_plain_is_not_denied, "live", "ahead",
	    .options = { "snapshot.on-failure=deny" }, .finds = { "snapshot.unprotected" })
