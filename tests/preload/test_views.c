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

#define VIEWS_HOLD(suite, name, helper, pattern, ...) \
	HELPER_HOLDS(suite, name, helper, pattern, .options = { __VA_ARGS__ }, .seconds = 120)

VIEWS_HOLD(M4, bss, "views", "bss", EMULATE)
VIEWS_HOLD(M4, data, "views", "data", EMULATE)
VIEWS_HOLD(M4, guarded_shared_file, "views", "shared/guarded", EMULATE, "snapshot.shared=**")
VIEWS_HOLD(M4, several_areas, "views", "several_areas*", EMULATE)
VIEWS_HOLD(M4, private_view_is_a_copy, "views", "private_view", EMULATE)
VIEWS_HOLD(M4, private_view_is_a_copy_in_emulate_readonly, "views", "private_view", READONLY)
VIEWS_HOLD(M4, lock_and_advice_stay, "views", "*advice_stay*", EMULATE)
VIEWS_HOLD(M4, fork_splits, "view_places", "split/*", EMULATE, SPLIT)
VIEWS_HOLD(M4, past_the_end_of_a_file, "view_refused", "past_the_end", EMULATE, "snapshot.paths=**")
VIEWS_HOLD(M3, readonly_view_stays_readonly, "view_refused", "readonly_descriptor", EMULATE)
VIEWS_HOLD(M3, emulate_readonly_gives_no_writable_view, "view_refused", "readonly/policy", READONLY)

#define TURNED_HOLDS(suite, name, pattern, ...)                                           \
	HELPER_HOLDS(suite, name, "turned", pattern, .options = { EMULATE, __VA_ARGS__ }, \
		     .seconds = 120)

TURNED_HOLDS(M4, memory_given_up_is_zero, "given_up*")
TURNED_HOLDS(M4, view_given_up_is_brought_back, "view_*")
TURNED_HOLDS(M4, allocator_finds_zeros, "allocator")
TURNED_HOLDS(M4, split_child_gives_up_its_own, "split/gives_up", SPLIT)
TURNED_HOLDS(M4, fork_splits_beside_views_that_go, "split_beside_others", SPLIT)
TURNED_HOLDS(M3, readonly_view_stays_readonly_in_a_split_child, "split/stays_readonly", SPLIT)

static void with_jemalloc(struct run *run)
{
	run->preload_after = library_path("libjemalloc.so.2");
	if (!run->preload_after)
		cr_skip_test("libjemalloc.so.2 is not installed");
}

/* It gives everything up at once. */
ONE_HOLDS(M4, jemalloc_finds_zeros, "turned", "allocator", .options = { EMULATE },
	  .env = { "MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0" }, .before = with_jemalloc)

/* M3: without the option nothing is given. */
WIDTHS_HOLD(M3, default_gives_no_view, "view_refused", "default/refused",
	    .finds = { "selfmem.map 3", "selfmem.map[*] error.code=ENODEV" })

/* --- a filter that was there before the program --- */

static void without_memfd(struct run *run)
{
	struct filter filter = { .length = 0 };

	filter_fail(&filter, SYS_memfd_create, 356, 0, ENFILE);
	filter_install(&filter);
}

/* Nor by the device. */
static void without_userfaultfd(struct run *run)
{
	struct filter filter = { .length = 0 };

	filter_fail(&filter, SYS_userfaultfd, 374, 0, EPERM);
	filter_fail(&filter, SYS_ioctl, 54, 0xaa00, EPERM);
	filter_install(&filter);
}

WIDTHS_HOLD(
	M4, no_memfd, "view_refused", "seccomp/memfd", .options = { EMULATE },
	.prepare = without_memfd,
	.finds = {
		"selfmem.map event.outcome=failure & error.code=ENOMEM & error.message~memory file" })

/* --- what the log says --- */

HELPER_HOLDS(
	M4, private_file, "views", "private_file", .options = { EMULATE }, .seconds = 120,
	.finds = { "selfmem.map event.outcome=success & mmfence.selfmem.view=alias",
		   "selfmem.map mmfence.selfmem.synchronised=alone & mmfence.selfmem.turned=65536",
		   "selfmem.map mmfence.selfmem.bytes=65536 & mmfence.mapping.address",
		   "selfmem.map mmfence.stack>1" })

/* What is shared already is not turned again. */
HELPER_HOLDS(M4, same_source_again, "views", "same_source_again", .options = { EMULATE },
	     .seconds = 120,
	     .finds = { "selfmem.map mmfence.selfmem.turned=65536",
			"selfmem.map[1] mmfence.selfmem.turned=0",
			"selfmem.map[2] mmfence.selfmem.turned=0" })

HELPER_HOLDS(M4, what_cannot_be_turned_is_refused, "view_refused", "what_cannot_be_turned",
	     .options = { EMULATE }, .seconds = 120,
	     .finds = { "selfmem.map error.code=ENODEV & error.message=the source is a stack",
			"selfmem.map[1] error.message~executable text" })

WIDTHS_HOLD(M4, split_is_recorded, "view_places", "split/at_once", .options = { EMULATE, SPLIT },
	    .finds = { "selfmem.split event.outcome=success & mmfence.selfmem.views=2",
		       "selfmem.split mmfence.selfmem.bytes=4096" })

WIDTHS_HOLD(M4, split_copies_what_is_there, "view_places", "split/areas",
	    .options = { EMULATE, SPLIT }, .since = "5.11",
	    .finds = { "selfmem.split event.outcome=success & mmfence.selfmem.views=96",
		       "selfmem.split mmfence.selfmem.bytes=4096" })

/* M3: the attempt to make a read-only view writable. */
RUNS_AND(EACH_WIDTH, M3, readonly_view_made_writable_is_recorded, .helper = "view_refused",
	 .args = { "readonly_descriptor" }, .options = { EMULATE })
{
	size_t refused = 0;
	for (size_t i = 0; i < count_events(run, "selfmem.map"); i++) {
		json_t *event = find_event_number(run, "selfmem.map", i);
		refused += !strcmp(field_string(event, "mmfence.call"), "mprotect") &&
			   !strcmp(field_string(event, "error.code"), "EACCES");
	}
	cr_assert(refused == 4, "%zu records of mprotect", refused);
}

/* --- threads --- */

/* How the turns of a run were synchronised: all the same. */
#define SYNCHRONISED "selfmem.map[*] mmfence.selfmem.synchronised"

/* What an older kernel cannot have is said there. */
#define NO_STORE_IS_LOST(name, pattern, kernel, how, ...)                                  \
	WIDTHS_HOLD(M4, name, "storing", pattern, .as_root = true, .options = { EMULATE }, \
		    .since = kernel, .otherwise = SYNCHRONISED "=none",                    \
		    .finds = { "selfmem.map", SYNCHRONISED how }, ##__VA_ARGS__)

NO_STORE_IS_LOST(no_store_of_a_thread_is_lost, "anonymous", "5.7", "=held")
NO_STORE_IS_LOST(no_store_of_a_thread_to_bss_is_lost, "bss", "5.7", "=held")
NO_STORE_IS_LOST(no_store_of_a_system_call_is_lost, "calls", "5.7", "=held")
/* The full kind is for all where vm.unprivileged_userfaultfd is set. */
static void held_as_allowed(struct run *run)
{
	FILE *file = fopen("/proc/sys/vm/unprivileged_userfaultfd", "re");
	bool allowed = file && fgetc(file) == '1';
	json_t *event = find_event(run, "selfmem.map");

	if (file)
		fclose(file);
	if (strcmp(field_string(event, "mmfence.selfmem.synchronised"), "none"))
		cr_assert_str_eq(field_string(event, "mmfence.selfmem.synchronised"),
				 allowed ? "held" : "held-user");
}

NO_STORE_IS_LOST(no_store_is_lost_without_privilege, "unprivileged", "5.11", "~held",
		 .look = held_as_allowed)
WIDTHS_HOLD(M4, turn_that_is_not_synchronised_says_so, "storing", "without",
	    .prepare = without_userfaultfd, .options = { EMULATE },
	    .finds = { "selfmem.map", SYNCHRONISED "=none" })
WIDTHS_HOLD(M4, forks_wait_for_the_turn, "storing", "forks", .options = { EMULATE })

/* --- against a model, and with swap --- */

#define OBEYS_THE_MODEL(each, name, sequences, further, ...)           \
	RUNS(each, M4, name, .helper = "model", .args = { sequences }, \
	     .options = { EMULATE, further }, .log = "/dev/null", .seconds = 300, __VA_ARGS__)

OBEYS_THE_MODEL(EACH_WIDTH, random_sequences_obey_the_model, "1000", NULL)
OBEYS_THE_MODEL(EACH_WIDTH, random_sequences_obey_the_model_when_forks_split, "500", SPLIT)
OBEYS_THE_MODEL(ONCE, random_sequences_obey_the_model_on_an_old_kernel, "300", SPLIT,
		.prepare = filter_as_before_6_7)

#define THROUGH_SWAP(each, name, ...) \
	RUNS(each, M4, name, .helper = "paged", .options = { EMULATE, __VA_ARGS__ }, .seconds = 120)

THROUGH_SWAP(EACH_WIDTH, views_are_the_same_through_swap)
THROUGH_SWAP(ONCE, views_are_the_same_through_swap_when_forks_split, SPLIT)

/* --- the example --- */

static void example_runs(const char *program)
{
	struct run run = { .helper = program, .options = { EMULATE } };

	run_helper(&run);
	cr_assert(run_exit(&run) == 0, "%d\n%s%s", run_exit(&run), run.output, run.errors);
	cr_assert(strstr(run.output, "gave a second view"), "%s", run.output);
	cr_assert(strstr(run.output, "at 0 it saw at 1 MiB"), "%s", run.output);
	run_end(&run);
}

EACH_WIDTH(M4, example_runs_to_its_end)
{
	bool narrow = !strcmp(variant, "m32");

	example_runs(build_path(narrow ? "helpers/m32/selfmem_alias" : "examples/selfmem_alias"));
}

/* --- M1 --- */

WIDTHS_HOLD(M1, switched_link_fools_nobody, "races", "*", .options = { "selfmem.open=refuse" },
	    .seconds = 120)

/* --- that all this can fail --- */

#define FAILS_BARE(helper) WIDTHS_HOLD(bare, helper, #helper, "--bare", .preload = RUN_BARE)

FAILS_BARE(views)
FAILS_BARE(view_places)
FAILS_BARE(view_refused)
FAILS_BARE(races)
