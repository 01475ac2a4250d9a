/* SPDX-License-Identifier: MIT */
/*
 * N2: remap_file_pages where a filter has none, and where mmfence is to do it always: the
 * kernel's results, errors, areas and bytes, also long after the descriptor was closed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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
	(void)run;
	install(ENOSYS);
}

static void answer_eperm(struct run *run)
{
	(void)run;
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

Test(N2, agrees_with_the_kernel, .timeout = 400)
{
	agree("plain", "snapshot.mode=off", NULL);
}

Test(N2, agrees_with_the_kernel_32_bit, .timeout = 400)
{
	agree("m32", "snapshot.mode=off", NULL);
}

/* Where snapshots are, the answers are the kernel's too. */
Test(N2, agrees_beside_snapshots, .timeout = 400)
{
	agree("plain", "snapshot.paths=**", NULL);
}

Test(N2, agrees_on_an_old_kernel, .timeout = 400)
{
	agree("plain", "snapshot.paths=**", filter_as_before_6_7);
}

Test(N2, agrees_on_an_old_kernel_32_bit, .timeout = 400)
{
	agree("m32", "snapshot.mode=off", filter_as_before_6_7);
}

EACH_WIDTH(N2, over_snapshots)
{
	static const char *const emulate[] = { "nonlinear.emulate=always",
					       "nonlinear.emulate=auto" };

	for (size_t i = 0; i < 2; i++) {
		struct run run = { .variant = variant,
				   .helper = "emulated",
				   .args = { "over_snapshots" },
				   .options = { emulate[i], "snapshot.shared=**" } };
		run_helper(&run);
		run_must_hold(&run);
		cr_assert(count_events(&run, "snapshot.create") >= 3, "no snapshots");
		cr_assert_not(find_event(&run, "snapshot.grow"), "taken for growth");
		run_end(&run);
	}
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

struct condition {
	const char *emulate;
	void (*prepare)(struct run *run);
};

static const struct condition conditions[] = {
	{ "nonlinear.emulate=always", NULL },
	{ "nonlinear.emulate=auto", answer_enosys },
	{ "nonlinear.emulate=auto", answer_eperm },
};

/* prepared: the way of a call with `always`, which keeps one from the start; way: under a filter.
 */
static void holds(const char *variant, const char *name, const char *prepared, const char *way)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
		struct run run = { .variant = variant,
				   .helper = "emulated",
				   .args = { name },
				   .options = { conditions[i].emulate, "audit.nonlinear=every" },
				   .prepare = conditions[i].prepare };
		run_helper(&run);
		run_must_hold(&run);
		ways_are(&run, i ? way : prepared);
		run_end(&run);
	}
}

static void together(const char *variant, const char *name)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
		struct run run = { .variant = variant,
				   .helper = "emulated",
				   .args = { name },
				   .options = { conditions[i].emulate },
				   .prepare = conditions[i].prepare };
		run_helper(&run);
		run_must_hold(&run);
		ways_are(&run, "mapping");
		run_end(&run);
	}
}

EACH_WIDTH(N2, threads)
{
	together(variant, "threads");
}

EACH_WIDTH(N2, read_meanwhile)
{
	together(variant, "read_meanwhile");
}

/* In one window, while what it comes from grows or is given back after each call. */
static void storm(const char *variant, const char *how)
{
	struct run run = { .variant = variant,
			   .helper = "emulated_storm",
			   .args = { how },
			   .options = { "nonlinear.emulate=always" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert_str_eq(run.output, "38400 calls\n");
	ways_are(&run, "mapping");
	run_end(&run);
}

Test(N2, storm_in_a_window_that_grows)
{
	storm("plain", "growing");
}

Test(N2, storm_in_a_window_that_grows_32_bit)
{
	storm("m32", "growing");
}

Test(N2, storm_in_a_window_that_is_given_back)
{
	storm("plain", "given_back");
}

Test(N2, storm_in_a_window_that_is_given_back_32_bit)
{
	storm("m32", "given_back");
}

#define HOLDS(name, prepared, way)                    \
	EACH_VARIANT(N2, name)                        \
	{                                             \
		skip_unless_root();                   \
		holds(variant, #name, prepared, way); \
	}

HOLDS(closed, "mapping", "mapping")
HOLDS(unlinked, "mapping", "mapping")
HOLDS(renamed, "mapping", "mapping")
HOLDS(replaced, "mapping", "mapping")
HOLDS(memfd, "mapping", "mapping")
HOLDS(system_v, "mapping", "mapping")
HOLDS(lower_page, "mapping", "map_files")
HOLDS(lower_page_elsewhere, "mapping", "mapping")
HOLDS(lower_page_by_path, "mapping", "path")
HOLDS(lower_page_replaced, "mapping", "map_files")
HOLDS(read_only_descriptor, "mapping", "mapping")
HOLDS(read_only_beside, "mapping", "mapping")
HOLDS(children, "mapping", "mapping")
HOLDS(cut, "mapping", "map_files")
HOLDS(nothing_left, "mapping", "mapping")
HOLDS(no_areas_pile_up, "mapping", "map_files")
HOLDS(no_descriptors, "mapping", "map_files")
HOLDS(locked, "mapping", "mapping")
HOLDS(lock_future, "mapping", "mapping")
HOLDS(lock_current, "mapping", "mapping")
HOLDS(sealed, "mapping", "mapping")
HOLDS(not_inherited, "mapping", "mapping")
HOLDS(address_space_limit, "mapping", "mapping")
HOLDS(address_space_limit_later, "mapping", "mapping")
HOLDS(far_page, "mapping", "mapping")

EACH_WIDTH(N2, fork_meanwhile)
{
	together(variant, "fork_meanwhile");
}

/* P8: where areas are listed to be looked at. */
Test(N2, given_back_downwards_on_an_old_kernel)
{
	struct run run = { .variant = "plain",
			   .helper = "emulated",
			   .args = { "given_back_downwards" },
			   .options = { "nonlinear.emulate=always" },
			   .prepare = filter_as_before_6_7 };

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

EACH_WIDTH(N2, subvolumes)
{
	for (int i = 0; i < 2; i++) {
		struct run run = { .variant = variant,
				   .helper = "emulated",
				   .args = { "subvolumes" },
				   .options = { i ? "nonlinear.emulate=always"
						  : "nonlinear.emulate=auto" } };

		stage_on(&run, STAGE_BTRFS);
		run_helper(&run);
		run_must_hold(&run);
		run_end(&run);
	}
}

EACH_WIDTH(N2, huge)
{
	struct run run = { .variant = variant,
			   .helper = "emulated",
			   .args = { "huge" },
			   .options = { "nonlinear.emulate=always" } };

	run_helper(&run);
	run_must_hold(&run);
	if (strstr(run.output, "no huge pages"))
		cr_skip_test("no huge pages are set aside (vm.nr_hugepages)");
	run_end(&run);
}

/* Without a capability, a name and a descriptor a page before the window is reached only if there
 * was time to keep a way to it. */
static void out_of_reach(const char *variant, const struct condition *condition, const char *said)
{
	struct run run = { .variant = variant,
			   .helper = "emulated",
			   .args = { "out_of_reach" },
			   .options = { condition->emulate },
			   .prepare = condition->prepare };

	skip_unless_root();
	run_helper(&run);
	run_must_hold(&run);
	cr_assert_str_eq(run.output, said);
	run_end(&run);
}

EACH_WIDTH(N2, out_of_reach)
{
	out_of_reach(variant, &conditions[0], "works\n");
	out_of_reach(variant, &conditions[1], "ENOSYS\n");
	out_of_reach(variant, &conditions[2], "EPERM\n");
}

EACH_WIDTH(N2, cut_in_two)
{
	struct run run = { .variant = variant,
			   .helper = "emulated",
			   .args = { "cut_in_two" },
			   .options = { "nonlinear.emulate=always" } };

	skip_unless_root();
	run_helper(&run);
	run_must_hold(&run);
	ways_are(&run, "mapping");
	run_end(&run);
}

/* ---- never, and where the kernel answers ---- */

static void call_all(struct run *run, const char *output)
{
	run->helper = "nonlinear";
	run->args[0] = "return";
	run_helper(run);
	cr_assert_str_eq(run->output, output);
	json_t *event = find_event(run, "nonlinear.remap");
	cr_assert(event && !field(event, "mmfence.emulated"), "it was emulated");
	run_end(run);
}

EACH_WIDTH(N2, never)
{
	struct run run = { .variant = variant,
			   .options = { "nonlinear.emulate=never" },
			   .prepare = answer_enosys };

	call_all(&run, "0 worked, 113 failed, ENOSYS\n");
}

EACH_WIDTH(N2, auto_leaves_the_kernel_its_answers)
{
	struct run run = { .variant = variant };

	call_all(&run, "110 worked, 3 failed, EINVAL\n");
}

/* N1: emulated calls count like others. */
EACH_WIDTH(N2, auto_under_a_filter_counts)
{
	struct run run = { .variant = variant,
			   .helper = "nonlinear",
			   .args = { "return" },
			   .prepare = answer_eperm };

	run_helper(&run);
	cr_assert_str_eq(run.output, "110 worked, 3 failed, EINVAL\n");
	cr_assert(count_events(&run, "nonlinear.remap") == 3);
	cr_assert(count_events(&run, "nonlinear.total") == 3);
	run_end(&run);
}

/* N2: without a log too. */
EACH_WIDTH(N2, emulates_without_a_log)
{
	struct run run = { .variant = variant,
			   .helper = "nonlinear",
			   .args = { "return" },
			   .options = { "audit.nonlinear=off" },
			   .prepare = answer_enosys };

	run_helper(&run);
	cr_assert_str_eq(run.output, "110 worked, 3 failed, EINVAL\n");
	run_end(&run);
}
