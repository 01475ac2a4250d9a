/* SPDX-License-Identifier: MIT */
/*
 * A9: what audit.snapshots=sites only counts comes to the same as every record.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runner.h"

/* What a report says of each file but how long it took: who waited is known of records alone. */
static char *told(const struct run *run)
{
	static const char filter[] =
		".snapshots[] | [(.path | split(\"/\") | last), .snapshots, .engines, .consistency, .fates, "
		".open, .ended_with_process, .mapped_bytes, .copied_bytes, .writers_waited.count, "
		".preserved, .lost]";
	char command[4 * PATH_MAX], *text = calloc(1, 8192);

	snprintf(command, sizeof(command), "'%s' report --json '%s' | jq -cS '%s'",
		 build_path("bin/mmfence"), run->log_path, filter);
	FILE *in = popen(command, "re");
	cr_assert(in && fread(text, 1, 8191, in) > 0);
	cr_assert(!pclose(in));
	return text;
}

static void run_with(struct run *run, const char *variant, const char *option, const char *guard,
		     const char *how)
{
	*run = (struct run){ .variant = variant,
			     .helper = "repeats",
			     .args = { how },
			     .options = { option, guard } };
	run_helper(run);
	cr_assert_eq(run_exit(run), 0, "%s", run->output);
}

static void same_story(const char *variant, const char *guard, const char *how, size_t processes)
{
	struct run every, sites;

	run_with(&every, variant, "audit.snapshots=every", guard, how);
	run_with(&sites, variant, "audit.snapshots=sites", guard, how);
	char *long_way = told(&every), *short_way = told(&sites);
	cr_expect_str_eq(short_way, long_way);
	cr_expect_eq(count_events(&every, "snapshot.create"), 60 * processes);
	cr_expect_eq(count_events(&sites, "snapshot.create"), 3 * processes);
	cr_expect_eq(count_events(&sites, "snapshot.total"), 3 * processes);
	cr_expect_eq(count_events(&sites, "snapshot.end"), 0);
	free(long_way);
	free(short_way);
	run_end(&every);
	run_end(&sites);
}

EACH_WIDTH(A9, repeated_snapshots_are_counted)
{
	same_story(variant, "snapshot.guard=auto", "alone", 1);
}

EACH_WIDTH(A9, repeated_copies_are_counted)
{
	same_story(variant, "snapshot.guard=none", "alone", 1);
}

EACH_WIDTH(A9, repeated_snapshots_of_a_child_are_counted)
{
	same_story(variant, "snapshot.guard=auto", "fork", 2);
}

WIDTHS_HOLD(A9, snapshots_are_not_on_record_if_not_wanted, "repeats", "alone",
	    .options = { "audit.snapshots=off" },
	    .finds = { "snapshot.create 0", "snapshot.end 0", "snapshot.total 0",
		       "snapshot.preserve 1" })
