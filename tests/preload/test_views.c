/* SPDX-License-Identifier: MIT */
/*
 * M4: second views of a process's own memory, and what the log says of them; and what M1
 * and M3 say where views are to be had.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"

#define EMULATE	 "selfmem.map=emulate"
#define READONLY "selfmem.map=emulate-readonly"
#define SPLIT	 "selfmem.fork=split"

static void holds(const char *variant, const char *helper, const char *pattern, const char *option,
		  const char *further)
{
	struct run run = { .variant = variant,
			   .helper = helper,
			   .args = { pattern },
			   .options = { option, further },
			   .seconds = 120 };

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

#define VIEWS_HOLD(suite, name, pattern, option, further)          \
	EACH_VARIANT(suite, name)                                  \
	{                                                          \
		holds(variant, "views", pattern, option, further); \
	}

VIEWS_HOLD(M4, anonymous_memory, "anonymous_memory", EMULATE, NULL)
VIEWS_HOLD(M4, bss, "bss", EMULATE, NULL)
VIEWS_HOLD(M4, data, "data", EMULATE, NULL)
VIEWS_HOLD(M4, heap, "heap", EMULATE, NULL)
VIEWS_HOLD(M4, top_of_the_heap, "top_of_the_heap", EMULATE, NULL)
VIEWS_HOLD(M4, private_file, "private_file", EMULATE, NULL)
VIEWS_HOLD(M4, guarded_file, "guarded_file", EMULATE, NULL)
VIEWS_HOLD(M4, guarded_shared_file, "shared/guarded", EMULATE, "snapshot.shared=**")
VIEWS_HOLD(M4, several_areas, "several_areas*", EMULATE, NULL)
VIEWS_HOLD(M4, shared_memory, "shared_memory", EMULATE, NULL)
VIEWS_HOLD(M4, same_source_again, "same_source_again", EMULATE, NULL)
VIEWS_HOLD(M4, view_of_a_view, "view_of_a_view", EMULATE, NULL)
VIEWS_HOLD(M4, either_side_is_unmapped, "either_side_is_unmapped", EMULATE, NULL)
VIEWS_HOLD(M4, protection_is_each_its_own, "protection_is_each_its_own", EMULATE, NULL)
VIEWS_HOLD(M4, fixed_over_mappings, "fixed_over_mappings", EMULATE, NULL)
VIEWS_HOLD(M4, fixed_over_a_snapshot, "fixed_over_a_snapshot", EMULATE, NULL)
VIEWS_HOLD(M4, overlapping, "overlapping", EMULATE, NULL)
VIEWS_HOLD(M4, noreplace_and_hint, "noreplace_and_hint", EMULATE, NULL)
VIEWS_HOLD(M4, flags_of_the_view, "flags_of_the_view", EMULATE, NULL)
VIEWS_HOLD(M4, private_view_is_a_copy, "private_view", EMULATE, NULL)
VIEWS_HOLD(M4, private_view_is_a_copy_in_emulate_readonly, "private_view", READONLY, NULL)
VIEWS_HOLD(M4, sparse_memory_stays_sparse, "sparse", EMULATE, NULL)
VIEWS_HOLD(M4, source_grows, "source_grows", EMULATE, NULL)
VIEWS_HOLD(M4, memory_file_still_works, "memory_file_still_works", EMULATE, NULL)
VIEWS_HOLD(M4, lock_and_advice_stay, "*advice_stay*", EMULATE, NULL)
VIEWS_HOLD(M4, fork_shares, "fork_shares", EMULATE, NULL)
VIEWS_HOLD(M4, fork_splits, "split/*", EMULATE, SPLIT)
VIEWS_HOLD(M4, hole_in_the_source, "nothing_there", EMULATE, NULL)
VIEWS_HOLD(M4, refused_view_leaves_its_place_alone, "fixed_and_nothing_there", EMULATE, NULL)
VIEWS_HOLD(M4, source_outside_the_address_space, "outside", EMULATE, NULL)
VIEWS_HOLD(M4, what_cannot_be_turned_is_refused, "what_cannot_be_turned", EMULATE, NULL)
VIEWS_HOLD(M4, signal_stack_is_refused, "stack_of_its_own", EMULATE, NULL)
VIEWS_HOLD(M4, past_the_end_of_a_file, "past_the_end", EMULATE, "snapshot.paths=**")
VIEWS_HOLD(M4, memory_of_another_is_refused, "memory_of_another", EMULATE, NULL)
VIEWS_HOLD(M4, no_address_space, "no_address_space", EMULATE, NULL)
VIEWS_HOLD(M4, no_more_areas, "no_more_areas", EMULATE, NULL)
VIEWS_HOLD(M4, limit_on_file_size, "file_size_limit", EMULATE, NULL)
VIEWS_HOLD(M3, readonly_view_stays_readonly, "readonly_descriptor", EMULATE, NULL)
VIEWS_HOLD(M3, emulate_readonly_gives_no_writable_view, "readonly/policy", READONLY, NULL)

#define TURNED_HOLDS(suite, name, pattern, further)                  \
	EACH_VARIANT(suite, name)                                    \
	{                                                            \
		holds(variant, "turned", pattern, EMULATE, further); \
	}

TURNED_HOLDS(M4, memory_given_up_is_zero, "given_up*", NULL)
TURNED_HOLDS(M4, view_given_up_is_brought_back, "view_*", NULL)
TURNED_HOLDS(M4, turned_memory_may_be_freed, "may_be_freed", NULL)
TURNED_HOLDS(M4, allocator_finds_zeros, "allocator", NULL)
TURNED_HOLDS(M4, protected_memory_given_up_is_zero, "protected_and_given_up", NULL)
TURNED_HOLDS(M4, locked_memory_given_up_is_zero, "locked_and_given_up", NULL)
TURNED_HOLDS(M4, memory_guarded_for_a_while_is_zero, "guarded_by_the_kernel", NULL)
TURNED_HOLDS(M4, turned_file_mapping_does_not_grow, "file_does_not_grow", NULL)
TURNED_HOLDS(M4, grows_under_a_limit_on_file_size, "grows_under_a_limit", NULL)
TURNED_HOLDS(M4, what_mremap_leaves_behind_is_zero, "left_behind", NULL)
TURNED_HOLDS(M4, parent_and_child_grow_apart, "both_grow", NULL)
TURNED_HOLDS(M4, parts_grow_by_zeros_of_their_own, "parts_grow", NULL)
TURNED_HOLDS(M4, grows_again_and_again, "grows_again", NULL)
TURNED_HOLDS(M4, child_gives_up_nothing_of_its_parents, "child_gives_up", NULL)
TURNED_HOLDS(M4, split_child_gives_up_its_own, "split/gives_up", SPLIT)
TURNED_HOLDS(M4, fork_splits_beside_views_that_go, "split_beside_others", SPLIT)
TURNED_HOLDS(M3, readonly_view_stays_readonly_in_a_split_child, "split/stays_readonly", SPLIT)

/* It gives everything up at once. */
Test(M4, jemalloc_finds_zeros)
{
	struct run run = { .variant = "plain",
			   .helper = "turned",
			   .args = { "allocator" },
			   .options = { EMULATE },
			   .env = { "MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0" },
			   .preload_after = library_path("libjemalloc.so.2") };

	if (!run.preload_after)
		cr_skip_test("libjemalloc.so.2 is not installed");
	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

/* M3: without the option nothing is given. */
EACH_WIDTH(M3, default_gives_no_view)
{
	struct run run = { .variant = variant, .helper = "views", .args = { "default/refused" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "selfmem.map") == 3);
	for (size_t i = 0; i < 3; i++)
		cr_assert_str_eq(
			field_string(find_event_number(&run, "selfmem.map", i), "error.code"),
			"ENODEV");
	run_end(&run);
}

/* --- a filter that was there before the program --- */

static void without_memfd(struct run *run)
{
	struct filter filter = { .length = 0 };

	(void)run;
	filter_fail(&filter, SYS_memfd_create, 356, 0, EPERM);
	filter_install(&filter);
}

/* Nor by the device. */
static void without_userfaultfd(struct run *run)
{
	struct filter filter = { .length = 0 };

	(void)run;
	filter_fail(&filter, SYS_userfaultfd, 374, 0, EPERM);
	filter_fail(&filter, SYS_ioctl, 54, 0xaa00, EPERM);
	filter_install(&filter);
}

EACH_WIDTH(M4, no_memfd)
{
	struct run run = { .variant = variant,
			   .helper = "views",
			   .args = { "seccomp/memfd" },
			   .options = { EMULATE },
			   .prepare = without_memfd };

	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "selfmem.map");
	cr_assert_str_eq(field_string(event, "event.outcome"), "failure");
	cr_assert_str_eq(field_string(event, "error.code"), "ENOMEM");
	cr_assert(strstr(field_string(event, "error.message"), "memory file"));
	run_end(&run);
}

/* --- what the log says --- */

static void begin(struct run *run, const char *helper, const char *pattern)
{
	run->helper = helper;
	run->args[0] = pattern;
	run->options[0] = EMULATE;
	run_helper(run);
	run_must_hold(run);
}

EACH_WIDTH(M4, view_is_recorded)
{
	struct run run = { .variant = variant };

	begin(&run, "views", "private_file");
	json_t *event = find_event(&run, "selfmem.map");
	cr_assert(event, "no selfmem.map");
	cr_assert_str_eq(field_string(event, "event.outcome"), "success");
	cr_assert_str_eq(field_string(event, "mmfence.selfmem.view"), "alias");
	cr_assert_str_eq(field_string(event, "mmfence.selfmem.synchronised"), "alone");
	cr_assert(field_number(event, "mmfence.selfmem.turned") == 16 * 4096);
	cr_assert(field_number(event, "mmfence.selfmem.bytes") == 16 * 4096);
	cr_assert(field(event, "mmfence.mapping.address"));
	cr_assert(json_array_size(field(event, "mmfence.stack")) >= 2, "no backtrace");
	run_end(&run);
}

/* What is shared already is not turned again. */
EACH_WIDTH(M4, second_view_turns_nothing)
{
	struct run run = { .variant = variant };

	begin(&run, "views", "same_source_again");
	for (size_t i = 0; i < 3; i++)
		cr_assert(field_number(find_event_number(&run, "selfmem.map", i),
				       "mmfence.selfmem.turned") == (i ? 0 : 16 * 4096));
	run_end(&run);
}

EACH_WIDTH(M4, refusals_are_recorded)
{
	struct run run = { .variant = variant };

	begin(&run, "views", "what_cannot_be_turned");
	json_t *event = find_event(&run, "selfmem.map");
	cr_assert_str_eq(field_string(event, "error.code"), "ENODEV");
	cr_assert_str_eq(field_string(event, "error.message"), "the source is a stack");
	event = find_event_number(&run, "selfmem.map", 1);
	cr_assert(strstr(field_string(event, "error.message"), "executable text"));
	run_end(&run);
}

EACH_WIDTH(M4, split_is_recorded)
{
	struct run run = { .variant = variant,
			   .helper = "views",
			   .args = { "split/at_once" },
			   .options = { EMULATE, SPLIT } };

	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "selfmem.split");
	cr_assert(event, "no selfmem.split");
	cr_assert_str_eq(field_string(event, "event.outcome"), "success");
	cr_assert(field_number(event, "mmfence.selfmem.views") == 2);
	cr_assert(field_number(event, "mmfence.selfmem.bytes") == 4096);
	run_end(&run);
}

/* M3: the attempt to make a read-only view writable. */
EACH_WIDTH(M3, readonly_view_made_writable_is_recorded)
{
	struct run run = { .variant = variant };

	begin(&run, "views", "readonly_descriptor");
	size_t refused = 0;
	for (size_t i = 0; i < count_events(&run, "selfmem.map"); i++) {
		json_t *event = find_event_number(&run, "selfmem.map", i);
		refused += !strcmp(field_string(event, "mmfence.call"), "mprotect") &&
			   !strcmp(field_string(event, "error.code"), "EACCES");
	}
	cr_assert(refused == 4, "%zu records of mprotect", refused);
	run_end(&run);
}

/* --- threads --- */

/* How the turns of a run were synchronised: all the same. */
static const char *synchrony(const struct run *run)
{
	const char *first = NULL;

	for (size_t i = 0; i < count_events(run, "selfmem.map"); i++) {
		const char *name = field_string(find_event_number(run, "selfmem.map", i),
						"mmfence.selfmem.synchronised");
		cr_assert(name, "a view says nothing of its turn");
		cr_assert(!first || !strcmp(name, first), "both %s and %s", name, first);
		first = name;
	}
	cr_assert(first, "no view");
	return first;
}

/* What an older kernel cannot have is said there. */
static void unless_said(const char *variant, const char *pattern, const char *since)
{
	struct run run = {
		.variant = variant, .helper = "storing", .args = { pattern }, .options = { EMULATE }
	};

	if (!kernel_is_before(since))
		return;
	run_helper(&run);
	cr_assert_str_eq(synchrony(&run), "none");
	run_end(&run);
	cr_skip_test("before Linux %s stores of threads can be lost, and the record says so",
		     since);
}

static void no_store_is_lost(const char *variant, const char *pattern, const char *how)
{
	struct run run = { .variant = variant };

	unless_said(variant, pattern, "5.7");
	begin(&run, "storing", pattern);
	cr_assert_str_eq(synchrony(&run), how);
	run_end(&run);
}

EACH_WIDTH(M4, no_store_of_a_thread_is_lost)
{
	skip_unless_root();
	no_store_is_lost(variant, "anonymous", "held");
}

EACH_WIDTH(M4, no_store_of_a_thread_to_bss_is_lost)
{
	skip_unless_root();
	no_store_is_lost(variant, "bss", "held");
}

EACH_WIDTH(M4, no_store_of_a_system_call_is_lost)
{
	skip_unless_root();
	no_store_is_lost(variant, "calls", "held");
}

EACH_WIDTH(M4, no_store_is_lost_without_privilege)
{
	struct run run = { .variant = variant };

	skip_unless_root();
	unless_said(variant, "unprivileged", "5.11");
	begin(&run, "storing", "unprivileged");
	/* The full kind is for all where vm.unprivileged_userfaultfd is set. */
	cr_assert(!strncmp(synchrony(&run), "held", 4), "%s", synchrony(&run));
	run_end(&run);
}

EACH_WIDTH(M4, turn_that_is_not_synchronised_says_so)
{
	struct run run = { .variant = variant, .prepare = without_userfaultfd };

	begin(&run, "storing", "without");
	cr_assert_str_eq(synchrony(&run), "none");
	run_end(&run);
}

EACH_WIDTH(M4, forks_wait_for_the_turn)
{
	holds(variant, "storing", "forks", EMULATE, NULL);
}

/* --- against a model, and with swap --- */

static void obeys_the_model(const char *variant, const char *sequences, const char *further,
			    void (*prepare)(struct run *run))
{
	struct run run = { .variant = variant,
			   .helper = "model",
			   .args = { sequences },
			   .options = { EMULATE, further },
			   .prepare = prepare,
			   .log = "/dev/null",
			   .seconds = 300 };

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

Test(M4, random_sequences_obey_the_model)
{
	obeys_the_model("plain", "1000", NULL, NULL);
}

Test(M4, random_sequences_obey_the_model_32_bit)
{
	obeys_the_model("m32", "1000", NULL, NULL);
}

Test(M4, random_sequences_obey_the_model_when_forks_split)
{
	obeys_the_model("plain", "500", SPLIT, NULL);
}

Test(M4, random_sequences_obey_the_model_when_forks_split_32_bit)
{
	obeys_the_model("m32", "500", SPLIT, NULL);
}

Test(M4, random_sequences_obey_the_model_on_an_old_kernel)
{
	obeys_the_model("plain", "300", SPLIT, filter_as_before_6_7);
}

Test(M4, views_are_the_same_through_swap)
{
	holds("plain", "paged", NULL, EMULATE, NULL);
}

Test(M4, views_are_the_same_through_swap_when_forks_split)
{
	holds("plain", "paged", NULL, EMULATE, SPLIT);
}

Test(M4, views_are_the_same_through_swap_32_bit)
{
	holds("m32", "paged", NULL, EMULATE, NULL);
}

/* --- the example --- */

static void example_runs(const char *program, bool built)
{
	struct run run = { .helper = program, .options = { EMULATE } };

	cr_assert(built);
	run_helper(&run);
	cr_assert(run_exit(&run) == 0, "%d\n%s%s", run_exit(&run), run.output, run.errors);
	cr_assert(strstr(run.output, "gave a second view"), "%s", run.output);
	cr_assert(strstr(run.output, "at 0 it saw at 1 MiB"), "%s", run.output);
	run_end(&run);
}

Test(M4, example_runs_to_its_end)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", build_path("examples/selfmem_alias"));
	example_runs(path, access(path, X_OK) == 0);
}

Test(M4, example_runs_to_its_end_32_bit)
{
	char path[PATH_MAX];

	skip_without_32_bit();
	snprintf(path, sizeof(path), "%s", build_path("helpers/m32/selfmem_alias"));
	example_runs(path, access(path, X_OK) == 0);
}

/* --- M1 --- */

EACH_WIDTH(M1, switched_link_fools_nobody)
{
	holds(variant, "races", "*", "selfmem.open=refuse", NULL);
}

/* --- that all this can fail --- */

EACH_WIDTH(bare, views)
{
	struct run run = {
		.variant = variant, .helper = "views", .args = { "--bare" }, .preload = RUN_BARE
	};

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

EACH_WIDTH(bare, races)
{
	struct run run = {
		.variant = variant, .helper = "races", .args = { "--bare" }, .preload = RUN_BARE
	};

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}
