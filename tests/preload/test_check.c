/* SPDX-License-Identifier: MIT */
/*
 * `mmfence check' (SEMANTICS 6): each thing that it looks for is found and nothing else,
 * exit statuses, what cannot be known, and the reports for machines.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner.h"

#define FOUND 86

/* Started by the command under test: the proof that nothing was started is that it is not there. */
#define STARTED "touch", "started"

#define CHECK(...)                                                                  \
	{                                                                           \
		.helper = build_path("bin/mmfence"), .preload = RUN_BARE, .args = { \
			"check",                                                    \
			__VA_ARGS__                                                 \
		}                                                                   \
	}

static bool exists(const struct run *run, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/work/%s", run->dir, name);
	return !access(path, F_OK);
}

static void expect_exit(const struct run *run, int status)
{
	cr_expect_eq(run_exit(run), status, "%d instead of %d: %s", run_exit(run), status,
		     run->errors);
}

static void expect_errors(const struct run *run, const char *part)
{
	cr_expect(strstr(run->errors, part), "no \"%s\" in:\n%s", part, run->errors);
}

static void expect_no_errors(const struct run *run, const char *part)
{
	cr_expect(!strstr(run->errors, part), "\"%s\" in:\n%s", part, run->errors);
}

static void check_once(struct run *run, int status)
{
	run_helper(run);
	expect_exit(run, status);
}

/* Refused in one sentence, with nothing started and nothing made. */
static void expect_refusal(struct run *run, const char *sentence)
{
	check_once(run, 2);
	expect_errors(run, sentence);
	cr_expect(strchr(run->errors, '\n') == run->errors + strlen(run->errors) - 1, "%s",
		  run->errors);
	cr_expect(!exists(run, "started") && !exists(run, "junit.xml"));
	cr_expect(access(run->log_path, F_OK), "there is a log");
	run_end(run);
}

/* --- each category --- */

static const char *forged;

/* A record as events.def has them; the command appends it to the log. */
#define RECORD(action, category, type, rest)                                                \
	"{\"@timestamp\":\"2026-01-02T03:04:05Z\",\"ecs\":{\"version\":\"8.11\"},"          \
	"\"event\":{\"kind\":\"event\",\"action\":\"" action "\",\"category\":[\"" category \
	"\"],\"type\":[\"" type "\"],\"outcome\":\"success\"},\"process\":{\"pid\":77,"     \
	"\"thread\":{\"id\":77},\"name\":\"forged\"}" rest "}\n"
#define AT_FILE ",\"file\":{\"path\":\"/a/file\"}"
#define STACK                                                                               \
	"\"stack\":[\"0x1234\"],\"modules\":[{\"path\":\"/b/module\",\"start\":\"0x1000\"," \
	"\"bias\":\"0x1000\"}]"

static void write_forged(struct run *run)
{
	FILE *out = fopen("forged", "we");

	(void)run;
	if (!out || fputs(forged, out) < 0 || fclose(out))
		_exit(98);
}

#define APPEND "sh", "-c", "cat forged >>\"$MMFENCE_AUDIT_LOG\""

static const struct {
	const char *name;
	bool by_default;
	const char *record;
	const char *line;
} categories[] = {
	{ "sigbus", true,
	  RECORD("mapping.sigbus", "file", "error",
		 AT_FILE ",\"error\":{\"message\":\"beyond the end\"},\"mmfence\":{" STACK "}"),
	  "sigbus: beyond the end, 1 time, /a/file, pid 77 (forged), at /b/module+0x234 [not found here]\n" },
	{ "sigbus", true,
	  RECORD("mapping.rescued", "file", "change", AT_FILE ",\"error\":{\"message\":\"zeros\"}"),
	  "sigbus: zeros, 1 time, /a/file, pid 77 (forged)\n" },
	{ "nonlinear", true,
	  RECORD("nonlinear.remap", "process", "change",
		 AT_FILE ",\"mmfence\":{\"site\":\"1\"," STACK "}"),
	  "nonlinear: remap_file_pages, 1 time, /a/file, pid 77 (forged), at /b/module+0x234 [not found here]\n" },
	{ "rewire", false, RECORD("nonlinear.rewire", "process", "change", AT_FILE),
	  "rewire: nonlinear window made by mmap, 1 time, /a/file, pid 77 (forged)\n" },
	{ "pressure", true,
	  RECORD("nonlinear.pressure", "process", "info",
		 ",\"mmfence\":{\"areas\":{\"count\":500,\"limit\":1000}}"),
	  "pressure: 500 of 1000 areas, 1 time, pid 77 (forged)\n" },
	{ "selfmem", true,
	  RECORD("selfmem.open", "file", "access",
		 ",\"file\":{\"path\":\"/dev/mem\"},\"mmfence\":{\"selfmem\":{\"kind\":"
		 "\"device\",\"mode\":\"r\"}}"),
	  "selfmem: device memory opened as a file (r), 1 time, /dev/mem, pid 77 (forged)\n" },
	{ "selfmem", true,
	  RECORD("selfmem.map", "file", "access",
		 AT_FILE ",\"error\":{\"code\":\"ENODEV\"},\"mmfence\":{\"selfmem\":{\"kind\":"
			 "\"process\"},\"mapping\":{\"protection\":\"rw-s\"}}"),
	  "selfmem: process memory mapped as a file (rw-s): ENODEV, 1 time, /a/file, pid 77 "
	  "(forged)\n" },
	{ "unprotected", true,
	  RECORD("snapshot.unprotected", "file", "denied",
		 AT_FILE ",\"error\":{\"message\":\"too large\"}"),
	  "unprotected: no snapshot: too large, 1 time, /a/file, pid 77 (forged)\n" },
	{ "torn", true,
	  RECORD("snapshot.create", "file", "access",
		 AT_FILE ",\"mmfence\":{\"snapshot\":{\"consistency\":\"torn-possible\","
			 "\"reason\":\"it moved\"}}"),
	  "torn: the snapshot may be torn: it moved, 1 time, /a/file, pid 77 (forged)\n" },
	{ "lost", true,
	  RECORD("snapshot.lost", "file", "error", AT_FILE ",\"error\":{\"message\":\"no room\"}"),
	  "lost: snapshot lost: no room, 1 time, /a/file, pid 77 (forged)\n" },
	{ "drift", true,
	  RECORD("snapshot.drift", "file", "info",
		 AT_FILE ",\"mmfence\":{\"drift\":{\"pages\":3}}"),
	  "drift: 3 pages would have changed under the program, 1 time, /a/file, pid 77 "
	  "(forged)\n" },
	{ "gap", true,
	  RECORD("coverage.gap", "process", "info",
		 AT_FILE ",\"mmfence\":{\"gap\":{\"reason\":\"static\"}}"),
	  "gap: not looked into (static), 1 time, /a/file, pid 77 (forged)\n" },
};

#define CATEGORIES (sizeof(categories) / sizeof(*categories))

/* A list of all but this one. */
static const char *others_than(const char *name)
{
	static char list[256];

	list[0] = 0;
	for (size_t i = 0; i < CATEGORIES; i++) {
		if (!strcmp(categories[i].name, name) || strstr(list, categories[i].name))
			continue;
		if (list[0])
			strcat(list, ",");
		strcat(list, categories[i].name);
	}
	return list;
}

static void check_forged(size_t i, const char *list, bool found)
{
	struct run named = CHECK("--fail-on", list, "--", APPEND);
	struct run by_default = CHECK("--", APPEND);
	struct run *run = list ? &named : &by_default;

	forged = categories[i].record;
	run->prepare = write_forged;
	check_once(run, found ? FOUND : 0);
	if (found)
		expect_errors(run, categories[i].line);
	else
		expect_no_errors(run, categories[i].line);
	expect_errors(run, found ? "mmfence: check failed; log " : "mmfence: check passed; log ");
	run_end(run);
}

Test(check, each_category_is_found_where_it_is_wanted)
{
	for (size_t i = 0; i < CATEGORIES; i++) {
		check_forged(i, categories[i].name, true);
		check_forged(i, "all", true);
		check_forged(i, others_than(categories[i].name), false);
		check_forged(i, "none", false);
		check_forged(i, NULL, categories[i].by_default);
	}
}

Test(check, quiet_command_passes)
{
	struct run run = CHECK("--fail-on", "all", "--", build_path("helpers/plain/noop"));

	check_once(&run, 0);
	cr_expect_str_eq(run.output, "");
	run_end(&run);
}

/* A snapshot that is proven, and drift of no page, are no findings. */
Test(check, harmless_records_are_no_findings)
{
	struct run run = CHECK("--fail-on", "all", "--", APPEND);

	forged = RECORD("snapshot.create", "file", "access",
			AT_FILE ",\"mmfence\":{\"snapshot\":{\"consistency\":\"verified\"}}")
		RECORD("snapshot.drift", "file", "info",
		       AT_FILE ",\"mmfence\":{\"drift\":{\"pages\":0}}");
	run.prepare = write_forged;
	check_once(&run, 0);
	run_end(&run);
}

/* --- the same by programs that do it --- */

EACH_WIDTH(check, nonlinear_program)
{
	struct run run = CHECK("--", build_path("helpers/%s/nonlinear", variant));

	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: nonlinear: remap_file_pages, 100 times, /");
	expect_errors(&run, "mmfence: nonlinear: remap_file_pages, 10 times, /");
	expect_errors(&run, "mmfence: nonlinear: remap_file_pages, 3 times, /");
	expect_errors(&run, "/work/nonlinear.data, pid ");
	expect_errors(&run, " (nonlinear), at site_a (tests/helpers/nonlinear.c:");
	run_end(&run);
}

/* A killed process has no totals; its first calls are known. */
EACH_WIDTH(check, killed_program)
{
	struct run run = CHECK("--", build_path("helpers/%s/nonlinear", variant), "kill");

	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: nonlinear: remap_file_pages, 1 time, /");
	expect_errors(&run,
		      "mmfence: check failed, and the command too: exit status 137 (SIGKILL)");
	run_end(&run);
}

EACH_WIDTH(check, program_that_opens_its_memory)
{
	struct run run = CHECK("--", build_path("helpers/%s/inject", variant), "calls");

	check_once(&run, FOUND);
	expect_errors(&run,
		      "mmfence: selfmem: process memory opened as a file (r), 1 time, /proc/");
	run_end(&run);
}

EACH_WIDTH(check, program_without_snapshot)
{
	struct run run = CHECK("-o", "snapshot.guard=none", "-o", "snapshot.copy-limit=4K", "--",
			       build_path("helpers/%s/drift", variant), "whole");

	run.expects[0] = "snapshot.unprotected";
	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: unprotected: no snapshot: ");
	expect_errors(&run, "/work/drift.data, pid ");
	run_end(&run);
}

EACH_WIDTH(check, program_whose_file_drifts)
{
	struct run run = CHECK("--", build_path("helpers/%s/drift", variant), "exit");
	struct run whole = CHECK("--allow-gap", "**/drift", "--",
				 build_path("helpers/%s/drift", variant), "whole");

	check_once(&run, FOUND);
	expect_errors(&run,
		      "mmfence: drift: 4 pages would have changed under the program, 1 time, ");
	run_end(&run);
	check_once(&whole, 0);
	run_end(&whole);
}

/* A7: of the command itself, and of what leaves a record. */
EACH_WIDTH(check, system_calls_of_its_own_are_a_gap)
{
	const char *drift = build_path("helpers/%s/drift", variant);
	struct run command = CHECK("--", drift, "whole");
	struct run child = CHECK("--", "sh", "-c", "\"$0\" exit; true", drift);
	struct run none = CHECK("--", build_path("helpers/%s/noop", variant));

	check_once(&command, FOUND);
	expect_errors(&command, "mmfence: gap: not looked into (own-calls), 1 time, /");
	run_end(&command);
	check_once(&child, FOUND);
	expect_errors(&child, "mmfence: gap: not looked into (own-calls), 1 time, /");
	run_end(&child);
	check_once(&none, 0);
	run_end(&none);
}

Test(check, static_program_is_a_gap)
{
	struct run wanted =
		CHECK("--fail-on", "gap", "--", "sh", "-c", build_path("helpers/static/noop"));
	struct run unwanted =
		CHECK("--fail-on", "none", "--", "sh", "-c", build_path("helpers/static/noop"));
	struct run allowed = CHECK("--allow-gap", "/no/such", "--allow-gap", "**/static/*", "--",
				   "sh", "-c", build_path("helpers/static/noop"));
	struct run other = CHECK("--allow-gap", "**/static/other", "--", "sh", "-c",
				 build_path("helpers/static/noop"));
	struct run futile = CHECK("--allow-gap", "noop", "--", STARTED);
	struct run itself = CHECK("--fail-on", "none", "--", build_path("helpers/static/noop"));

	wanted.expects[0] = unwanted.expects[0] = "coverage.gap";
	allowed.expects[0] = other.expects[0] = "coverage.gap";
	check_once(&wanted, FOUND);
	expect_errors(&wanted, "mmfence: gap: not looked into (static), 1 time, ");
	run_end(&wanted);
	check_once(&unwanted, 0);
	expect_errors(&unwanted,
		      "mmfence: note: 1 program that mmfence cannot look into (--fail-on gap)\n");
	run_end(&unwanted);
	check_once(&allowed, 0);
	expect_errors(&allowed, "mmfence: note: 1 program not looked into, as allowed "
				"(--allow-gap)\nmmfence: check passed");
	run_end(&allowed);
	check_once(&other, FOUND);
	run_end(&other);
	expect_refusal(&futile, "mmfence: --allow-gap: \"noop\" can match no file");
	expect_refusal(&itself, "mmfence: ");
}

/* The same place in several processes is one finding. */
Test(check, one_line_a_place)
{
	struct run run =
		CHECK("-q", "--allow-gap", "**/nonlinear", "--", "sh", "-c",
		      "\"$0\"; \"$0\"; \"$0\"; true", build_path("helpers/plain/nonlinear"));
	size_t lines = 0;

	check_once(&run, FOUND);
	for (const char *at = run.errors; (at = strchr(at, '\n')); at++)
		lines++;
	cr_expect(lines == 3, "%zu lines:\n%s", lines, run.errors);
	expect_errors(&run, "remap_file_pages, 300 times, ");
	expect_errors(&run, " (nonlinear) and 2 others, at ");
	run_end(&run);
}

/* What was in the log before is another run's. */
Test(check, earlier_records_do_not_count)
{
	struct run run = CHECK("--", build_path("helpers/plain/noop"));
	struct run first = CHECK("--", build_path("helpers/plain/nonlinear"));

	check_once(&first, FOUND);
	strcpy(run.dir, first.dir);
	strcpy(run.log_path, first.log_path);
	check_once(&run, 0);
	cr_expect(count_events(&run, "nonlinear.remap") == 3);
	run_end(&run);
}

/* --- exit statuses --- */

static void expect_status(int status, struct run *run)
{
	check_once(run, status);
	run_end(run);
}

Test(check, exit_status_is_the_commands_when_nothing_was_found)
{
	struct run seven = CHECK("--", "sh", "-c", "exit 7");
	struct run killed = CHECK("--", "sh", "-c", "kill -SEGV $$");
	struct run nowhere = CHECK("--", "mmfence-no-such-command");
	struct run directory = CHECK("--", "/tmp");

	check_once(&seven, 7);
	expect_errors(&seven,
		      "mmfence: check found nothing, but the command failed: exit status 7; log ");
	run_end(&seven);
	check_once(&killed, 128 + SIGSEGV);
	expect_errors(&killed, "exit status 139 (SIGSEGV)");
	run_end(&killed);
	expect_status(127, &nowhere);
	expect_status(126, &directory);
}

Test(check, finding_wins_over_the_commands_failure)
{
	struct run run = CHECK("--", "sh", "-c", "cat forged >>\"$MMFENCE_AUDIT_LOG\"; exit 7");

	forged = categories[0].record;
	run.prepare = write_forged;
	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: check failed, and the command too: exit status 7; log ");
	run_end(&run);
}

/* --- lists --- */

Test(check, unknown_category_starts_nothing)
{
	struct run word = CHECK("--fail-on", "nonliner", "--", STARTED);
	struct run second = CHECK("--fail-on", "drift,loss", "--", STARTED);
	struct run strange = CHECK("--fail-on", "xyzzy", "--", STARTED);
	struct run empty = CHECK("--fail-on", "drift,", "--", STARTED);

	expect_refusal(&word, "mmfence: --fail-on: \"nonliner\" is none of the things to look for; "
			      "did you mean \"nonlinear\"?\n");
	expect_refusal(&second, "\"loss\" is none of the things to look for; did you mean "
				"\"lost\"?\n");
	expect_refusal(&strange, "\"xyzzy\" is none of the things to look for\n");
	expect_refusal(&empty, "\"\" is none of the things to look for\n");
}

Test(check, lists_add_up)
{
	struct run run = CHECK("--fail-on", "rewire", "--fail-on", "gap,torn", "--", APPEND);

	forged = RECORD("nonlinear.rewire", "process", "change", AT_FILE)
		RECORD("coverage.gap", "process", "info",
		       AT_FILE ",\"mmfence\":{\"gap\":{\"reason\":\"static\"}}")
			RECORD("selfmem.open", "file", "access", AT_FILE);
	run.prepare = write_forged;
	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: rewire: ");
	expect_errors(&run, "mmfence: gap: ");
	expect_no_errors(&run, "mmfence: selfmem: ");
	run_end(&run);
}

Test(check, options_of_run_are_taken)
{
	struct run bad = CHECK("-o", "snapshot.mode=perhaps", "--", STARTED);
	struct run inject = CHECK("--inject", "mmap=ENOMEM:when=0", "--", STARTED);
	struct run nothing = CHECK("-q");

	expect_refusal(&bad, "snapshot.mode: \"perhaps\" is not one of on, off\n");
	expect_refusal(&inject, "process.inject: \"when=0\" is not when=FIRST, ");
	check_once(&nothing, 2);
	expect_errors(&nothing, "there is no command to run");
	run_end(&nothing);
}

/* --- what cannot be seen --- */

Test(check, hidden_category_that_was_asked_for_starts_nothing)
{
	struct run drift = CHECK("--fail-on", "drift", "-o", "audit.drift=off", "--", STARTED);
	struct run lost = CHECK("--fail-on", "lost", "-o", "snapshot.mode=off", "--", STARTED);
	struct run calls =
		CHECK("--fail-on", "nonlinear", "-o", "audit.nonlinear=off", "--", STARTED);

	expect_refusal(&drift, "mmfence: --fail-on drift cannot be seen with audit.drift=off\n");
	expect_refusal(&lost, "mmfence: --fail-on lost cannot be seen with snapshot.mode=off\n");
	expect_refusal(&calls,
		       "mmfence: --fail-on nonlinear cannot be seen with audit.nonlinear=off\n");
}

Test(check, hidden_category_is_a_note_otherwise)
{
	struct run run = CHECK("--", "true");

	run.options[0] = "audit.drift=off";
	check_once(&run, 0);
	expect_errors(&run,
		      "mmfence: note: drift was not looked for, because of audit.drift=off\n");
	run_end(&run);
}

#define SHOW_DRIFT "sh", "-c", "echo ${MMFENCE_AUDIT_DRIFT-unset}"

static void write_config(struct run *run)
{
	FILE *out = fopen("mmfence.conf", "we");

	(void)run;
	if (!out || fputs("[audit]\ndrift = off\n", out) < 0 || fclose(out))
		_exit(98);
}

Test(check, drift_is_on_unless_something_says_otherwise)
{
	struct run none = CHECK("--", SHOW_DRIFT);
	struct run file = CHECK("--config", "mmfence.conf", "--", SHOW_DRIFT);

	check_once(&none, 0);
	cr_expect_str_eq(none.output, "on\n");
	run_end(&none);
	file.prepare = write_config;
	check_once(&file, 0);
	cr_expect_str_eq(file.output, "unset\n");
	run_end(&file);
}

/* --- a log that is not whole --- */

Test(check, damaged_log_does_not_pass)
{
	struct run run = CHECK("--fail-on", "none", "--", APPEND);

	forged = "{\"@timestamp\":\"2026-01\n{\"no\":\"action\"}x\n";
	run.prepare = write_forged;
	run.may_be_torn = true;
	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: log: 2 lines could not be read, so that what else happened "
			    "is not known\n");
	run_end(&run);
}

Test(check, log_that_is_short_and_damaged_says_both)
{
	struct run run = CHECK("--fail-on", "none", "--", APPEND);

	forged = RECORD("log.dropped", "process", "error", ",\"mmfence\":{\"dropped\":3}") "x\n";
	run.prepare = write_forged;
	run.may_be_torn = true;
	check_once(&run, FOUND);
	expect_errors(&run,
		      "mmfence: log: 3 records could not be written, 1 line could not be read, "
		      "so that what else happened is not known\n");
	run_end(&run);
}

/* Files of processes that could write nothing are empty, as are those of quiet ones. */
Test(check, log_without_room_does_not_pass)
{
	struct run run = {
		.helper = "/bin/sh",
		.preload = RUN_BARE,
		.prepare = prepare_mounts,
		.args = { "-c",
			  "mkdir full && mount -t tmpfs -o size=64k none full || exit 77\n"
			  "cat /dev/zero >full/zeros 2>/dev/null\n"
			  "\"$0\" check --log full/%p.jsonl -- sh -c 'exec 3</proc/self/mem'",
			  build_path("bin/mmfence") }
	};

	skip_without_mounts();
	run_helper(&run);
	if (run_exit(&run) == 77)
		cr_skip_test("no mounts here");
	expect_exit(&run, FOUND);
	expect_errors(&run,
		      "mmfence: log: no record can be written to it: No space left on device, "
		      "so that what else happened is not known\n");
	run_end(&run);
}

static void expect_dropped(const char *records, const char *sentence)
{
	struct run run = CHECK("--fail-on", "none", "--", APPEND);

	forged = records;
	run.prepare = write_forged;
	check_once(&run, FOUND);
	expect_errors(&run, sentence);
	run_end(&run);
}

#define DROPPED(n) RECORD("log.dropped", "process", "error", ",\"mmfence\":{\"dropped\":" n "}")
#define ENDED(n)   RECORD("process.end", "process", "end", ",\"mmfence\":{\"dropped\":" n "}")

/* The same ones may be told twice: on the way, and at the end. */
Test(check, dropped_records_do_not_pass)
{
	/* A sum stops at the largest number. */
	expect_dropped(DROPPED("9223372036854775807") DROPPED("9223372036854775807") DROPPED("2"),
		       "mmfence: log: 9223372036854775807 records could not be written, so ");
	expect_dropped(DROPPED("1"), "mmfence: log: 1 record could not be written, so that what ");
	expect_dropped(ENDED("5"), "mmfence: log: 5 records could not be written, so that what ");
	expect_dropped(DROPPED("2") DROPPED("3") ENDED("5"), "mmfence: log: 5 records could not ");
}

#define NUMBERED(action, n)                                     \
	"{\"event\":{\"action\":\"" action "\",\"sequence\":" n \
	"},\"process\":{\"pid\":77,\"name\":\"forged\"},\"mmfence\":{\"memory_of\":77}}\n"

Test(check, a_record_that_is_missing_does_not_pass)
{
	struct run run =
		CHECK("--fail-on", "none", "--log", "l", "--", "sh", "-c", "cat forged >>l");

	/* Threads write out of order. */
	forged = NUMBERED("process.start", "1") NUMBERED("snapshot.end", "3")
		NUMBERED("snapshot.end", "2") NUMBERED("process.end", "6");
	run.prepare = write_forged;
	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: log: 2 records of 1 process missing (number 4 of forged[77], "
			    "and others), so that what ");
	run_end(&run);
}

/* It opens a pipe to read, which waits for a writer. */
#define STAYS                                                                                  \
	"mkfifo pipe; { exec 3</proc/self/mem; : >ready; exec <pipe; } >&- 2>&- & until [ -e " \
	"ready ]; do :; done"

Test(check, a_process_that_runs_on_is_named)
{
	struct run run = CHECK("--fail-on", "none", "--", "sh", "-c", STAYS);
	char path[PATH_MAX];

	check_once(&run, 0);
	expect_errors(&run, " (sh) still runs, and what it does from now on is not judged\n");
	snprintf(path, sizeof(path), "%s/work/pipe", run.dir);
	close(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	run_end(&run);
}

Test(check, log_that_is_gone_does_not_pass)
{
	struct run run = CHECK("--fail-on", "none", "--", "sh", "-c", "rm \"$MMFENCE_AUDIT_LOG\"");

	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: log: the log is gone, so that what happened is not known\n");
	run_end(&run);
}

#define LOG_UNKNOWN                                                                          \
	"mmfence: log: the log was emptied, cut or replaced while the command ran, so that " \
	"what else happened is not known\n"

static void write_log(struct run *run)
{
	FILE *out = fopen(run->log_path, "we");

	if (!out || fputs(forged, out) < 0 || fclose(out))
		_exit(98);
}

/* What is in it then says nothing of what was in it before. */
static void expect_unknown(const char *before, const char *script)
{
	struct run run = CHECK("--fail-on", "none", "--", "sh", "-c", script,
			       build_path("helpers/plain/nonlinear"));

	forged = before;
	run.prepare = before ? write_log : NULL;
	run.may_be_torn = true;
	check_once(&run, FOUND);
	expect_errors(&run, LOG_UNKNOWN);
	run_end(&run);
}

Test(check, log_that_was_emptied_and_filled_again_does_not_pass)
{
	const char *before = categories[1].record;

	expect_unknown(NULL, "\"$0\"; : >\"$MMFENCE_AUDIT_LOG\"; \"$0\"");
	expect_unknown(NULL, "\"$0\"; : >\"$MMFENCE_AUDIT_LOG\"; exec \"$0\"");
	expect_unknown(before, "\"$0\"; : >\"$MMFENCE_AUDIT_LOG\"; \"$0\"");
	expect_unknown(before, "\"$0\"; rm \"$MMFENCE_AUDIT_LOG\"; \"$0\"");
	expect_unknown(NULL, "\"$0\"; mv \"$MMFENCE_AUDIT_LOG\" older; \"$0\"");
	/* Somebody's own idea of a log. */
	expect_unknown(before, "f=$MMFENCE_AUDIT_LOG; tail -c 400 \"$f\" >part; cat part >\"$f\"");
}

#define OPEN_MEMORY "exec 3</proc/self/mem; "

static void write_named(struct run *run)
{
	FILE *out = fopen("sh.log", "we");

	(void)run;
	if (!out || fputs(categories[1].record, out) < 0 || fclose(out))
		_exit(98);
}

/* Nor does one of several whose names are not known before: a process's records begin with
 * process.start, and what was in a file is in it still. */
Test(check, log_by_template_that_was_emptied_does_not_pass)
{
	struct run fresh = CHECK("--fail-on", "none", "--log", "%p.log", "--", "sh", "-c",
				 OPEN_MEMORY "for i in *.log; do : >\"$i\"; done; " OPEN_MEMORY);
	struct run older = CHECK("--fail-on", "none", "--log", "%e.log", "--", "sh", "-c",
				 ": >sh.log; " OPEN_MEMORY);
	struct run grown = CHECK("--fail-on", "none", "--log", "%e.log", "--", "sh", "-c",
				 OPEN_MEMORY "true; (" OPEN_MEMORY ")");

	check_once(&fresh, FOUND);
	expect_errors(&fresh, LOG_UNKNOWN);
	run_end(&fresh);
	older.prepare = write_named;
	check_once(&older, FOUND);
	expect_errors(&older, LOG_UNKNOWN);
	run_end(&older);
	grown.prepare = write_named;
	check_once(&grown, 0);
	run_end(&grown);
}

/* A log that ends in part of a record, and one to which others append meanwhile, are whole. */
Test(check, log_that_only_grew_passes)
{
	struct run torn = CHECK("--fail-on", "none", "--", "true");
	struct run appended = CHECK("--fail-on", "none", "--", APPEND);

	forged = "{\"@timestamp\":\"2026-01";
	torn.prepare = write_log;
	torn.may_be_torn = true;
	check_once(&torn, 0);
	cr_expect(torn.torn == 1 && find_event(&torn, "check.start"), "%zu torn lines", torn.torn);
	run_end(&torn);
	forged = categories[0].record;
	appended.prepare = write_forged;
	check_once(&appended, 0);
	run_end(&appended);
}

/* The log is nearly as long as a file may be; what is said on standard error is shorter. */
static void fill_log(struct run *run)
{
	FILE *out = fopen(run->log_path, "we");
	struct rlimit limit;

	for (int i = 0; out && i < 10; i++)
		fputs(categories[1].record, out);
	if (!out || fflush(out))
		_exit(98);
	limit.rlim_cur = limit.rlim_max = (rlim_t)ftell(out) + 10;
	if (fclose(out) || setrlimit(RLIMIT_FSIZE, &limit))
		_exit(98);
}

Test(check, log_that_cannot_be_written_starts_nothing)
{
	struct run run = CHECK("--", STARTED);

	run.prepare = fill_log;
	run.may_be_torn = true;
	check_once(&run, 2);
	expect_errors(&run, " cannot be written: ");
	cr_expect(!exists(&run, "started"));
	run_end(&run);
}

static void make_logs(struct run *run)
{
	(void)run;
	if (mkdir("logs", 0755))
		_exit(98);
}

/* A quiet process has a log too, so that none at all says nothing. */
Test(check, log_by_template)
{
	struct run quiet = CHECK("--log", "%p.log", "--", "true");
	struct run loud = CHECK("--log", "%p.log", "--", build_path("helpers/plain/nonlinear"));
	struct run gone = CHECK("--log", "logs/%p.log", "--", "rm", "-r", "logs");
	struct run directory = CHECK("--log", "%p.log", "--", "/tmp");

	check_once(&quiet, 0);
	run_end(&quiet);
	check_once(&loud, FOUND);
	expect_errors(&loud, "mmfence: nonlinear: remap_file_pages, 100 times, ");
	run_end(&loud);
	gone.prepare = make_logs;
	check_once(&gone, FOUND);
	expect_errors(&gone, "mmfence: log: the log is gone");
	run_end(&gone);
	check_once(&directory, 126);
	run_end(&directory);
}

/* As nobody, while root puts a file there. */
static void make_foreign(struct run *run)
{
	(void)run;
	if (mkfifo("go", 0666) || mkfifo("done", 0666) || chmod("go", 0666) ||
	    chmod("done", 0666) || chown(".", 65534, 65534))
		_exit(98);
	pid_t child = fork();
	if (!child) {
		execl("/bin/sh", "sh", "-c",
		      "exec >/dev/null 2>&1; read x <go; echo junk >x.1.log; chmod 644 x.1.log; echo >done",
		      NULL);
		_exit(98);
	}
	if (child < 0 || setgid(65534) || setuid(65534))
		_exit(98);
}

Test(check, log_of_somebody_else_under_the_pattern_is_not_read)
{
	struct run run = CHECK("--log", "x.%p.log", "--", "sh", "-c",
			       "echo >go; read x <done; test -s x.1.log");

	skip_unless_root();
	run.prepare = make_foreign;
	check_once(&run, 0);
	run_end(&run);
}

/* A7: the forked shell has the other's file under its name. */
static void take_the_name(struct run *run)
{
	(void)run;
	if (mkdir("logs", 0700) || mkfifo("go", 0600) || mkfifo("done", 0600))
		_exit(98);
	if (!fork()) {
		execl("/bin/sh", "sh", "-c",
		      "exec >/dev/null 2>&1; read pid <go; cd logs; "
		      "echo >$pid; chown 65534 $pid; echo >../done",
		      NULL);
		_exit(98);
	}
}

Test(A7, name_of_a_log_that_was_taken_hides_nothing)
{
	struct run run = CHECK("--log", "logs/%p", "--", "sh", "-c",
			       "(read x <done; exec 3</proc/self/mem) & echo $! >go; wait");

	skip_unless_root();
	run.prepare = take_the_name;
	check_once(&run, FOUND);
	expect_errors(&run, "mmfence: selfmem: ");
	run_end(&run);
}

Test(check, process_that_was_killed_is_named)
{
	struct run run = CHECK("--fail-on", "none", "--", "sh", "-c",
			       "sh -c 'exec 3</proc/self/mem; kill -KILL $$'; true");

	check_once(&run, 0);
	expect_errors(&run, " (sh) was killed, or ended by a call that mmfence does not see: ");
	run_end(&run);
}

Test(check, log_that_cannot_be_read_back_starts_nothing)
{
	struct run run = CHECK("--log", "/dev/null", "--", STARTED);

	expect_refusal(&run, "mmfence: the log must be a file, because check reads it: /dev/null "
			     "is none\n");
}

/* --- JUnit --- */

/* What a parser makes of junit.xml: the counts, and a line for each case. */
#define READ_JUNIT                                                                              \
	"import xml.etree.ElementTree as t\n"                                                   \
	"r = t.parse('work/junit.xml').getroot()\n"                                             \
	"s = r.find('testsuite')\n"                                                             \
	"for e in r, s: print(*[e.get(k) for k in ('tests','failures','errors','skipped')])\n"  \
	"print(s.get('name').encode('ascii', 'backslashreplace').decode())\n"                   \
	"float(s.get('time')); assert len(s.get('timestamp')) == 19 and s.get('hostname')\n"    \
	"for c in s.findall('testcase'):\n"                                                     \
	" assert c.get('classname') == 'mmfence.check'; float(c.get('time'))\n"                 \
	" f = c.find('failure')\n"                                                              \
	" k = 'fail' if f is not None else 'skip' if c.find('skipped') is not None else 'ok'\n" \
	" print(c.get('name'), k, f.get('message') + '|' + (f.text or '') if f is not None else '')\n"

static void expect_junit(const struct run *run, const char *expected)
{
	char command[PATH_MAX + 64], got[8192] = "";

	snprintf(command, sizeof(command),
		 "cd '%s' && cat >read.py && python3 read.py >parsed 2>&1", run->dir);
	FILE *python = popen(command, "we");
	cr_assert(python && fputs(READ_JUNIT, python) >= 0);
	int status = pclose(python);
	snprintf(command, sizeof(command), "%s/parsed", run->dir);
	FILE *in = fopen(command, "re");
	got[in ? fread(got, 1, sizeof(got) - 1, in) : 0] = 0;
	if (in)
		fclose(in);
	cr_assert(status == 0, "%s", got);
	cr_expect_str_eq(got, expected, "\n%s\ninstead of\n%s", got, expected);
}

#define CASES_OK                                                                            \
	"sigbus ok \nnonlinear ok \npressure ok \nselfmem ok \nunprotected ok \ntorn ok \n" \
	"lost ok \n"                                                                        \
	"drift ok \ngap ok \n"

Test(check, junit_of_a_check_that_passed)
{
	struct run run = CHECK("--junit", "junit.xml", "--", "true");

	check_once(&run, 0);
	expect_junit(&run, "11 0 0 0\n11 0 0 0\ntrue\n" CASES_OK "command ok \nlog ok \n");
	run_end(&run);
}

Test(check, junit_of_a_check_that_failed)
{
	struct run run = CHECK("--junit", "junit.xml", "--fail-on", "rewire,lost", "--", "sh", "-c",
			       "cat forged >>\"$MMFENCE_AUDIT_LOG\"; exit 3");

	forged = RECORD("snapshot.lost", "file", "error",
			",\"file\":{\"path\":\"/a/<&\\\"'>\\u0001\\uffff\\u00e9\"},\"error\":{"
			"\"message\":\"]]>\"}");
	run.prepare = write_forged;
	check_once(&run, FOUND);
	expect_junit(&run,
		     "4 2 0 0\n4 2 0 0\nsh -c cat forged >>\"$MMFENCE_AUDIT_LOG\"; exit 3\n"
		     "rewire ok \n"
		     "lost fail 1 finding: a snapshot did not last|snapshot lost: ]]>, 1 time, "
		     "/a/<&\"'>????\u00e9, pid 77 (forged)\n\n"
		     "command fail exit status 3|\nlog ok \n");
	run_end(&run);
}

/* Arguments are bytes; XML has not all characters. */
Test(check, junit_of_a_command_with_strange_bytes)
{
	struct run run =
		CHECK("--junit", "junit.xml", "-o", "audit.drift=off", "--", "true",
		      "<a&b>\"'\x01\x1b\n\xff\xc3\xa9\xed\xa0\x80\xef\xbf\xbf\xc0\x80\xf0");

	check_once(&run, 0);
	expect_junit(&run,
		     "11 0 0 1\n11 0 0 1\ntrue <a&b>\"'????\\xe9?????????\n"
		     "sigbus ok \nnonlinear ok \npressure ok \nselfmem ok \nunprotected ok \ntorn "
		     "ok \nlost ok \ndrift skip \ngap ok \ncommand ok \nlog ok \n");
	run_end(&run);
}

static void write_old_junit(struct run *run)
{
	FILE *out = fopen("junit.xml", "we");

	(void)run;
	for (int i = 0; out && i < 1000; i++)
		fputs("</an old and longer report>\n", out);
	if (!out || fclose(out))
		_exit(98);
}

Test(check, junit_replaces_an_older_one)
{
	struct run run = CHECK("--junit", "junit.xml", "--", "true");

	run.prepare = write_old_junit;
	check_once(&run, 0);
	expect_junit(&run, "11 0 0 0\n11 0 0 0\ntrue\n" CASES_OK "command ok \nlog ok \n");
	run_end(&run);
}

Test(check, junit_that_cannot_be_made_starts_nothing)
{
	struct run run = CHECK("--junit", "nowhere/junit.xml", "--", STARTED);

	expect_refusal(&run, "mmfence: --junit nowhere/junit.xml: No such file or directory\n");
}

/* Nothing is left behind where nothing was started. */
Test(check, no_junit_without_a_log)
{
	struct run run = CHECK("--junit", "junit.xml", "--log", "nowhere/log", "--", STARTED);

	check_once(&run, 2);
	cr_expect(!exists(&run, "started") && !exists(&run, "junit.xml"));
	run_end(&run);
}

Test(check, junit_that_does_not_fit_does_not_pass)
{
	struct run run = CHECK("--junit", "/dev/full", "--", "true");
	struct run found = CHECK("--junit", "/dev/full", "--", APPEND);

	check_once(&run, 1);
	expect_errors(&run, "mmfence: --junit /dev/full: No space left on device\n");
	run_end(&run);
	forged = categories[0].record;
	found.prepare = write_forged;
	expect_status(FOUND, &found);
}

/* --- logs that are there --- */

/* After two runs: of a.jsonl, with ten thousand calls, and of b.jsonl, with nothing to find. */
#define THERE(arguments)                                                                       \
	{                                                                                      \
		.helper = "/bin/sh", .preload = RUN_BARE, .args = {                            \
			"-c",                                                                  \
			"unset MMFENCE_AUDIT_LOG; m=$0/bin/mmfence; cd ..; exec 2>/dev/null; " \
			"$m run -q --log a.jsonl -- $0/examples/nonlinear_window || exit 1; "  \
			"$m run -q --log b.jsonl -- $0/examples/snapshot_api || exit 1; "      \
			"exec 2>&1 >/dev/null; " arguments,                                    \
			build_path(".")                                                        \
		}                                                                              \
	}

static void judges(struct run run, int status, const char *said)
{
	run_helper(&run);
	expect_exit(&run, status);
	cr_expect(strstr(run.output, said), "no \"%s\" in:\n%s", said, run.output);
	run_end(&run);
}

Test(check, logs_that_are_there_are_judged)
{
	judges((struct run)THERE("$m check --log b.jsonl --log a.jsonl"), FOUND,
	       "nonlinear: remap_file_pages, 10000 times");
	judges((struct run)THERE("$m check --log %e.jsonl"), FOUND,
	       "nonlinear: remap_file_pages, 10000 times");
	judges((struct run)THERE("$m check --log b.jsonl"), 0, "check passed; log b.jsonl");
	judges((struct run)THERE("$m check --fail-on lost --log a.jsonl"), 0, "check passed");
	judges((struct run)THERE("echo '{\"event\":' >>b.jsonl; $m check --log b.jsonl"), FOUND,
	       "log: 1 line could not be read");
}

Test(check, a_log_that_is_not_there_is_not_judged)
{
	judges((struct run)THERE("$m check --log a.jsonl --log c.jsonl"), 2,
	       "there is no log c.jsonl");
	judges((struct run)THERE("$m check --fail-on lost"), 2, "there is no command to run");
	judges((struct run)THERE("$m check --log a.jsonl --rescue '/**'"), 2,
	       "there is no command to run, but sigbus.rescue");
}

Test(check, output_is_the_commands)
{
	struct run run = CHECK("--", "echo", "to its output");

	check_once(&run, 0);
	cr_expect_str_eq(run.output, "to its output\n");
	run_end(&run);
}

/* --- with faults --- */

/* A program that copes passes, though it tried. */
Test(check, injected_fault_is_no_finding_of_its_own)
{
	struct run run =
		CHECK("--inject", "remap_file_pages=ENOSYS", "--inject", "mprotect=EPERM:when=300",
		      "--", build_path("examples/nonlinear_window"));

	check_once(&run, 0);
	expect_errors(&run, "mmfence: injected: remap_file_pages=ENOSYS made 1 call fail\n");
	expect_errors(&run, "mmfence: injected: mprotect=EPERM:when=300 made no call fail\n");
	cr_expect(strstr(run.output, "remap_file_pages was refused: Function not implemented"));
	run_end(&run);
}

/* N3: each window once, though both its record and the site's totals tell of it. */
EACH_WIDTH(check, rewires_are_counted_once)
{
	struct run run = CHECK("--fail-on", "rewire", "--",
			       build_path("helpers/%s/rewire", variant), "many", "500");

	check_once(&run, 86);
	expect_errors(&run, "mmfence: rewire: nonlinear window made by mmap, 500 times, /");
	run_end(&run);
}

EACH_WIDTH(check, faults_reach_the_command)
{
	struct run run = CHECK("--inject", "madvise=ENOENT:when=2..3", "--inject", "munmap=EINVAL",
			       "--allow-gap", "**/inject", "--",
			       build_path("helpers/%s/inject", variant), "pattern", "5");

	check_once(&run, 0);
	cr_expect_str_eq(run.output, ".xx..\n");
	run_end(&run);
}
