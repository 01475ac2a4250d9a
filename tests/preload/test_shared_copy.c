/* SPDX-License-Identifier: MIT */
/*
 * S13: what a family of processes costs together.
 */
#include "test_guard_stage.h"

static json_int_t bytes_of(const struct run *run, const char *action)
{
	json_int_t sum = 0;
	json_t *event;

	for (size_t i = 0; (event = find_event_number(run, action, i)); i++)
		sum += field_number(event, "mmfence.snapshot.bytes");
	return sum;
}

static void two_copies_of(struct run *run, const char *action)
{
	json_int_t bytes = bytes_of(run, action);

	cr_assert(bytes == 2 * 64 * 4096, "%lld bytes were copied", (long long)bytes);
}

static void two_copies(struct run *run)
{
	two_copies_of(run, "snapshot.preserve");
}

static void two_copies_at_once(struct run *run)
{
	two_copies_of(run, "snapshot.create");
}

/* S13: nine processes, two versions of a file of 64 pages, and two copies in all. */
/* S13: a spill file serves as well. */
WIDTHS_HOLD(S13, one_copy_for_all, "shared_copy", "one_for_all",
	    .options = { "snapshot.preserve=memory" }, .finds = { "snapshot.preserve 18" },
	    .look = two_copies)
WIDTHS_HOLD(S13, one_spill_file_for_all, "shared_copy", "one_for_all",
	    .options = { "snapshot.preserve=spill", "snapshot.spill-dir=." }, .look = two_copies)

/* S13: nine processes map each of two versions twice, writable: two copies in all. */
WIDTHS_HOLD(S13, one_copy_of_a_version, "shared_copy", "one_version",
	    .options = { "snapshot.preserve=memory" }, .finds = { "snapshot.create 36" },
	    .look = two_copies_at_once)

/* S1: a copy serves no mapping that is made after a store which the file's times do not show. */
WIDTHS_HOLD(S1, stores_without_a_time, "shared_copy", "stores_without_a_time",
	    .before = stage_on_tmpfs)

/* S1: nor one that another copy is in the place of. */
WIDTHS_HOLD(S1, copy_that_is_gone, "shared_copy", "copy_that_is_gone",
	    .options = { "snapshot.preserve=spill", "snapshot.spill-dir=." })

/* S13: `mmfence run' holds the table for what its command starts: nine programs map a file twice,
 * and one of them copies it once. */
EACH_WIDTH(S13, one_copy_for_other_programs)
{
	static const char script[] =
		"'%s' run -q --log log -o audit.snapshots=every -o snapshot.preserve=memory -- '%s' "
		"other_programs >&2 && grep -c snapshot.create log; "
		"grep snapshot.create log | grep -vc '\"bytes\":0,'";
	char commands[3 * PATH_MAX], helper[64];
	struct run run = { .helper = "/bin/sh", .args = { "-c", commands }, .preload = RUN_BARE };

	snprintf(helper, sizeof(helper), "helpers/%s/shared_copy", variant);
	snprintf(commands, sizeof(commands), script, build_path("bin/mmfence"), build_path(helper));
	run_helper(&run);
	cr_expect_str_eq(run.output, "18\n1\n", "%s%s", run.output, run.errors);
	run_end(&run);
}

/* S13: one budget, in which the copies of a process that ended count no more. */
WIDTHS_HOLD(S13, one_budget, "shared_copy", "one_budget",
	    .options = { "snapshot.preserve=memory", "snapshot.memory=300K" },
	    /* the child has its parent's, too */
	    .finds = { "snapshot.lost 2",
		       "snapshot.lost error.message=snapshot.memory is used up" })

/* S13: many small copies are no reason for the OOM killer either. */
WIDTHS_HOLD(S13, small_copies_in_a_full_cgroup, "shared_copy", "small_copies",
	    .options = { "snapshot.preserve=memory" },
	    .finds = { "snapshot.unprotected error.message~not enough memory is available" })
