/* SPDX-License-Identifier: MIT */
/*
 * N2: remap_file_pages where a filter has none, and where mmfence is to do it always: the
 * kernel's results, errors, areas and bytes, also long after the descriptor was closed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"
#include "test_guard_stage.h"

static void install(unsigned int error)
{
	struct filter filter = { .length = 0 };

	filter_fail(&filter, SYS_remap_file_pages, 257, 0, error);
	filter_install(&filter);
}

static void answer_enosys(struct run *run)
{
	install(ENOSYS);
}

static void answer_eperm(struct run *run)
{
	install(EPERM);
}

/* ---- against the kernel ---- */

/* Where the kernel has no PROCMAP_QUERY each call reads all of maps. */
static const char *programs(void (*prepare)(struct run *run))
{
	return prepare || kernel_is_before("6.11") ? "1000" : "10000";
}

static void agree(const char *variant, const char *snapshots, void (*prepare)(struct run *run))
{
	struct run run = { .variant = variant,
			   .helper = "differential",
			   .args = { NULL, programs(prepare) },
			   .options = { "nonlinear.emulate=always", snapshots },
			   .prepare = prepare,
			   .seconds = 300 };
	char seed[32];

	snprintf(seed, sizeof(seed), "%llu",
		 (unsigned long long)time(NULL) << 16 | (getpid() & 0xffff));
	fprintf(stderr, "N2: %s programs (%s) with seed %s\n", run.args[1], variant, seed);
	run.args[0] = seed;
	run_helper(&run);
	run_must_hold(&run);
	cr_assert(strstr(run.output, " programs agree"), "%s", run.output);
	cr_assert(find_event(&run, "nonlinear.remap"), "nothing was emulated");
	run_end(&run);
}

EACH_WIDTH(N2, agrees_with_the_kernel)
{
	agree(variant, "snapshot.mode=off", NULL);
}

/* Where snapshots are, the answers are the kernel's too. */
ONCE(N2, agrees_beside_snapshots)
{
	agree(variant, "snapshot.paths=**", NULL);
}

EACH_WIDTH(N2, agrees_on_an_old_kernel)
{
	bool narrow = !strcmp(variant, "m32");

	agree(variant, narrow ? "snapshot.mode=off" : "snapshot.paths=**", filter_as_before_6_7);
}

#define OVER_SNAPSHOTS(emulate)                                                \
	TRY(.helper = "emulated", .args = { "over_snapshots" },                \
	    .options = { "nonlinear.emulate=" emulate, "snapshot.shared=**" }, \
	    .finds = { "snapshot.create >2", "snapshot.grow 0" })

EACH_WIDTH(N2, over_snapshots)
{
	OVER_SNAPSHOTS("always");
	OVER_SNAPSHOTS("auto");
}

/* ---- what became of descriptor and name ---- */

/* The calls that worked were emulated in this way. */
static void ways_are(const struct run *run, const char *way)
{
	size_t seen = 0;

	for (size_t i = 0; i < run->record_count; i++) {
		const json_t *event = run->records[i];
		if (strcmp(field_string(event, "event.action"), "nonlinear.remap") != 0 ||
		    strcmp(field_string(event, "event.outcome"), "success") != 0)
			continue;
		const char *found = field_string(event, "mmfence.emulated");
		cr_assert(found, "the kernel did a call");
		seen += !strcmp(found, way);
	}
	cr_assert(seen, "no call by way of %s", way);
}

static void by_mapping(struct run *run)
{
	ways_are(run, "mapping");
}

static void by_map_files(struct run *run)
{
	ways_are(run, "map_files");
}

static void by_path(struct run *run)
{
	ways_are(run, "path");
}

/* prepared: the way of a call with `always`, which keeps one from the start; way: under a filter.
 */
#define IN_EACH_WAY(program, audit, name, prepared, way)                                           \
	TRY(.helper = program, .args = { name }, .options = { "nonlinear.emulate=always", audit }, \
	    .look = prepared);                                                                     \
	TRY(.helper = program, .args = { name }, .options = { "nonlinear.emulate=auto", audit },   \
	    .prepare = answer_enosys, .look = way);                                                \
	TRY(.helper = program, .args = { name }, .options = { "nonlinear.emulate=auto", audit },   \
	    .prepare = answer_eperm, .look = way)

#define TOGETHER(name)                                                             \
	EACH_WIDTH(N2, name)                                                       \
	{                                                                          \
		IN_EACH_WAY("emulated_left", NULL, #name, by_mapping, by_mapping); \
	}

TOGETHER(threads)
TOGETHER(read_meanwhile)
TOGETHER(fork_meanwhile)

/* In one window, while what it comes from grows or is given back after each call. */
#define STORM(name, how)                                                                        \
	WIDTHS_HOLD(N2, name, "emulated_storm", how, .options = { "nonlinear.emulate=always" }, \
		    .says = "38400 calls\n", .look = by_mapping)

STORM(storm_in_a_window_that_grows, "growing")
STORM(storm_in_a_window_that_is_given_back, "given_back")

#define HOLDS_OF(program, name, prepared, way)                                       \
	EACH_VARIANT(N2, name)                                                       \
	{                                                                            \
		skip_unless_root();                                                  \
		IN_EACH_WAY(program, "audit.nonlinear=every", #name, prepared, way); \
	}

#define HOLDS(...)	    HOLDS_OF("emulated", __VA_ARGS__)
#define LEAVES_NOTHING(...) HOLDS_OF("emulated_left", __VA_ARGS__)

HOLDS(closed, by_mapping, by_mapping)
HOLDS(unlinked, by_mapping, by_mapping)
HOLDS(renamed, by_mapping, by_mapping)
HOLDS(replaced, by_mapping, by_mapping)
HOLDS(memfd, by_mapping, by_mapping)
HOLDS(system_v, by_mapping, by_mapping)
HOLDS(lower_page, by_mapping, by_map_files)
HOLDS(lower_page_elsewhere, by_mapping, by_mapping)
HOLDS(lower_page_by_path, by_mapping, by_path)
HOLDS(lower_page_replaced, by_mapping, by_map_files)
HOLDS(read_only_descriptor, by_mapping, by_mapping)
HOLDS(read_only_beside, by_mapping, by_mapping)
LEAVES_NOTHING(children, by_mapping, by_mapping)
LEAVES_NOTHING(cut, by_mapping, by_map_files)
LEAVES_NOTHING(moved, by_mapping, by_mapping)
LEAVES_NOTHING(nothing_left, by_mapping, by_mapping)
LEAVES_NOTHING(no_areas_pile_up, by_mapping, by_map_files)
LEAVES_NOTHING(no_descriptors, by_mapping, by_map_files)
LEAVES_NOTHING(locked, by_mapping, by_mapping)
LEAVES_NOTHING(lock_future, by_mapping, by_mapping)
LEAVES_NOTHING(lock_current, by_mapping, by_mapping)
HOLDS(sealed, by_mapping, by_mapping)
LEAVES_NOTHING(not_inherited, by_mapping, by_mapping)
LEAVES_NOTHING(address_space_limit, by_mapping, by_mapping)
LEAVES_NOTHING(address_space_limit_later, by_mapping, by_mapping)
HOLDS(far_page, by_mapping, by_mapping)

/* P8: where areas are listed to be looked at. */
ONE_HOLDS(N2, given_back_downwards_on_an_old_kernel, "emulated_left", "given_back_downwards",
	  .options = { "nonlinear.emulate=always" }, .prepare = filter_as_before_6_7)

EACH_WIDTH(N2, subvolumes)
{
	TRY(.helper = "emulated", .args = { "subvolumes" }, .before = stage_on_btrfs,
	    .options = { "nonlinear.emulate=auto" });
	TRY(.helper = "emulated", .args = { "subvolumes" }, .before = stage_on_btrfs,
	    .options = { "nonlinear.emulate=always" });
}

RUNS_AND(EACH_WIDTH, N2, huge, .helper = "emulated_left", .args = { "huge" },
	 .options = { "nonlinear.emulate=always" })
{
	if (strstr(run->output, "no huge pages"))
		cr_skip_test("no huge pages are set aside (vm.nr_hugepages)");
}

/* Without a capability, a name and a descriptor a page before the window is reached only if there
 * was time to keep a way to it. */
EACH_WIDTH(N2, out_of_reach)
{
	skip_unless_root();
	TRY(.helper = "emulated", .args = { "out_of_reach" },
	    .options = { "nonlinear.emulate=always" }, .says = "works\n");
	TRY(.helper = "emulated", .args = { "out_of_reach" }, .prepare = answer_enosys,
	    .options = { "nonlinear.emulate=auto" }, .says = "ENOSYS\n");
	TRY(.helper = "emulated", .args = { "out_of_reach" }, .prepare = answer_eperm,
	    .options = { "nonlinear.emulate=auto" }, .says = "EPERM\n");
}

WIDTHS_HOLD(N2, cut_in_two, "emulated_left", "cut_in_two", .as_root = true,
	    .options = { "nonlinear.emulate=always" }, .look = by_mapping)

/* ---- never, and where the kernel answers ---- */

WIDTHS_HOLD(N2, never, "nonlinear", "return", .options = { "nonlinear.emulate=never" },
	    .prepare = answer_enosys, .says = "0 worked, 113 failed, ENOSYS\n",
	    .finds = { "nonlinear.remap !mmfence.emulated" })
WIDTHS_HOLD(N2, auto_leaves_the_kernel_its_answers, "nonlinear", "return",
	    .says = "110 worked, 3 failed, EINVAL\n",
	    .finds = { "nonlinear.remap !mmfence.emulated" })

/* N1: emulated calls count like others. */
WIDTHS_HOLD(N2, auto_under_a_filter_counts, "nonlinear", "return", .prepare = answer_eperm,
	    .says = "110 worked, 3 failed, EINVAL\n",
	    .finds = { "nonlinear.remap 3", "nonlinear.total 3" })

/* N2: without a log too. */
WIDTHS_HOLD(N2, emulates_without_a_log, "nonlinear", "return", .options = { "audit.nonlinear=off" },
	    .prepare = answer_enosys, .says = "110 worked, 3 failed, EINVAL\n")
