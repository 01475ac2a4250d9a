/* SPDX-License-Identifier: MIT */
/*
 * `mmfence report' on records that are not there: what it misses, and that it misses
 * nothing that was never written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"

static const char *new_path(void)
{
	static int count;
	char *path;

	cr_assert(asprintf(&path, "%s/missing.%d.%d.log", getenv("MMFENCE_TMP"), getpid(),
			   count++) > 0);
	return path;
}

/* "PID.NUMBER", and behind it: s and whose memory it is for a start, d for log.dropped, e for an
 * end, and how many others had begun; something else without. */
static void put_record(FILE *log, const char *word, int second)
{
	int pid, number, memory = 0;
	char kind = 0;

	cr_assert(sscanf(word, "%d.%d%c%d", &pid, &number, &kind, &memory) >= 2, "%s", word);
	fprintf(log,
		"{\"@timestamp\":\"2026-05-04T10:%02d:%02dZ\",\"event\":{\"action\":\"%s\","
		"\"sequence\":%d},\"process\":{\"pid\":%d,\"name\":\"p%d\"}",
		second / 60, second % 60,
		kind == 's'   ? "process.start"
		: kind == 'd' ? "log.dropped"
		: kind == 'e' ? "process.end"
			      : "snapshot.end",
		number, pid, pid);
	if (memory)
		fprintf(log, ",\"mmfence\":{\"%s\":%d}", kind == 's' ? "memory_of" : "unfinished",
			memory);
	if (kind == 's')
		fputs(",\"host\":{\"hostname\":\"alpha\"}", log);
	fputs("}\n", log);
}

/* A log of these records; *second is when the first was made. */
static const char *make_log(const char *words, int *second)
{
	const char *path = new_path();
	char *copy = strdup(words), *rest = copy, *word;
	FILE *log = fopen(path, "we");

	cr_assert(log);
	while ((word = strsep(&rest, " ")))
		put_record(log, word, (*second)++);
	cr_assert(!fclose(log));
	free(copy);
	return path;
}

static json_t *report_of(const char *first, const char *second, const char *third)
{
	struct run run = { .mmfence = "report --json", .args = { first, second, third } };

	run_helper(&run);
	run_must_hold(&run);
	json_t *json = run_json(&run);
	run_end(&run);
	return json;
}

static void expect_missing(json_t *json, const char *what, int records, int processes)
{
	cr_expect_eq(field_number(json, "missing.records"), records, "%s: %lld records", what,
		     (long long)field_number(json, "missing.records"));
	cr_expect_eq(field_number(json, "missing.processes"), processes, "%s: %lld processes", what,
		     (long long)field_number(json, "missing.processes"));
	cr_expect_eq(json_array_size(field(json, "missing.rows")), (size_t)processes, "%s", what);
	cr_expect_str_eq(field_string(json, "verdict.state"), records ? "incomplete" : "kept", "%s",
			 what);
	json_decref(json);
}

static const struct {
	const char *what, *words;
	int records, processes;
} cases[] = {
	{ "whole", "7.1s7 7.2 7.3 7.4e", 0, 0 },
	{ "one is missing", "7.1s7 7.2 7.4e", 1, 1 },
	{ "two processes", "7.1s7 8.1s8 7.5 8.2 8.4 7.6", 4, 2 },
	{ "the end is not on record", "7.1s7 7.2 7.9", 6, 1 },
	{ "threads that write out of order", "7.1s7 7.3 7.2 7.6 7.5 7.4 7.7e", 0, 0 },
	{ "a thread that writes after the end", "7.1s7 7.2 7.4e 7.3", 0, 0 },
	{ "a thread that the end was faster than", "7.1s7 7.2 7.4e1", 0, 0 },
	{ "of two threads one was faster", "7.1s7 7.2 7.5e1 7.3", 0, 0 },
	{ "threads that began behind the end", "7.1s7 7.2 7.6 7.4e1 7.5", 0, 0 },
	{ "two threads, and one is missing", "7.1s7 7.2 7.6e2", 1, 1 },
	{ "the beginning is gone", "7.5 7.9 7.12e", 0, 0 },
	{ "a child of vfork", "7.1s7 7.2 8.3s7 8.4 7.5e", 0, 0 },
	{ "a child of vfork, and one is missing", "7.1s7 7.2 8.3s7 8.5 7.6e", 1, 1 },
	{ "children of vfork that come first", "8.1s7 9.2s7 8.3 7.4s7 9.5 7.6e", 0, 0 },
	{ "a child of vfork becomes another program", "7.1s7 8.2s7 8.3 8.1s8 8.2 7.4 8.3", 0, 0 },
	{ "a forked child", "7.1s7 7.2 8.1s8 8.2 7.3e 8.3e", 0, 0 },
	{ "a child that copied the count", "7.1s7 7.2 8.3s7 7.3 8.4 8.5 8.6 7.4e", 0, 0 },
	{ "another program", "7.1s7 7.2 7.3 7.1s7 7.2e", 0, 0 },
	{ "another program, and one of the first is missing", "7.1s7 7.3 7.1s7 7.2e", 1, 1 },
	{ "the pid comes again", "7.1s7 7.2e 7.1s7 7.2 7.4e", 1, 1 },
	{ "dropped", "7.1s7 7.2 7.6d 7.7e", 0, 0 },
	{ "dropped, and later one is missing", "7.1s7 7.2 7.6d 7.7 7.9e", 1, 1 },
	{ "the start could not be written at first", "7.2 7.5s7 7.6d 7.7e", 0, 0 },
	{ "the start of a child of vfork could not", "7.1s7 8.4s7 8.5 7.6e", 0, 0 },
	{ "two at a time with one pid", "7.1s7 7.2 7.1s7 7.3 7.4", 0, 0 },
	{ "a number long after the end", "7.1s7 7.2e 7.9", 0, 0 },
	{ "threads that come before the start", "7.3 7.2 7.4 7.1s7 7.5 7.7 7.6e", 0, 0 },
	{ "threads before it, and one is missing", "7.3 7.2 7.4 7.1s7 7.5 7.7e", 1, 1 },
	{ "threads before it, of a pid that comes again", "7.1s7 7.2 7.3e 7.2 7.3 7.4 7.1s7 7.5e",
	  0, 0 },
	{ "threads before it, of another program", "7.1s7 7.2 7.3 7.2 7.3 7.1s7 7.4e", 0, 0 },
	{ "what began before the logs do, and another program", "7.900 7.901 7.1s7 7.5e", 3, 1 },
	{ "whose memory it is is not said", "7.1s 7.5e", 0, 0 },
	{ "no numbers", "7.1s7 7.0 7.9", 0, 0 },
};

Test(report, missing_records_of_each_kind_of_process)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int second = 0;

		expect_missing(report_of(make_log(cases[i].words, &second), NULL, NULL),
			       cases[i].what, cases[i].records, cases[i].processes);
	}
}

/* Rotated parts, in any order; the middle one is missing or the first. */
Test(report, missing_records_of_rotated_logs)
{
	int second = 0;
	const char *first = make_log("7.1s7 7.2 8.1s8 7.4", &second);
	const char *middle = make_log("7.3 7.6 8.2 7.5 7.7", &second);
	const char *last = make_log("7.8 8.3 7.9 8.4", &second);

	expect_missing(report_of(last, first, middle), "all", 0, 0);
	expect_missing(report_of(last, middle, first), "all, in another order", 0, 0);
	expect_missing(report_of(last, first, NULL), "the middle is missing", 5, 2);
	expect_missing(report_of(middle, last, NULL), "the first is missing", 0, 0);
}

BY_PATH(report, missing_records_are_told_in_every_form)
{
	int second = 0;
	const char *log = make_log("8.1s8 8.3 7.1s7 7.5e", &second);

	TRY(.mmfence = "report", .args = { log },
	    .shows = { "Verdict: Kept, with exceptions",
		       "  MISSING      4 records of 2 processes\n",
		       "      1  p8         8  alpha\n      3  p7         7  alpha\n" });
	TRY(.mmfence = "report --html -", .args = { log },
	    .shows = { "<tr data-row=\"missing.rows/0\"><td class=\"n bad\">1</td>",
		       "<tr data-row=\"missing.rows/1\"><td class=\"n bad\">3</td>",
		       "<p>4 records of 2 processes</p>" });
}

/* --- what programs left --- */

static const char *without_line(const char *log, size_t number)
{
	const char *path = new_path();
	char *line = NULL;
	size_t size = 0, i = 0;
	FILE *in = fopen(log, "re"), *out = fopen(path, "we");

	cr_assert(in && out);
	while (getline(&line, &size, in) > 0)
		if (i++ != number)
			fputs(line, out);
	cr_assert(i > number + 1);
	fclose(in);
	fclose(out);
	free(line);
	return path;
}

/* The last line is not cut out: behind it nobody misses anything. */
static void expect_each_line_missed(struct run *run)
{
	json_t *json = report_of(run->log_path, NULL, NULL);

	cr_expect_eq(field_number(json, "missing.records"), 0);
	json_decref(json);
	for (size_t i = 0; i + 1 < run->record_count; i++) {
		const char *action = field_string(run->records[i], "event.action");

		if (!strcmp(action, "process.start") || !strcmp(action, "process.end"))
			continue;
		json = report_of(without_line(run->log_path, i), NULL, NULL);
		cr_expect_eq(field_number(json, "missing.records"), 1, "record %zu, %s", i, action);
		json_decref(json);
	}
}

RUNS(EACH_WIDTH, report, a_line_that_was_cut_out_is_missing, .helper = "nonlinear",
     .args = { "return" }, .look = expect_each_line_missed)

static void misses_nothing(struct run *run)
{
	json_t *json = report_of(run->log_path, NULL, NULL);

	cr_assert_eq(field_number(json, "missing.records"), 0, "%s: %lld", run->args[0],
		     (long long)field_number(json, "missing.records"));
	json_decref(json);
}

/* The child writes before its parent, whose numbers it uses, ever does. */
RUNS_AND(EACH_WIDTH, report, children_of_vfork_leave_no_holes, .helper = "launch",
	 .args = { "vfork", build_path("helpers/static/noop"), "0" }, .expects = { "coverage.gap" })
{
	json_t *start = find_event(run, "process.start");

	cr_assert(start);
	cr_assert_eq(field_number(start, "mmfence.memory_of"), (json_int_t)run->pid);
	cr_assert_neq(field_number(start, "process.pid"), (json_int_t)run->pid);
	misses_nothing(run);
}

static void misses_none_of_many(struct run *run)
{
	cr_assert(run->record_count > 3);
	misses_nothing(run);
}

EACH_WIDTH(report, processes_of_every_kind_leave_no_holes)
{
	TRY(.helper = "guard_spawn", .args = { "[!i]*" }, .expects = { "snapshot.lost" },
	    .look = misses_none_of_many);
	TRY(.helper = "steady", .args = { "count=50", "threads=4", "processes=3" },
	    .look = misses_none_of_many);
}

/* What the text leaves out stands in the JSON. */
RUNS(BY_PATH, report, processes_with_missing_records_are_all_there,
     .sh = "for i in $(seq 300); do for r in start,1 end,3; do echo '{\"event\":{\"action\":\"process.'"
	   "${r%,*}'\",\"sequence\":'${r#*,}'},\"process\":{\"pid\":'$i'},\"mmfence\":{"
	   "\"memory_of\":'$i'}}'; done; done >log; $mmfence report log; "
	   "$mmfence report --json log | grep -c '^ *\"records\": 1$'",
     .shows = { "300 records of 300 processes\n", "… and 260 more (--json has all)\n", "\n300\n" })

/* A program may end while its threads write: no number is missed, though the kernel may cut the
 * last line short. */
EACH_WIDTH(report, misses_nothing_of_threads_at_the_end)
{
	for (size_t i = 0; i < 10; i++)
		TRY(.helper = "hasty", .args = { i % 2 ? "_exit" : "exit" }, .may_be_torn = true,
		    .look = misses_nothing);
}
