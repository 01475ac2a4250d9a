/* SPDX-License-Identifier: MIT */
/*
 * S16: programs that want to see others' changes are left plain, and the log says so.
 */
#include <string.h>

#include "runner.h"

static void left_plain(const char *variant, const char *what, const char *reason)
{
	struct run run = { .variant = variant, .helper = "live", .args = { what } };

	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "snapshot.unprotected");
	cr_assert(event && strstr(field_string(event, "error.message"), reason));
	cr_assert_str_eq(field_string(event, "mmfence.snapshot.decision"), "plain");
	cr_assert(count_events(&run, "snapshot.create") == 0);
	run_end(&run);
}

#define LEFT_PLAIN(name, what, reason)             \
	EACH_WIDTH(S16, name)                      \
	{                                          \
		left_plain(variant, what, reason); \
	}

LEFT_PLAIN(dconf_is_left_plain, "dconf", "GVDB")
LEFT_PLAIN(dconf_of_another_byte_order_is_left_plain, "swapped", "GVDB")
LEFT_PLAIN(berkeley_tree_is_left_plain, "btree", "Berkeley")
LEFT_PLAIN(berkeley_hash_is_left_plain, "hash", "Berkeley")
LEFT_PLAIN(berkeley_queue_is_left_plain, "queue", "Berkeley")
LEFT_PLAIN(who_maps_beyond_the_end_is_left_plain, "ahead", "beyond the file's end")
WIDTHS_HOLD(S16, named_files_are_taken_in, "live", "named_*", .options = { "snapshot.paths=**" })
WIDTHS_HOLD(S16, others_are_snapshots, "live", "other_*")

/* Nobody is denied what it does on purpose. */
EACH_WIDTH(S16, left_plain_is_not_denied)
{
	struct run run = { .variant = variant,
			   .helper = "live",
			   .args = { "ahead" },
			   .options = { "snapshot.on-failure=deny" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(find_event(&run, "snapshot.unprotected"));
	run_end(&run);
}
