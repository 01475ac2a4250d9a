/* SPDX-License-Identifier: MIT */
/*
 * `mmfence log': records as lines for people, which of them, in which order; and that
 * following a log that grows and is rotated loses none and shows none twice.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner.h"

/* --- which lines, and how --- */

GIVEN(show, lines_are_golden, "log $DATA/two_hosts.log", .golden = "two_hosts.lines")

static const struct {
	const char *option, *value;
	size_t lines;
} filters[] = {
	{ "--action", "snapshot.create", 4 },
	{ "--action", "snapshot.*,log.dropped", 13 },
	{ "--pid", "300", 3 },
	{ "--pid", "100,300", 18 },
	{ "--since", "2026-05-04T10:00:12Z", 6 },
	{ "--since", "2026-05-04T10:00:12.1Z", 4 },
	{ "--since", "2026-05-04 10:00:12", 6 },
	{ "--since", "2026-5-4 9:00", 68 },
	{ "--since", "2026-05-5", 0 },
	{ "--since", "2999-01-01", 0 },
	{ "--since", "5000w", 68 },
	{ "--since", "90000w", 68 }, /* the year 301 */
	{ "--since", "2024-02-29", 68 },
	{ "--since", "2000-02-29T23:59:59Z", 68 },
	{ "--since", "2026-05-04T09:59:60Z", 68 }, /* a leap second is the next */
};

BY_PATH(show, filters)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
		TRY(.mmfence = "log $DATA/two_hosts.log",
		    .args = { filters[i].option, filters[i].value }, .lines = filters[i].lines,
		    .says = filters[i].lines ? NULL : "");
}

#define NO_TIME " is no time (2026-11-21T12:00:00Z, or how long ago: 90s, 10m, 2h, 3d, 1w)\n"

BY_PATH(show, refusals)
{
	static const char *const wrong[][2] = {
		{ "--action=snapshots", "mmfence: --action: there is no event \"snapshots\"\n" },
		{ "--pid=1,x", "mmfence: --pid: there can be no process \"x\"\n" },
		{ "--pid=007", "mmfence: --pid: there can be no process \"007\"\n" },
		{ "--color=red", "mmfence: --color: \"red\" is none of auto, always, never\n" },
		{ "--since=noon", "mmfence: --since: \"noon\"" NO_TIME },
		{ "/no/such", "mmfence: /no/such cannot be read: No such file or directory\n" },
		{ "/usr", "mmfence: /usr cannot be read: it is a directory, not a log\n" },
		{ "/dev/zero", "mmfence: /dev/zero cannot be read: it is a device, not a log\n" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		TRY(.mmfence = "log", .args = { wrong[i][0], "$DATA/two_hosts.log" },
		    .refuses = wrong[i][1], .complains = wrong[i][1]);
}

/* A month, a day and an hour that there are not. */
BY_PATH(show, times_that_are_none_are_refused)
{
	static const char *const wrong[] = {
		"2026-99-01",
		"2026-00-01",
		"2026-13-01T00:00:00Z",
		"2026-11-32",
		"2026-11-00",
		"2026-11-21T25:00:00Z",
		"2026-11-21T24:00",
		"2026-11-21T12:60:00Z",
		"2026-11-21T12:00:99",
		"2026-11-21T12:00:00Q",
		"2026-11-21T12:00:00+05:60",
		"2026-11-21T12:00:00+-5:30",
		"2026-11-21T12:00.5Z",
		"2026-11-21.5",
		"20260-11-21",
		"2026-11-21T",
		"2026-11-21T12",
		"",
		"10x",
		"-5m",
		"99999999999999999999h",
		"1000000w",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char *sentence;

		cr_assert(asprintf(&sentence, "mmfence: --since: \"%s\"" NO_TIME, wrong[i]) > 0);
		TRY(.mmfence = "log --since", .args = { wrong[i], "$DATA/two_hosts.log" },
		    .refuses = sentence, .complains = sentence);
		free(sentence);
	}
}

RUNS(BY_PATH, show, logs_are_as_many_as_there_are_processes,
     .sh = "for i in 1 2 3 4 5 6 7 8 9; do cp $DATA/two_hosts.log $i.log; done; ulimit -Sn 8; "
	   "exec $mmfence log *.log",
     .lines = 9 * (size_t)68)

/* To a file there is no colour, unless it is asked for; what a program is called is no colour. */
BY_PATH(show, colours)
{
	TRY(.mmfence = "log $DATA/two_hosts.log", .shows_no = { "\033" });
	TRY(.mmfence = "log --color=always $DATA/two_hosts.log",
	    .shows = { "\033[1;31msnapshot.lost\033[0m" });
}

/* One after the other in time, whichever log they are in. */
RUNS_AND(BY_PATH, show, logs_are_merged_by_time, .lines = 68,
	 .sh = "grep -v '\"pid\":200,' $DATA/two_hosts.log >a; "
	       "grep '\"pid\":200,' $DATA/two_hosts.log >b; exec $mmfence log a b")
{
	for (const char *line = run->output, *next; (next = strchr(line, '\n')) && next[1];
	     line = next + 1)
		cr_assert(strncmp(line, next + 1, 23) <= 0, "%.100s", line);
}

/* head takes one line and goes: that is no failure, and no word of it. */
RUNS(BY_PATH, show, reader_that_has_seen_enough, .lines = 1, .warns_no = { "mmfence" },
     .sh = "for i in $(seq 200); do cat $DATA/two_hosts.log; done | "
	   "{ $mmfence log -; echo $? >status; } | head -1; "
	   "exit $(cat status)")

/* What comes after it is not written before the first line is shown. */
RUNS(BY_PATH, show, a_pipe_is_shown_as_it_comes, .lines = 68,
     .sh = "mkfifo go; l=$DATA/two_hosts.log; { head -n 1 $l; read x <go; tail -n +2 $l; } | "
	   "$mmfence log - | { read -r line; echo \"$line\"; echo >go; cat; }")

GIVEN(show, follows_files_alone, "log -f /dev/null", .ends_with = 2,
      .warns = { "mmfence: -f: /dev/null is no file" })

/* --- following --- */

#define PATIENCE 20000

struct tail {
	pid_t pid;
	int output;
	FILE *log;
	char directory[PATH_MAX], path[PATH_MAX + 8];
	char text[65536];
	size_t length;
	int written, seen;
};

static void open_log(struct tail *tail)
{
	tail->log = fopen(tail->path, "ae");
	cr_assert(tail->log);
}

static void tail_start(struct tail *tail)
{
	int pipes[2];

	memset(tail, 0, sizeof(*tail));
	snprintf(tail->directory, sizeof(tail->directory), "%s/tail.XXXXXX", getenv("MMFENCE_TMP"));
	cr_assert(mkdtemp(tail->directory));
	snprintf(tail->path, sizeof(tail->path), "%s/log", tail->directory);
	open_log(tail);
	const char *command = build_path("bin/mmfence");
	cr_assert(!pipe2(pipes, O_CLOEXEC));
	tail->pid = fork();
	if (!tail->pid) {
		dup2(pipes[1], 1);
		execl(command, command, "log", "-f", tail->path, NULL);
		_exit(127);
	}
	close(pipes[1]);
	tail->output = pipes[0];
}

/* A record with the next number; records have a time of their own. */
static void tail_write(struct tail *tail, FILE *log)
{
	int n = ++tail->written;

	fprintf(log,
		"{\"@timestamp\":\"2026-01-01T00:00:%02d.%06dZ\",\"event\":{\"action\":"
		"\"process.end\"},\"process\":{\"pid\":%d,\"name\":\"n\"}}\n",
		n % 60, n, n);
	cr_assert(!fflush(log));
}

/* The next line that is shown: its number. */
static int tail_next(struct tail *tail)
{
	char *end;
	int number = -1;

	while (!(end = memchr(tail->text, '\n', tail->length))) {
		struct pollfd polled = { .fd = tail->output, .events = POLLIN };

		cr_assert(poll(&polled, 1, PATIENCE) > 0, "nothing is shown after %d of %d",
			  tail->seen, tail->written);
		ssize_t got = read(tail->output, tail->text + tail->length,
				   sizeof(tail->text) - tail->length - 1);
		cr_assert(got > 0, "it ended after %d of %d", tail->seen, tail->written);
		tail->length += (size_t)got;
	}
	*end = 0;
	cr_assert(sscanf(tail->text, "%*s %*s n[%d]", &number) == 1, "%s", tail->text);
	tail->length -= (size_t)(end + 1 - tail->text);
	memmove(tail->text, end + 1, tail->length);
	return number;
}

/* All that was written is shown, in the order in which it was written, once. */
static void tail_expect(struct tail *tail)
{
	while (tail->seen < tail->written) {
		int number = tail_next(tail);

		cr_assert_eq(number, tail->seen + 1, "%d after %d", number, tail->seen);
		tail->seen = number;
	}
}

static void tail_rename(struct tail *tail, int number)
{
	char to[PATH_MAX + 32];

	snprintf(to, sizeof(to), "%s.%d", tail->path, number);
	cr_assert(!rename(tail->path, to));
}

/* Stopped, so that much happens between two of its looks. */
static void tail_stop(struct tail *tail)
{
	int status;

	kill(tail->pid, SIGSTOP);
	cr_assert(waitpid(tail->pid, &status, WUNTRACED) == tail->pid && WIFSTOPPED(status));
}

static void tail_end(struct tail *tail)
{
	kill(tail->pid, SIGKILL);
	kill(tail->pid, SIGCONT);
	waitpid(tail->pid, NULL, 0);
	/* Nothing was shown beyond what was written. */
	cr_expect(read(tail->output, tail->text, 1) <= 0 && !tail->length);
	close(tail->output);
	fclose(tail->log);
}

Test(show, follows_what_is_added)
{
	struct tail tail;

	tail_start(&tail);
	for (int i = 0; i < 20; i++) {
		tail_write(&tail, tail.log);
		tail_expect(&tail);
	}
	tail_end(&tail);
}

/* Nothing more is added: it ends because nobody reads. */
Test(show, ends_when_its_reader_goes)
{
	struct tail tail;
	int status;

	tail_start(&tail);
	tail_write(&tail, tail.log);
	tail_expect(&tail);
	close(tail.output);
	cr_assert(waitpid(tail.pid, &status, 0) == tail.pid);
	cr_expect(WIFEXITED(status) || WTERMSIG(status) == SIGPIPE, "%d", status);
	fclose(tail.log);
}

/* A record is shown when its line is whole. */
Test(show, follows_half_lines)
{
	struct tail tail;

	tail_start(&tail);
	tail_write(&tail, tail.log);
	tail_expect(&tail);
	fputs("{\"@timestamp\":\"2026-01-01T00:00:00.000000Z\",\"event\":{\"action\":", tail.log);
	fflush(tail.log);
	tail_stop(&tail);
	kill(tail.pid, SIGCONT);
	fputs("\"process.end\"},\"process\":{\"pid\":2,\"name\":\"n\"}}\n", tail.log);
	fflush(tail.log);
	tail.written = 2;
	tail_write(&tail, tail.log);
	tail_expect(&tail);
	tail_end(&tail);
}

/* As logrotate does it: renamed, written to for a while yet, and made anew. */
Test(show, follows_rename_and_create)
{
	struct tail tail;

	tail_start(&tail);
	for (int i = 0; i < 5; i++) {
		tail_write(&tail, tail.log);
		tail_expect(&tail);
		FILE *old = tail.log;
		tail_rename(&tail, i);
		tail_write(&tail, old);
		tail_expect(&tail);
		open_log(&tail);
		tail_write(&tail, tail.log);
		tail_expect(&tail);
		tail_write(&tail, old);
		tail_expect(&tail);
		fclose(old);
	}
	tail_end(&tail);
}

Test(show, follows_truncation)
{
	struct tail tail;

	tail_start(&tail);
	tail_write(&tail, tail.log);
	tail_write(&tail, tail.log);
	tail_expect(&tail);
	cr_assert(!truncate(tail.path, 0));
	tail_write(&tail, tail.log);
	tail_expect(&tail);
	tail_end(&tail);
}
