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
WIDTHS_HOLD(S17, ignored_and_blocked_signals_wait_as_without, "signals", "waiting")
WIDTHS_HOLD(S17, a_child_of_vfork_changes_nothing, "signals", "vfork")
WIDTHS_HOLD(S17, threads_may_set_it_at_once, "signals", "threads")

WIDTHS_HOLD(S17, signals_without_mmfence, "signals", "--bare", .preload = RUN_BARE)

/* ---- said ---- */

static void with_cores(struct run *run)
{
	struct rlimit limit = { 1 << 26, 1 << 26 };

	if (setrlimit(RLIMIT_CORE, &limit))
		_exit(98);
}

/* The same end, with the same core flag, as bare. */
#define DIES_BY(prepared, program, name, ...)                                      \
	.helper = program, .args = { name }, .prepare = prepared, .as_bare = true, \
	.ends_with = 128 + SIGBUS, .expects = { "snapshot.lost", __VA_ARGS__ }
#define DIES(...)    DIES_BY(with_cores, "sigbus", __VA_ARGS__)
#define HANDLED(...) DIES_BY(with_cores, "sigbus_handled", __VA_ARGS__)

#define IS_ONE "mapping.sigbus 1", "mapping.rescued 0"
#define OFFERS_NO_RESCUE                                                             \
	IS_ONE, "mapping.sigbus mmfence.sigbus.cure=--snapshot-shared FILE, if the " \
		"program opens it read-only"
/* With 12388 bytes left of the file. */
#define SAID(reason, access, protection, size)                                                \
	IS_ONE, "mapping.sigbus event.outcome=failure & error.message=" reason,               \
		"mapping.sigbus file.path~/sigbus.data & file.size=" size,                    \
		"mapping.sigbus mmfence.sigbus.offset=36864 & mmfence.sigbus.access=" access, \
		"mapping.sigbus mmfence.mapping.protection=" protection,                      \
		"mapping.sigbus mmfence.mapping.length=65536 & mmfence.mapping.offset=0",     \
		"mapping.sigbus mmfence.sigbus.cure"

/* Which page of the mapping: the address too must be the one that was touched. */
static void expect_place(struct run *run)
{
	const json_t *event = find_event(run, "mapping.sigbus");
	unsigned long long start, at;

	cr_assert(sscanf(field_string(event, "mmfence.mapping.address"), "%llx", &start) == 1);
	cr_assert(sscanf(field_string(event, "mmfence.sigbus.address"), "%llx", &at) == 1);
	cr_expect_eq(at - start, 9 * 4096 + 7);
}

/* The stack leads from the instruction that faulted to main. */
static void expect_stack(struct run *run)
{
	const json_t *module =
		json_array_get(field(find_event(run, "mapping.sigbus"), "mmfence.modules"), 0);

	run_finds(run, "mapping.sigbus mmfence.stack>3");
	cr_assert(strstr(field_string(module, "path") ?: "", "/helpers/"), "%s",
		  json_dumps(module, 0));
}

RUNS_AND(EACH_WIDTH, S17, a_shared_mapping_that_was_cut_is_said, DIES("dies/shared"),
	 .finds = { SAID("beyond the file's end, in a shared mapping, not protected unless asked",
			 "read", "r--s", "12388"),
		    "mapping.sigbus mmfence.sigbus.snapshot=none & !mmfence.sigbus.writer",
		    "mapping.sigbus mmfence.sigbus.cure~--snapshot-shared" })
{
	expect_place(run);
	expect_stack(run);
}

RUNS(EACH_WIDTH, S17, a_store_into_a_shared_mapping_is_said, DIES("dies/shared_store"),
     .finds = { SAID("beyond the file's end, in a writable shared mapping", "write", "rw-s",
		     "12388") })

RUNS(EACH_WIDTH, S17, a_private_mapping_that_nobody_saw_is_said, DIES("dies/private"),
     .finds = { SAID("beyond the file's end, in a private mapping that has no snapshot", "read",
		     "r--p", "12388") })

RUNS(EACH_WIDTH, S17, a_snapshot_that_was_lost_is_said, DIES("dies/lost"),
     .finds = { SAID("beyond the file's end, in a snapshot that was lost", "read", "r--p", "0"),
		IS_ONE,
		"mapping.sigbus mmfence.sigbus.snapshot=lost & mmfence.sigbus.size_then=65536" })

RUNS(EACH_WIDTH, S17, a_private_mapping_that_was_left_alone_is_said, DIES("dies/private"),
     .options = { "snapshot.mode=off" },
     .finds = { SAID("beyond the file's end, in a private mapping, with snapshot.mode=off", "read",
		     "r--p", "12388"),
		IS_ONE, "mapping.sigbus mmfence.sigbus.cure=snapshot.mode=on" })

/* Not that it was cut, but that it never was there. */
#define WAS_NEVER_THERE(name, test, fate)                                                                \
	RUNS(EACH_WIDTH, S17, name, DIES(test), .options = { "snapshot.paths=**/sigbus.data" },          \
	     .finds = {                                                                                  \
		     IS_ONE,                                                                             \
		     "mapping.sigbus error.message=beyond the end that the file had when it was mapped", \
		     "mapping.sigbus file.size=32768 & mmfence.sigbus.size_then=32768",                  \
		     "mapping.sigbus mmfence.sigbus.snapshot=" fate })

WAS_NEVER_THERE(a_page_that_never_was_there_is_said, "dies/beyond", "untouched")
WAS_NEVER_THERE(a_page_beyond_what_was_preserved_is_said, "dies/beyond_preserved", "preserved")

/* Nothing of the plugin can be read by then, its unwind tables neither. */
RUNS(EACH_WIDTH, S17, a_plugin_that_was_overwritten_is_said, DIES("dies/plugin"),
     .finds = {
	     IS_ONE,
	     "mapping.sigbus error.message=beyond the file's end, in what the dynamic loader mapped",
	     "mapping.sigbus file.path~/plugin.so & mmfence.sigbus.access=execute",
	     "mapping.sigbus mmfence.sigbus.cure~install" })

/* Zeros are instructions too. */
EACH_WIDTH(S17, what_may_be_executed_is_not_rescued)
{
	TRY(DIES("dies/plugin"), .options = { "sigbus.rescue=**" }, .finds = { IS_ONE });
	TRY(DIES("dies/may_be_executed"), .options = { "sigbus.rescue=**" },
	    .finds = { OFFERS_NO_RESCUE });
}

#define IS_SAID(test, name) RUNS(EACH_WIDTH, S17, test, HANDLED(name), .finds = { IS_ONE })

IS_SAID(a_thread_is_said, "dies/in_a_thread")
IS_SAID(a_handler_on_an_own_stack_is_said, "dies/on_an_own_stack")
IS_SAID(a_handler_that_puts_back_what_it_found_is_followed, "dies/chained")
IS_SAID(it_is_said_when_the_program_takes_its_handler_away, "dies/default_again")
IS_SAID(a_handler_on_a_small_stack_is_said, "dies/on_a_small_stack")
IS_SAID(a_stack_without_room_is_said, "dies/with_no_room")
IS_SAID(a_child_of_vfork_is_said, "dies/child_of_vfork")

/* Most of the time more than one has its fault before the process is dead. */
EACH_WIDTH(S17, threads_that_fault_at_once_are_said_once)
{
	for (int i = 0; i < 20; i++)
		TRY(HANDLED("dies/threads"), .finds = { IS_ONE });
}

/* Most of the time its fault falls into the other thread's call. */
EACH_WIDTH(S17, a_fault_while_a_thread_leaves_the_signal_to_the_kernel_is_said)
{
	for (int i = 0; i < 10; i++) {
		TRY(HANDLED("dies/left_by_sigaction"), .finds = { IS_ONE });
		TRY(HANDLED("dies/left_by_signal"), .finds = { IS_ONE });
		TRY(HANDLED("dies/left_by_sigset"), .finds = { IS_ONE });
		TRY(HANDLED("dies/left_by_number"), .finds = { IS_ONE });
	}
}

/* By a handler of the program's, which came first and is none of ours to rescue. */
#define SENT_AGAIN(name)                                                               \
	TRY(HANDLED(name), .options = { "sigbus.rescue=**" },                          \
	    .finds = { OFFERS_NO_RESCUE, "mapping.sigbus mmfence.sigbus.offset=36864", \
		       "mapping.sigbus mmfence.sigbus.access=read" })

EACH_WIDTH(S17, a_fault_that_a_handler_sends_again_is_said)
{
	SENT_AGAIN("dies/sent_again");
	SENT_AGAIN("dies/sent_again_within");
	SENT_AGAIN("dies/sent_again_to_all");
	SENT_AGAIN("dies/sent_again_by_a_thread");
}

/* Nothing of ours: neither is it said. */
#define NOT_SAID(name)                                                        \
	TRY(HANDLED(name, "coverage.gap"), .options = { "sigbus.rescue=**" }, \
	    .finds = { "mapping.sigbus 0" })

EACH_WIDTH(S17, a_signal_that_was_sent_is_no_fault)
{
	NOT_SAID("dies/sent");
	NOT_SAID("dies/queued");
	NOT_SAID("dies/sent_later");
}

EACH_WIDTH(S17, a_signal_that_a_handler_sends_again_is_no_fault)
{
	NOT_SAID("dies/raised");
}

/* Nor rescued: the kernel asks no handler. */
EACH_WIDTH(S17, a_fault_of_which_no_handler_is_told_is_as_without)
{
	NOT_SAID("dies/blocked");
	NOT_SAID("dies/ignored");
	NOT_SAID("dies/handled_once");
	NOT_SAID("dies/within_its_handler");
}

/* No call is made that the program's own filter may kill for. */
EACH_WIDTH(S17, a_program_under_a_filter_dies_as_without)
{
	NOT_SAID("dies/filtered");
}

RUNS(EACH_WIDTH, S17, a_filter_that_failed_changes_nothing,
     HANDLED("dies/not_filtered", "coverage.gap"), .finds = { IS_ONE })

WIDTHS_HOLD(S17, it_dies_of_the_fault_as_it_came, "sigbus_handled", "traced", .finds = { IS_ONE })
WIDTHS_HOLD(S17, it_dies_of_what_its_handler_sent, "sigbus_handled", "traced_sent_again",
	    .finds = { IS_ONE })

/* By then the page is inside the file. */
WIDTHS_HOLD(
	S17, it_dies_though_the_file_grew_again, "sigbus_handled", "back_again",
	.finds = {
		IS_ONE,
		"mapping.sigbus error.message=beyond the file's end, which has grown again since",
		"mapping.sigbus mmfence.sigbus.cure~--snapshot-shared" })

RUNS(EACH_WIDTH, S17, it_is_said_where_there_is_no_proc, .as_root = true,
     HANDLED("dies/without_proc"),
     .finds = { IS_ONE,
		"mapping.sigbus error.message=what is mapped there could not be looked up in /proc",
		"mapping.sigbus mmfence.stack" })

static void with_a_small_disk(struct run *run)
{
	if (!own_mounts(0) || mkdir("full", 0700) || mount("small", "full", "tmpfs", 0, "size=64k"))
		_exit(77);
}

/* With this reason, and never rescued. */
#define TROUBLE(prepared, name, reason, ...)                                            \
	TRY(DIES_BY(prepared, "sigbus", name), .options = { "sigbus.rescue=**" },       \
	    .finds = { IS_ONE, "mapping.sigbus error.message=inside the file: " reason, \
		       "mapping.sigbus mmfence.sigbus.device", __VA_ARGS__ })
#define NO_SPACE "no space left for the page"

static void without_space(const char *variant, const char *name, const char *access)
{
	skip_without_mounts();
	TROUBLE(with_a_small_disk, name, NO_SPACE, "mapping.sigbus mmfence.sigbus.free=0", access);
}

EACH_WIDTH(S17, a_page_without_space_is_said)
{
	without_space(variant, "dies/full", "mapping.sigbus mmfence.sigbus.access=write");
	without_space(variant, "dies/full_read", "mapping.sigbus mmfence.sigbus.access=read");
	without_space(variant, "dies/full_unlinked", "mapping.sigbus mmfence.sigbus.access=write");
}

EACH_WIDTH(S17, a_huge_page_that_cannot_be_had_is_said)
{
	TROUBLE(with_cores, "dies/huge", "no huge page could be had",
		"mapping.sigbus mmfence.sigbus.cure=vm.nr_hugepages");
}

static void with_a_disk(struct run *run)
{
	if (!own_mounts(0) || mkdir("full", 0700) ||
	    system("truncate -s 4M disk && mkfs.ext4 -q disk && mount -o loop,nodelalloc disk full"))
		_exit(77);
}

EACH_WIDTH(S17, what_a_disk_does_is_said)
{
	skip_without_mounts();
	TROUBLE(with_a_disk, "dies/disk_gone", "the page could not be read");
	TROUBLE(with_a_disk, "dies/disk_gone_store", "the page could not be read");
	TROUBLE(with_a_disk, "dies/full", NO_SPACE);
	TROUBLE(with_a_disk, "dies/full_unlinked", NO_SPACE);
	TROUBLE(with_a_disk, "dies/disk_shut_down",
		"no room for a page that is stored to, by a quota or an error; or it was cut and "
		"has grown again");
}

RUNS(EACH_WIDTH, S17, the_size_of_a_file_without_a_name_is_that_of_a_descriptor,
     DIES("dies/unlinked_unprivileged"), .finds = { IS_ONE, "mapping.sigbus file.size=0" })

/* Nor does anybody write. */
RUNS(EACH_WIDTH, S17, a_file_without_a_name_is_said, DIES("dies/unlinked"),
     .finds = { IS_ONE, "mapping.sigbus !mmfence.sigbus.writer" })

RUNS_AND(EACH_WIDTH, S17, who_writes_is_said, DIES("dies/held"),
	 .finds = { IS_ONE, "mapping.sigbus mmfence.sigbus.writer_name=sigbus" })
{
	cr_expect_eq(field_number(find_event(run, "mapping.sigbus"), "mmfence.sigbus.writer"),
		     run->pid);
}

/* ---- survived ---- */

#define RESCUE "sigbus.rescue=**/sigbus.data"

#define IS_RESCUED(test, pattern, events)                                \
	WIDTHS_HOLD(S17, test, "rescue", pattern, .options = { RESCUE }, \
		    .expects = { "snapshot.lost" },                      \
		    .finds = { "mapping.rescued " #events, "mapping.sigbus 0" })

IS_RESCUED(rescued_shared_mappings_read_zeros, "rescue/read/shared", 1)
IS_RESCUED(rescued_private_mappings_read_zeros, "rescue/read/private", 1)
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
IS_RESCUED(a_page_that_is_back_is_no_zeros, "rescue/back_again/read", 0)
IS_RESCUED(a_page_that_is_back_takes_the_store, "rescue/back_again/store", 0)
IS_RESCUED(zeros_are_locked_as_the_mapping_was, "rescue/locked", 1)
IS_RESCUED(threads_that_fault_at_once_lose_no_store, "rescue/threads/shared", 200)
IS_RESCUED(threads_in_private_mappings_lose_no_store, "rescue/threads/private", 200)

/* And is a snapshot no more. */
WIDTHS_HOLD(S17, a_lost_snapshot_is_rescued, "rescue", "rescue/lost", .options = { RESCUE },
	    .expects = { "snapshot.lost" },
	    .finds = {
		    "mapping.rescued mmfence.sigbus.snapshot=lost & mmfence.sigbus.size_then=65536",
		    "snapshot.end 1" })

/* From the page that is touched, since nobody tells where the file ends. */
WIDTHS_HOLD(S17, a_rescue_leaves_nothing_of_an_emulated_mapping, "rescue", "rescue/emulated",
	    .options = { RESCUE, "nonlinear.emulate=always" },
	    .finds = { "mapping.rescued 2", "nonlinear.remap" })

WIDTHS_HOLD(S17, a_file_that_nobody_may_ask_is_rescued, "rescue", "rescue/unlinked_unprivileged",
	    .options = { RESCUE }, .finds = { "mapping.rescued" })

WIDTHS_HOLD(
	S17, rescued_shared_mappings_keep_stores_from_the_file, "rescue", "rescue/store/shared",
	.options = { RESCUE },
	.finds = {
		"mapping.rescued 1", "mapping.sigbus 0",
		"mapping.rescued event.outcome=success & file.size=12388 & mmfence.stack",
		"mapping.rescued error.message=zeros beyond the file's end; what is stored there reaches no file",
		"mapping.rescued mmfence.rescue.length=49152 & mmfence.sigbus.offset=36864" })

RUNS(EACH_WIDTH, S17, what_was_not_named_is_not_rescued, DIES("dies/shared"),
     .options = { "sigbus.rescue=/sigbus.data:**/other.data" }, .finds = { IS_ONE })

WIDTHS_HOLD(S17, rescue_needs_no_log, "rescue", "rescue/store/*", .options = { RESCUE }, .log = "")

RUNS(EACH_WIDTH, S17, rescue_fails_bare, .helper = "rescue", .args = { "--bare" },
     .preload = RUN_BARE)

/* ---- sanitizers ---- */

#define ASAN "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0"
#define LEAVE                                                           \
	{                                                               \
		ASAN ":handle_sigbus=0", "TSAN_OPTIONS=handle_sigbus=0" \
	}

/* Their runtimes handle the signal themselves, or are told to leave it to the kernel. */
#define SANITIZED(name, status)                                                                \
	Test(S17, name##_comes_first)                                                          \
	{                                                                                      \
		const char *variant = #name;                                                   \
		TRY(.helper = "sigbus", .args = { "dies/shared" }, .env = { ASAN },            \
		    .as_bare = true, .ends_with = status, .options = { RESCUE },               \
		    .finds = { "mapping.sigbus 0" });                                          \
		TRY(DIES("dies/shared"), .env = LEAVE, .finds = { IS_ONE });                   \
		TRY(.helper = "rescue", .args = { "rescue/threads/*" }, .options = { RESCUE }, \
		    .env = LEAVE, .finds = { "mapping.rescued 400", "mapping.sigbus 0" });     \
	}

SANITIZED(asan, 1)
SANITIZED(asan_static, 1)
SANITIZED(tsan, 66)

/* ---- what the command says of it ---- */

GIVEN(S17, the_summary_says_it_first,
      "run --log run.jsonl --rescue=/no/file -- $HELPERS/sigbus dies/shared",
      .ends_with = 128 + SIGBUS,
      .warns = { "process\n  SIGBUS       1 time a program died of SIGBUS in a file mapping\n"
		 "                 1 × beyond the file's end, in a shared mapping, not "
		 "protected unless asked, such as ",
		 "                 cure: --snapshot-shared FILE" })
GIVEN(S17, the_summary_says_what_was_rescued,
      "run --log run.jsonl --rescue=**/sigbus.data -- $HELPERS/rescue rescue/again",
      .warns = { "2 mappings of files that were cut off went on with zeros\n" })
/* Without a record: what came from elsewhere, or a handler's own end. */
GIVEN(S17, the_summary_says_where_it_was_not_seen,
      "run --log run.jsonl --rescue=/no/file -- $HELPERS/sigbus_handled dies/sent",
      .ends_with = 128 + SIGBUS,
      .warns = { "  SIGBUS       the command died of it, but not of a file mapping that mmfence "
		 "saw: " })
GIVEN(S17, check_finds_it, "check --log run.jsonl --fail-on=sigbus -- $HELPERS/sigbus dies/shared",
      .ends_with = 86, .warns = { "mmfence: sigbus: beyond the file's end, in a shared mapping" })

static void log_and_report(const char *variant, const char *log)
{
	TRY(.mmfence = "log", .args = { log },
	    .shows = { "/sigbus.data: SIGBUS, beyond the file's end, in a shared mapping, not "
		       "protected unless asked (read at 36864 of 12388, r--s)" });
	TRY(.mmfence = "report", .args = { log },
	    .shows = { "Verdict: A program died of SIGBUS\n  SIGBUS       "
		       "1 time a program died of SIGBUS in a file mapping\n",
		       "sigbus: mapping.sigbus, calls 1, file ", "      touch_page (" });
}

RUNS_AND(ONCE, S17, log_and_report_say_it, DIES("dies/shared"), .finds = { IS_ONE })
{
	log_and_report(NULL, run->log_path);
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
	run_finds(&said, "mapping.sigbus 1");
	python(&rescued);
	cr_expect_str_eq(rescued.output, "b'x' b'\\x00\\x00\\x00\\x00'\n");
	cr_expect_eq(count_events(&rescued, "mapping.rescued"), 1);
	run_end(&bare);
	run_end(&said);
	run_end(&rescued);
}
