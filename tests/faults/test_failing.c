/* SPDX-License-Identifier: MIT */
/*
 * S9, P1: each call that the library makes for itself may fail. For n = 1, 2, 3, … the n-th one
 * does, alone or with all that come after it, until there are no more: never a crash, a hang, a
 * byte of neither version, or one of the later version without a record that says so.
 * With MMFENCE_FAULTS in the environment none is left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"
#include "prepare.h"
#include "receiver.h"
#include "test_guard_stage.h"

#define SLOW 1	 /* not every call, unless MMFENCE_FAULTS is set */
#define MOST 600 /* a scenario that makes more calls has gone astray */

static const char *const troubles[RUN_EXPECTS] = { "snapshot.unprotected", "snapshot.lost",
						   "log.dropped", "snapshot.grow" };
static const char *const that_say_so[] = { "snapshot.unprotected", "snapshot.lost", "log.dropped",
					   "selfmem.split" };
#define THAT_SAY_SO 4

/* What was logged until the log was renamed, if it was. */
static bool old_log_says_so(const struct run *run)
{
	char path[PATH_MAX], line[32768];
	bool says_so = false;

	snprintf(path, sizeof(path), "%s/log.old", run->dir);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		for (size_t i = 0; i < THAT_SAY_SO; i++)
			says_so |= strstr(line, that_say_so[i]) != NULL;
	if (file)
		fclose(file);
	return says_so;
}

/* Who reads the log knows that bytes may not be those of the capture. */
static bool log_says_so(const struct run *run)
{
	json_t *record;

	for (size_t i = 0; i < THAT_SAY_SO; i++)
		for (size_t n = 0; (record = find_event_number(run, that_say_so[i], n)); n++)
			if (strcmp(field_string(record, "event.outcome"), "success") != 0)
				return true;
	return old_log_says_so(run);
}

/* mode: of the helper. False: nothing failed. */
static bool try(const struct run *how, const char *scenario, int n, const char *mode)
{
	struct run run = *how;
	char number[16];

	snprintf(number, sizeof(number), "%d", n);
	run.args[0] = scenario;
	run.args[1] = number;
	run.args[2] = mode;
	run_helper(&run);
	cr_assert(run_exit(&run) == 0, "%s, call %d fails, %s: status %d\n%s%s", scenario, n,
		  mode ? mode : "alone", run_exit(&run), run.output, run.errors);
	cr_assert(!strstr(run.output, "changed") || log_says_so(&run),
		  "%s, call %d fails, %s: bytes changed, and no record says so\n%s", scenario, n,
		  mode ? mode : "alone", run.output);
	bool fired = strstr(run.output, "fired");
	run_end(&run);
	return fired;
}

static void each_fails_begin(struct run *how)
{
	how->variant = "faults";
	how->helper = "failing";
	how->preload = build_path("faults/libmmfence.so");
	how->prepare = make_page;
	/* What failed is said. */
	memcpy(how->expects, troubles, sizeof(troubles));
	for (size_t i = 0; i < RUN_MOST; i++)
		if (!how->env[i]) {
			how->env[i] = "FENCE_TEST_PAGE=../page";
			break;
		}
}

static void each_fails(struct run *how, const char *scenario)
{
	int n = 1;

	each_fails_begin(how);
	bool all = getenv("MMFENCE_FAULTS");
	int step = !all && how->seconds ? 5 : 1;
	how->seconds = 30;
	for (; n < MOST && try(how, scenario, n, NULL); n += step)
		;
	cr_assert(n > 1 && n < MOST, "%s: %d calls", scenario, n - 1);
	for (int first = 1; first < n; first += all || first < 4 ? 1 : 7)
		try(how, scenario, first, "onward");
}

/* Memory that nobody gives back any more once a call has failed. */
static void each_failure_keeps_nothing(struct run *how, const char *scenario)
{
	int n = 1;

	each_fails_begin(how);
	how->seconds = 30;
	while (n < MOST && try(how, scenario, n, "warm"))
		n++;
	cr_assert(n > 1 && n < MOST, "%s: %d calls", scenario, n - 1);
}

#define EACH(how_so, suite, name, scenario, ...)  \
	Test(suite, name, .timeout = 300)         \
	{                                         \
		struct run how = { __VA_ARGS__ }; \
		how_so(&how, scenario);           \
	}
#define EACH_FAILS(...) EACH(each_fails, __VA_ARGS__)

EACH_FAILS(S9, guarded_map_and_break, "guarded_break")
EACH_FAILS(S9, writable_map, "writable")
EACH_FAILS(S9, guarded_map_made_writable, "made_writable")
EACH_FAILS(S9, shared_map, "shared", .options = { "snapshot.shared=**" })
EACH_FAILS(S9, fork_with_guards, "fork_guards")
EACH_FAILS(S9, raw_clone_with_guards, "raw_clone")
EACH_FAILS(S9, fork_with_many_files, "many_files", .seconds = SLOW)
EACH_FAILS(S9, break_of_a_large_file, "large_break", .seconds = SLOW)
EACH_FAILS(S9, spill, "guarded_break",
	   .options = { "snapshot.preserve=spill", "snapshot.spill-dir=." })
EACH_FAILS(S9, spill_of_a_writable_map, "writable",
	   .options = { "snapshot.preserve=spill", "snapshot.spill-dir=." })
EACH_FAILS(S9, drift, "drift", .options = { "audit.drift=on" })
EACH_FAILS(S9, index_growth, "index_growth")
EACH_FAILS(S5, a_second_view, "doubled")
EACH_FAILS(S9, what_covers_a_snapshot, "covered")
EACH_FAILS(N2, emulated_remap, "remap", .options = { "nonlinear.emulate=always" })
EACH_FAILS(M4, alias, "alias", .options = { "selfmem.map=emulate" })
EACH_FAILS(M4, split, "split", .options = { "selfmem.map=emulate", "selfmem.fork=split" })
EACH_FAILS(M4, cut_views, "cut_views", .options = { "selfmem.map=emulate" })
EACH_FAILS(A4, log_lost, "log_lost")
EACH_FAILS(P4, exec_with_an_empty_environment, "executed")

#define KEEPS_NOTHING(...) EACH(each_failure_keeps_nothing, __VA_ARGS__)

KEEPS_NOTHING(S9, a_failure_of_a_break_keeps_nothing, "guarded_break")
KEEPS_NOTHING(S9, a_failure_of_a_writable_map_keeps_nothing, "writable")
KEEPS_NOTHING(S9, a_failure_of_mprotect_keeps_nothing, "made_writable")
KEEPS_NOTHING(S9, a_failure_of_a_shared_map_keeps_nothing, "shared",
	      .options = { "snapshot.shared=**" })
KEEPS_NOTHING(S6, a_failure_of_fork_keeps_nothing, "fork_guards")
KEEPS_NOTHING(S6, a_failure_of_raw_clone_keeps_nothing, "raw_clone")
KEEPS_NOTHING(S9, a_failure_of_a_large_break_keeps_nothing, "large_break")
KEEPS_NOTHING(S9, a_failure_of_what_covers_keeps_nothing, "covered")
KEEPS_NOTHING(S9, a_failure_of_drift_keeps_nothing, "drift", .options = { "audit.drift=on" })
KEEPS_NOTHING(S9, a_failure_of_a_spill_keeps_nothing, "guarded_break",
	      .options = { "snapshot.preserve=spill", "snapshot.spill-dir=." })
KEEPS_NOTHING(N2, a_failure_of_a_remap_keeps_nothing, "remap",
	      .options = { "nonlinear.emulate=always" })
KEEPS_NOTHING(M4, a_failure_of_an_alias_keeps_nothing, "alias",
	      .options = { "selfmem.map=emulate" })

Test(S9, clone, .timeout = 300)
{
	struct run how = { .helper = NULL };
	char mounted[PATH_MAX];

	/* Mounted once, for the test's own process and so for all its runs. */
	stage_on(&how, STAGE_XFS);
	snprintf(how.dir, sizeof(how.dir), "%s/clone.XXXXXX", getenv("MMFENCE_TMP"));
	snprintf(mounted, sizeof(mounted), "%s/work", mkdtemp(how.dir));
	cr_assert(!mkdir(mounted, 0777));
	how.prepare(&how);
	setenv("MMFENCE_TMP", mounted, 1);
	how = (struct run){ .helper = NULL };
	each_fails(&how, "guarded_break");
}

/* ---- what goes well leaves nothing behind ---- */

static void balanced(const char *scenario, const char *option)
{
	struct run run = { .variant = "faults",
			   FAULTY_RUN("failing", scenario, "balanced"),
			   .options = { option },
			   .seconds = 30 };

	run_and_look(&run);
}

Test(S9, nothing_is_left_of_snapshots)
{
	balanced("guarded_break", NULL);
	balanced("guarded_break", "audit.drift=on");
	balanced("guarded_break", "snapshot.guard=none");
	balanced("writable", NULL);
	balanced("made_writable", NULL);
	balanced("shared", "snapshot.shared=**");
	balanced("many_files", NULL);
	balanced("covered", NULL);
}

Test(S6, nothing_is_left_of_forks)
{
	balanced("fork_guards", NULL);
	balanced("raw_clone", NULL);
}

Test(N2, nothing_is_left_of_windows)
{
	balanced("remap", "nonlinear.emulate=always");
	balanced("remap", "audit.nonlinear=every");
}

/* Where files are told apart by their names. */
Test(N2, nothing_is_left_of_windows_in_shared_memory)
{
	if (!getenv("MMFENCE_SHM"))
		cr_skip_test("no /dev/shm here");
	setenv("MMFENCE_TMP", getenv("MMFENCE_SHM"), 1);
	balanced("remap", "nonlinear.emulate=always");
}

Test(M4, nothing_is_left_of_views)
{
	balanced("alias", "selfmem.map=emulate");
	balanced("records", NULL);
}

static void without_userfaultfd(struct run *run)
{
	struct filter filter = { .length = 0 };

	make_page(run);
	filter_fail(&filter, SYS_userfaultfd, 374, 0, EPERM);
	filter_fail(&filter, SYS_ioctl, 54, 0xaa00, EPERM);
	filter_install(&filter);
}

/* All of them, for what the test build itself looks at: see fault_after(). */
#define MAKES_SENSE(prepared, helper, pattern)                                             \
	TRY(FAULTY_BY(prepared, helper, pattern), .seconds = 120,                          \
	    .options = { "selfmem.map=emulate", "selfmem.fork=split", "snapshot.paths=**", \
			 "snapshot.shared=**" })

ONCE(M4, every_call_for_views_makes_sense)
{
	static const char *const helpers[] = { "views", "view_places", "view_refused" };

	for (size_t i = 0; i < 3; i++) {
		MAKES_SENSE(make_page, helpers[i], "[!dfrs]*");
		MAKES_SENSE(make_page, helpers[i], "s[!e]*");
	}
	MAKES_SENSE(make_page, "views", "several_areas*");
	MAKES_SENSE(without_userfaultfd, "view_places", "split/*");
}

static void keep_records(int listener, struct run *run)
{
	static char text[1 << 20];
	int stream;

	/* What was sent in part ends its connection. */
	while ((stream = accept(listener, NULL, NULL)) >= 0) {
		size_t used = 0;
		ssize_t got;
		while ((got = read(stream, text + used, sizeof(text) - used)) > 0)
			used += (size_t)got;
		close(stream);
		for (char *at = text, *end; (end = memchr(at, 0, (size_t)(text + used - at)));
		     at = end + 1) {
			FILE *log = fopen(run->log_path, "ae");
			cr_assert(log && strchr(at, '{'), "%s", at);
			fprintf(log, "%s\n", strchr(at, '{'));
			fclose(log);
		}
	}
	run_read_log(run);
}

Test(A4, a_record_that_was_sent_in_part_is_dropped)
{
	bool fired = true;

	private_dev();
	for (int n = 1; fired; n++) {
		struct run run = { .variant = "faults",
				   FAULTY_RUN("failing", "records", NULL),
				   .log = "syslog" };
		int listener = receiver_bind("/dev/log", SOCK_STREAM);
		char number[16];
		json_int_t dropped = 0;

		cr_assert(listener >= 0 && !fcntl(listener, F_SETFL, O_NONBLOCK));
		snprintf(number, sizeof(number), "%d", n);
		run.args[1] = number;
		run_helper(&run);
		cr_assert(run_exit(&run) == 0, "%s", run.output);
		fired = strstr(run.output, "fired");
		keep_records(listener, &run);
		for (size_t i = 0; find_event_number(&run, "log.dropped", i); i++)
			dropped += field_number(find_event_number(&run, "log.dropped", i),
						"mmfence.dropped");
		cr_assert(count_events(&run, "selfmem.open") + (size_t)dropped == 5,
			  "send %d in part: %zu records and %lld dropped", n,
			  count_events(&run, "selfmem.open"), (long long)dropped);
		close(listener);
		run_end(&run);
	}
}
