/* SPDX-License-Identifier: MIT */
/*
 * S17: a program that touches what was cut off leaves mapping.sigbus before it dies as it would
 * have died; with sigbus.rescue it goes on; and it sees nothing of ours in its dispositions.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../mounts.h"
#include "runner.h"

/* ---- what the program sees of its signals ---- */

HELPER_HOLDS(S17, sigaction_shows_the_programs_own, "signals", "sigaction")
HELPER_HOLDS(S17, signal_shows_the_programs_own, "signals", "signal")
HELPER_HOLDS(S17, sigset_and_siginterrupt_show_the_programs_own, "signals", "old")
HELPER_HOLDS(S17, sigaction_by_number_shows_the_programs_own, "signals", "by_number")
WIDTHS_HOLD(S17, handlers_are_called_as_without, "signals", "delivery")
WIDTHS_HOLD(S17, ignored_and_blocked_signals_wait_as_without, "signals", "waiting")
WIDTHS_HOLD(S17, a_child_of_vfork_changes_nothing, "signals", "vfork")
WIDTHS_HOLD(S17, the_next_program_inherits_as_without, "signals", "over_exec")
WIDTHS_HOLD(S17, spawned_programs_inherit_as_without, "signals", "over_spawn")
WIDTHS_HOLD(S17, threads_may_set_it_at_once, "signals", "threads")

EACH_WIDTH(S17, signals_without_mmfence)
{
	struct run run = {
		.variant = variant, .helper = "signals", .args = { "--bare" }, .preload = RUN_BARE
	};

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

/* ---- said ---- */

static void with_cores(struct run *run)
{
	struct rlimit limit = { 1 << 26, 1 << 26 };

	(void)run;
	if (setrlimit(RLIMIT_CORE, &limit))
		_exit(98);
}

/* The same end, with the same core flag, as bare. */
static void dies(struct run *run, const char *variant, const char *name)
{
	struct run bare = { .variant = variant,
			    .helper = "sigbus",
			    .args = { name },
			    .prepare = run->prepare ?: with_cores,
			    .preload = RUN_BARE };

	run_helper(&bare);
	if (run_exit(&bare) == 77)
		cr_skip_test("%s", bare.output);
	cr_assert(WIFSIGNALED(bare.status) && WTERMSIG(bare.status) == SIGBUS, "bare: %#x %s",
		  bare.status, bare.output);
	run_end(&bare);
	run->variant = variant;
	run->helper = "sigbus";
	run->args[0] = name;
	run->prepare = bare.prepare;
	run->expects[0] = "snapshot.lost";
	run_helper(run);
	cr_expect_eq(run->status, bare.status, "%#x, bare %#x: %s", run->status, bare.status,
		     run->output);
}

static json_t *the_event(const struct run *run)
{
	cr_assert_eq(count_events(run, "mapping.sigbus"), 1);
	cr_expect_eq(count_events(run, "mapping.rescued"), 0);
	return find_event(run, "mapping.sigbus");
}

static void expect_event(const struct run *run, const char *reason, const char *access,
			 const char *protection, json_int_t size)
{
	json_t *event = the_event(run);
	const char *path = field_string(event, "file.path");

	cr_assert(path && strlen(path) > 12 && !strcmp(path + strlen(path) - 12, "/sigbus.data"),
		  "%s", path);
	cr_expect_str_eq(field_string(event, "event.outcome"), "failure");
	cr_expect_str_eq(field_string(event, "error.message"), reason);
	cr_expect_eq(field_number(event, "file.size"), size);
	cr_expect_eq(field_number(event, "mmfence.sigbus.offset"), 9 * 4096);
	cr_expect_str_eq(field_string(event, "mmfence.sigbus.access"), access);
	cr_expect_str_eq(field_string(event, "mmfence.mapping.protection"), protection);
	cr_expect_eq(field_number(event, "mmfence.mapping.length"), 16 * 4096);
	cr_expect_eq(field_number(event, "mmfence.mapping.offset"), 0);
	cr_expect(field_string(event, "mmfence.sigbus.cure"));
}

#define LEFT (3 * 4096 + 100)

/* Which page of the mapping: the address too must be the one that was touched. */
static void expect_place(const json_t *event)
{
	unsigned long long start, at;

	cr_assert(sscanf(field_string(event, "mmfence.mapping.address"), "%llx", &start) == 1);
	cr_assert(sscanf(field_string(event, "mmfence.sigbus.address"), "%llx", &at) == 1);
	cr_expect_eq(at - start, 9 * 4096 + 7);
}

EACH_WIDTH(S17, a_shared_mapping_that_was_cut_is_said)
{
	struct run run = { 0 };

	dies(&run, variant, "dies/shared");
	expect_event(&run, "beyond the file's end, in a shared mapping, not protected unless asked",
		     "read", "r--s", LEFT);
	expect_place(the_event(&run));
	cr_expect_str_eq(field_string(the_event(&run), "mmfence.sigbus.snapshot"), "none");
	cr_expect_eq(field_number(the_event(&run), "mmfence.sigbus.writer"), -1);
	cr_expect(
		strstr(field_string(the_event(&run), "mmfence.sigbus.cure"), "--snapshot-shared"));
	run_end(&run);
}

EACH_WIDTH(S17, a_store_into_a_shared_mapping_is_said)
{
	struct run run = { 0 };

	dies(&run, variant, "dies/shared_store");
	expect_event(&run, "beyond the file's end, in a writable shared mapping", "write", "rw-s",
		     LEFT);
	run_end(&run);
}

EACH_WIDTH(S17, a_private_mapping_that_nobody_saw_is_said)
{
	struct run run = { 0 };

	dies(&run, variant, "dies/private");
	expect_event(&run, "beyond the file's end, in a private mapping that has no snapshot",
		     "read", "r--p", LEFT);
	run_end(&run);
}

EACH_WIDTH(S17, a_snapshot_that_was_lost_is_said)
{
	struct run run = { 0 };

	dies(&run, variant, "dies/lost");
	expect_event(&run, "beyond the file's end, in a snapshot that was lost", "read", "r--p", 0);
	cr_expect_str_eq(field_string(the_event(&run), "mmfence.sigbus.snapshot"), "lost");
	cr_expect_eq(field_number(the_event(&run), "mmfence.sigbus.size_then"), 16 * 4096);
	run_end(&run);
}

EACH_WIDTH(S17, a_private_mapping_that_was_left_alone_is_said)
{
	struct run run = { .options = { "snapshot.mode=off" } };

	dies(&run, variant, "dies/private");
	expect_event(&run, "beyond the file's end, in a private mapping, with snapshot.mode=off",
		     "read", "r--p", LEFT);
	cr_expect_str_eq(field_string(the_event(&run), "mmfence.sigbus.cure"), "snapshot.mode=on");
	run_end(&run);
}

/* Not that it was cut, but that it never was there. */
static void was_never_there(const char *variant, const char *name, const char *fate)
{
	struct run run = { .options = { "snapshot.paths=**/sigbus.data" } };

	dies(&run, variant, name);
	json_t *event = the_event(&run);
	cr_expect_str_eq(field_string(event, "error.message"),
			 "beyond the end that the file had when it was mapped");
	cr_expect_str_eq(field_string(event, "mmfence.sigbus.snapshot"), fate);
	cr_expect_eq(field_number(event, "mmfence.sigbus.size_then"), 8 * 4096);
	cr_expect_eq(field_number(event, "file.size"), 8 * 4096);
	run_end(&run);
}

EACH_WIDTH(S17, a_page_that_never_was_there_is_said)
{
	was_never_there(variant, "dies/beyond", "untouched");
}

EACH_WIDTH(S17, a_page_beyond_what_was_preserved_is_said)
{
	was_never_there(variant, "dies/beyond_preserved", "preserved");
}

/* Nothing of the plugin can be read by then, its unwind tables neither. */
EACH_WIDTH(S17, a_plugin_that_was_overwritten_is_said)
{
	struct run run = { 0 };

	dies(&run, variant, "dies/plugin");
	json_t *event = the_event(&run);
	cr_expect_str_eq(field_string(event, "error.message"),
			 "beyond the file's end, in what the dynamic loader mapped");
	cr_expect(strstr(field_string(event, "file.path"), "/plugin.so"));
	cr_expect_str_eq(field_string(event, "mmfence.sigbus.access"), "execute");
	cr_expect(strstr(field_string(event, "mmfence.sigbus.cure"), "install"));
	run_end(&run);
}

/* The stack leads from the instruction that faulted to main. */
EACH_WIDTH(S17, the_stack_is_the_programs)
{
	struct run run = { 0 };

	dies(&run, variant, "dies/shared");
	json_t *stack = field(the_event(&run), "mmfence.stack");
	cr_expect(json_array_size(stack) >= 4, "%s", json_dumps(stack, 0));
	const char *path = json_string_value(json_object_get(
		json_array_get(field(the_event(&run), "mmfence.modules"), 0), "path"));
	cr_assert(path && strstr(path, "/helpers/"), "%s", path);
	run_end(&run);
}

#define IS_SAID(test, name)                \
	EACH_WIDTH(S17, test)              \
	{                                  \
		struct run run = { 0 };    \
		dies(&run, variant, name); \
		the_event(&run);           \
		run_end(&run);             \
	}

IS_SAID(a_file_without_a_name_is_said, "dies/unlinked")
IS_SAID(a_thread_is_said, "dies/in_a_thread")
IS_SAID(a_handler_on_an_own_stack_is_said, "dies/on_an_own_stack")
IS_SAID(a_handler_that_puts_back_what_it_found_is_followed, "dies/chained")
IS_SAID(it_is_said_when_the_program_takes_its_handler_away, "dies/default_again")
IS_SAID(a_handler_on_a_small_stack_is_said, "dies/on_a_small_stack")
IS_SAID(a_stack_without_room_is_said, "dies/with_no_room")
IS_SAID(a_child_of_vfork_is_said, "dies/child_of_vfork")

/* Nothing of ours: neither is it said. */
static void is_not_said(const char *variant, const char *name)
{
	struct run run = { .expects = { NULL, "coverage.gap" } };

	dies(&run, variant, name);
	cr_expect_eq(count_events(&run, "mapping.sigbus"), 0);
	run_end(&run);
}

EACH_WIDTH(S17, a_signal_that_was_sent_is_no_fault)
{
	is_not_said(variant, "dies/sent");
	is_not_said(variant, "dies/queued");
}

EACH_WIDTH(S17, a_signal_that_a_handler_sends_again_is_no_fault)
{
	is_not_said(variant, "dies/raised");
}

/* No call is made that the program's own filter may kill for. */
EACH_WIDTH(S17, a_program_under_a_filter_dies_as_without)
{
	is_not_said(variant, "dies/filtered");
}

EACH_WIDTH(S17, a_filter_that_failed_changes_nothing)
{
	struct run run = { .expects = { NULL, "coverage.gap" } };

	dies(&run, variant, "dies/not_filtered");
	the_event(&run);
	run_end(&run);
}

EACH_WIDTH(S17, it_dies_of_the_fault_as_it_came)
{
	struct run run = { .variant = variant, .helper = "sigbus", .args = { "traced" } };

	run_helper(&run);
	run_must_hold(&run);
	the_event(&run);
	run_end(&run);
}

/* By then the page is inside the file. */
EACH_WIDTH(S17, it_dies_though_the_file_grew_again)
{
	struct run run = { .variant = variant, .helper = "sigbus", .args = { "back_again" } };

	run_helper(&run);
	run_must_hold(&run);
	the_event(&run);
	run_end(&run);
}

EACH_WIDTH(S17, it_is_said_where_there_is_no_proc)
{
	struct run run = { 0 };

	skip_unless_root();
	dies(&run, variant, "dies/without_proc");
	json_t *event = the_event(&run);
	cr_expect_str_eq(field_string(event, "error.message"),
			 "what is mapped there could not be looked up in /proc");
	cr_expect(field(event, "mmfence.stack"));
	run_end(&run);
}

static void with_a_small_disk(struct run *run)
{
	(void)run;
	if (!own_mounts(0) || mkdir("full", 0700) || mount("small", "full", "tmpfs", 0, "size=64k"))
		_exit(77);
}

EACH_WIDTH(S17, a_store_without_space_is_said)
{
	struct run run = { .options = { "sigbus.rescue=**" }, .prepare = with_a_small_disk };

	skip_without_mounts();
	dies(&run, variant, "dies/full");
	json_t *event = the_event(&run);
	cr_expect_str_eq(field_string(event, "error.message"),
			 "inside the file: no space left for a page that is stored to");
	cr_expect_eq(field_number(event, "mmfence.sigbus.free"), 0);
	cr_expect_str_eq(field_string(event, "mmfence.sigbus.access"), "write");
	run_end(&run);
}

EACH_WIDTH(S17, who_writes_is_said)
{
	struct run run = { 0 };

	dies(&run, variant, "dies/unlinked");
	cr_expect_eq(field_number(the_event(&run), "mmfence.sigbus.writer"), -1);
	run_end(&run);
	struct run held = { 0 };
	dies(&held, variant, "dies/held");
	cr_expect_eq(field_number(the_event(&held), "mmfence.sigbus.writer"), held.pid);
	cr_expect_str_eq(field_string(the_event(&held), "mmfence.sigbus.writer_name"), "sigbus");
	run_end(&held);
}

/* ---- survived ---- */

#define RESCUE "sigbus.rescue=**/sigbus.data"

static void rescues(const char *variant, const char *pattern, size_t events)
{
	struct run run = { .variant = variant,
			   .helper = "sigbus",
			   .args = { pattern },
			   .options = { RESCUE },
			   .expects = { "snapshot.lost" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_expect_eq(count_events(&run, "mapping.rescued"), events, "%zu records",
		     count_events(&run, "mapping.rescued"));
	cr_expect_eq(count_events(&run, "mapping.sigbus"), 0);
	run_end(&run);
}

#define IS_RESCUED(test, pattern, events)          \
	EACH_WIDTH(S17, test)                      \
	{                                          \
		rescues(variant, pattern, events); \
	}

IS_RESCUED(rescued_shared_mappings_read_zeros, "rescue/read/shared", 1)
IS_RESCUED(rescued_private_mappings_read_zeros, "rescue/read/private", 1)
IS_RESCUED(rescued_shared_mappings_keep_stores_from_the_file, "rescue/store/shared", 1)
IS_RESCUED(rescued_private_mappings_keep_stores, "rescue/store/private", 1)
IS_RESCUED(a_cut_is_rescued_once_whatever_is_touched_first, "rescue/backwards", 1)
IS_RESCUED(each_cut_is_rescued_once, "rescue/again", 2)
IS_RESCUED(zeros_stay_when_the_file_grows, "rescue/grown", 1)
IS_RESCUED(a_store_into_read_only_zeros_is_a_fault, "rescue/keeps_protection", 1)
IS_RESCUED(a_file_without_a_name_is_rescued, "rescue/unlinked", 1)
IS_RESCUED(a_handler_on_an_own_stack_is_rescued, "rescue/in_a_handler", 1)
IS_RESCUED(a_handler_on_a_small_stack_is_rescued, "rescue/on_a_small_stack", 1)
IS_RESCUED(a_child_is_rescued_by_itself, "rescue/in_a_child", 2)
IS_RESCUED(a_child_of_vfork_is_rescued_with_its_parent, "rescue/in_a_child_of_vfork", 1)
IS_RESCUED(calls_still_fail_with_efault, "rescue/is_no_matter_of_calls", 1)
IS_RESCUED(the_programs_handler_comes_first, "rescue/not_with_a_handler", 1)
IS_RESCUED(zeros_are_locked_as_the_mapping_was, "rescue/locked", 1)
IS_RESCUED(threads_that_fault_at_once_lose_no_store, "rescue/threads/shared", 200)
IS_RESCUED(threads_in_private_mappings_lose_no_store, "rescue/threads/private", 200)

/* And is a snapshot no more. */
EACH_WIDTH(S17, a_lost_snapshot_is_rescued)
{
	struct run run = { .variant = variant,
			   .helper = "sigbus",
			   .args = { "rescue/lost" },
			   .options = { RESCUE },
			   .expects = { "snapshot.lost" } };

	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "mapping.rescued");
	cr_expect_str_eq(field_string(event, "mmfence.sigbus.snapshot"), "lost");
	cr_expect_eq(field_number(event, "mmfence.sigbus.size_then"), 16 * 4096);
	cr_expect_eq(count_events(&run, "snapshot.end"), 1);
	run_end(&run);
}

/* From the page that is touched, since nobody tells where the file ends. */
EACH_WIDTH(S17, a_file_that_nobody_may_ask_is_rescued)
{
	struct run run = { .variant = variant,
			   .helper = "sigbus",
			   .args = { "rescue/unlinked_unprivileged" },
			   .options = { RESCUE } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(find_event(&run, "mapping.rescued"));
	run_end(&run);
}

EACH_WIDTH(S17, a_rescue_is_said)
{
	struct run run = { .variant = variant,
			   .helper = "sigbus",
			   .args = { "rescue/store/shared" },
			   .options = { RESCUE } };

	run_helper(&run);
	run_must_hold(&run);
	json_t *event = find_event(&run, "mapping.rescued");
	cr_expect_str_eq(field_string(event, "event.outcome"), "success");
	cr_expect_str_eq(field_string(event, "error.message"),
			 "zeros beyond the file's end; what is stored there reaches no file");
	cr_expect_eq(field_number(event, "file.size"), LEFT);
	cr_expect_eq(field_number(event, "mmfence.rescue.length"), 12 * 4096);
	cr_expect_eq(field_number(event, "mmfence.sigbus.offset"), 9 * 4096);
	cr_expect(field(event, "mmfence.stack"));
	run_end(&run);
}

EACH_WIDTH(S17, what_was_not_named_is_not_rescued)
{
	struct run run = { .options = { "sigbus.rescue=/sigbus.data:**/other.data" } };

	dies(&run, variant, "dies/shared");
	the_event(&run);
	run_end(&run);
}

EACH_WIDTH(S17, rescue_needs_no_log)
{
	struct run run = { .variant = variant,
			   .helper = "sigbus",
			   .args = { "rescue/store/*" },
			   .options = { RESCUE },
			   .log = "" };

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

EACH_WIDTH(S17, rescue_fails_bare)
{
	struct run run = { .variant = variant,
			   .helper = "sigbus",
			   .args = { "--bare", "rescue/*" },
			   .preload = RUN_BARE };

	run_helper(&run);
	run_must_hold(&run);
	run_end(&run);
}

/* ---- what the command says of it ---- */

static void start_command(struct run *run, const char *subcommand, const char *option)
{
	*run = (struct run){ .helper = build_path("bin/mmfence"), .preload = RUN_BARE };
	run->args[0] = subcommand;
	run->args[1] = "--log";
	run->args[2] = "run.jsonl";
	run->args[3] = option;
	run->args[4] = "--";
	run->args[5] = build_path("helpers/plain/sigbus");
}

Test(S17, the_summary_says_it_first)
{
	struct run run;

	start_command(&run, "run", "--rescue=/no/file");
	run.args[6] = "dies/shared";
	run_helper(&run);
	cr_expect_eq(run_exit(&run), 128 + SIGBUS);
	cr_expect(
		strstr(run.errors,
		       "process\n  SIGBUS       1 time a program died of SIGBUS in a file mapping\n"
		       "                 1 × beyond the file's end, in a shared mapping, not "
		       "protected unless asked, such as "),
		"%s", run.errors);
	cr_expect(strstr(run.errors, "                 cure: --snapshot-shared FILE"), "%s",
		  run.errors);
	run_end(&run);
}

Test(S17, the_summary_says_what_was_rescued)
{
	struct run run;

	start_command(&run, "run", "--rescue=**/sigbus.data");
	run.args[6] = "rescue/again";
	run_helper(&run);
	cr_expect_eq(run_exit(&run), 0, "%s", run.output);
	cr_expect(strstr(run.errors, "2 mappings of files that were cut off go on with zeros\n"),
		  "%s", run.errors);
	run_end(&run);
}

/* Without a record: what came from elsewhere, or a handler's own end. */
Test(S17, the_summary_says_where_it_was_not_seen)
{
	struct run run;

	start_command(&run, "run", "--rescue=/no/file");
	run.args[6] = "dies/sent";
	run_helper(&run);
	cr_expect_eq(run_exit(&run), 128 + SIGBUS);
	cr_expect(strstr(run.errors, "  SIGBUS       the command died of it, but not of a file "
				     "mapping that mmfence saw: "),
		  "%s", run.errors);
	run_end(&run);
}

Test(S17, check_finds_it)
{
	struct run run;

	start_command(&run, "check", "--fail-on=sigbus");
	run.args[6] = "dies/shared";
	run_helper(&run);
	cr_expect(run_exit(&run) == 86, "%d", run_exit(&run));
	cr_expect(strstr(run.errors, "mmfence: sigbus: beyond the file's end, in a shared mapping"),
		  "%s", run.errors);
	run_end(&run);
}

Test(S17, log_and_report_say_it)
{
	char log[PATH_MAX + 8];
	struct run run = { 0 };

	dies(&run, "plain", "dies/shared");
	the_event(&run);
	snprintf(log, sizeof(log), "%s", run.log_path);
	struct run shown = { .helper = build_path("bin/mmfence"),
			     .preload = RUN_BARE,
			     .args = { "log", log } };
	run_helper(&shown);
	cr_expect(strstr(shown.output, "/sigbus.data: SIGBUS, beyond the file's end, in a shared "
				       "mapping, not protected unless asked (read at 36864 of "
				       "12388, r--s)"),
		  "%s", shown.output);
	struct run report = { .helper = build_path("bin/mmfence"),
			      .preload = RUN_BARE,
			      .args = { "report", log } };
	run_helper(&report);
	cr_expect(strstr(report.output, "Verdict: kept, as far as mmfence could look\n  sigbus     "
					"1 time a program died of SIGBUS in a file mapping.\n"),
		  "%s", report.output);
	cr_expect(strstr(report.output, "sigbus: mapping.sigbus, 1 time (beyond the file's end"),
		  "%s", report.output);
	cr_expect(strstr(report.output, "      touch_page ("), "%s", report.output);
	run_end(&report);
	run_end(&shown);
	run_end(&run);
}

/* ---- a program as it is ---- */

#define PYTHON "/usr/bin/python3"
#define SCRIPT                                                                             \
	"import mmap, os\n"                                                                \
	"open('sigbus.data', 'wb').write(b'x' * 65536)\n"                                  \
	"m = mmap.mmap(os.open('sigbus.data', os.O_RDONLY), 0, access=mmap.ACCESS_READ)\n" \
	"os.truncate('sigbus.data', 5000)\n"                                               \
	"print(m[0:1], m[40000:40004])\n"

static void python(struct run *run)
{
	if (access(PYTHON, X_OK))
		cr_skip_test("no " PYTHON);
	run->helper = PYTHON;
	run->args[0] = "-c";
	run->args[1] = SCRIPT;
	run_helper(run);
}

Test(S17, python_is_said_and_rescued)
{
	struct run bare = { .preload = RUN_BARE }, said = { 0 },
		   rescued = { .options = { RESCUE } };

	python(&bare);
	cr_assert_eq(run_exit(&bare), 128 + SIGBUS);
	python(&said);
	cr_expect_eq(said.status, bare.status);
	the_event(&said);
	python(&rescued);
	cr_expect_str_eq(rescued.output, "b'x' b'\\x00\\x00\\x00\\x00'\n");
	cr_expect_eq(count_events(&rescued, "mapping.rescued"), 1);
	run_end(&bare);
	run_end(&said);
	run_end(&rescued);
}
