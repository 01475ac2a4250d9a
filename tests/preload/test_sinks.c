/* SPDX-License-Identifier: MIT */
/*
 * A2, A3, A4 for the logs that are no files: a descriptor, a socket, the system log,
 * the journal. What arrives, what happens when nobody takes it, and that the program
 * sees nothing of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver.h"

#define STEADY(to, prepared, ...)                                                           \
	{                                                                                   \
		.variant = variant, .helper = "steady", .args = { __VA_ARGS__ }, .log = to, \
		.prepare = prepared, .seconds = 20                                          \
	}

static void undisturbed(struct run *run)
{
	cr_assert(run_exit(run) == 0, "ended with %d: %s%s", run_exit(run), run->output,
		  run->errors);
	cr_assert_str_eq(run->output, "done\n");
	cr_assert_str_empty(run->errors, "said: %s", run->errors);
}

static void run_steady(struct run *run)
{
	run_helper(run);
	undisturbed(run);
}

/* The address of a socket of this test: "unix:" and a path in no run's directory, for it is made
 * before that. */
static char where[128];

static const char *socket_path(void)
{
	snprintf(where, sizeof(where), "unix:/tmp/mmfence-sink.%d", getpid());
	return where + strlen("unix:");
}

/* Mappings that were made, each of which is a create and an end. */
static void holds_all(const struct run *run, size_t mappings)
{
	cr_assert(count_events(run, "snapshot.create") == mappings, "%zu of %zu records",
		  count_events(run, "snapshot.create"), mappings);
	cr_assert(count_events(run, "snapshot.end") == mappings);
	cr_assert(count_events(run, "log.dropped") == 0);
}

static size_t dropped(const struct run *run)
{
	size_t count = 0;

	for (size_t i = 0; find_event_number(run, "log.dropped", i); i++)
		count += (size_t)field_number(find_event_number(run, "log.dropped", i),
					      "mmfence.dropped");
	return count;
}

/* --- unix: --- */

EACH_WIDTH(A2, socket_gets_every_record)
{
	struct run run = STEADY(where, NULL, "count=8", "threads=2", "processes=3");
	int receiver = receiver_bind(socket_path(), SOCK_DGRAM);

	run_steady(&run);
	receiver_drain(receiver, &run);
	holds_all(&run, 8 * 2 * 3);
	cr_assert(count_events(&run, "process.start") == 3);
	unlink(socket_path());
	run_end(&run);
}

/* What the program was told about is in the socket, whatever ends the program. */
EACH_WIDTH(A2, killed_processes_lose_nothing_in_a_socket)
{
	for (unsigned int round = 1; round < 20; round++) {
		struct run run = STEADY(where, NULL, "count=1000000", "pipe=17", "gate=18");
		int receiver = receiver_bind(socket_path(), SOCK_DGRAM);

		steps_start(&run);
		steps_take(round);
		kill(run.pid, SIGKILL);
		run_wait(&run);
		steps_end();
		receiver_drain(receiver, &run);
		holds_all(&run, round);
		close(receiver);
		run_end(&run);
	}
	unlink(socket_path());
}

/* A daemon that is started anew gets the next record, and what was lost meanwhile is said. */
static void daemon_restarts(const char *variant, bool unlinked, const char *code)
{
	struct run run = STEADY(where, NULL, "count=15", "pipe=17", "gate=18");
	int receiver = receiver_bind(socket_path(), SOCK_DGRAM);

	steps_start(&run);
	steps_take(5);
	receiver_drain(receiver, &run);
	holds_all(&run, 5);
	close(receiver);
	if (unlinked)
		unlink(socket_path());
	steps_take(5);
	receiver = receiver_bind(socket_path(), SOCK_DGRAM);
	steps_take(5);
	run_wait(&run);
	undisturbed(&run);
	receiver_drain(receiver, &run);
	cr_assert(count_events(&run, "snapshot.create") == 10);
	cr_assert(count_events(&run, "log.dropped") == 1);
	cr_assert(dropped(&run) == 10, "%zu dropped", dropped(&run));
	cr_assert_str_eq(field_string(find_event(&run, "log.dropped"), "error.code"), code);
	steps_end();
	unlink(socket_path());
	run_end(&run);
}

EACH_WIDTH(A4, socket_whose_daemon_restarts)
{
	daemon_restarts(variant, false, "ECONNREFUSED");
}

EACH_WIDTH(A4, socket_that_is_removed_and_made_again)
{
	daemon_restarts(variant, true, "ENOENT");
}

/* A restart between two records loses none. */
EACH_WIDTH(A2, quick_restart_loses_nothing)
{
	struct run run = STEADY(where, NULL, "count=20", "pipe=17", "gate=18");
	int receiver = receiver_bind(socket_path(), SOCK_DGRAM);

	steps_start(&run);
	for (int i = 0; i < 20; i++) {
		steps_take(1);
		receiver_drain(receiver, &run);
		close(receiver);
		receiver = receiver_bind(socket_path(), SOCK_DGRAM);
	}
	run_wait(&run);
	undisturbed(&run);
	receiver_drain(receiver, &run);
	holds_all(&run, 20);
	steps_end();
	unlink(socket_path());
	run_end(&run);
}

EACH_WIDTH(A4, socket_without_daemon)
{
	struct run run = STEADY(where, NULL, "count=50");

	socket_path();
	run_steady(&run);
	run_end(&run);
}

/* Nobody reads: the program is not held up, and when somebody does every record is there or
 * counted. */
EACH_WIDTH(A4, socket_that_is_full)
{
	struct run run = STEADY(where, NULL, "count=1001", "pipe=17", "gate=18");
	int receiver = receiver_bind(socket_path(), SOCK_DGRAM);

	steps_start(&run);
	steps_take(1000);
	receiver_drain(receiver, &run);
	cr_assert(run.record_count < 2000, "the socket was not full");
	steps_take(1);
	run_wait(&run);
	undisturbed(&run);
	receiver_drain(receiver, &run);
	size_t written = count_events(&run, "snapshot.create") + count_events(&run, "snapshot.end");
	cr_assert(count_events(&run, "log.dropped") == 1);
	cr_assert(written + dropped(&run) == 2002, "%zu written, %zu dropped", written,
		  dropped(&run));
	cr_assert_str_eq(field_string(find_event(&run, "log.dropped"), "error.code"), "EAGAIN");
	steps_end();
	unlink(socket_path());
	run_end(&run);
}

/* The lease thread, which has descriptors of its own, writes too. */
EACH_WIDTH(A2, socket_gets_the_lease_threads_records)
{
	struct run run = { .variant = variant, .helper = "observe" };
	int receiver = receiver_bind(socket_path(), SOCK_DGRAM);

	run.log = where;
	run_helper(&run);
	run_must_hold(&run);
	receiver_drain(receiver, &run);
	json_t *event = find_event(&run, "snapshot.preserve");
	cr_assert(event, "no record of the preserve");
	cr_assert(field_number(event, "process.thread.id") != field_number(event, "process.pid"));
	unlink(socket_path());
	run_end(&run);
}

/* --- descriptors --- */

static int given;

static void give_nine(struct run *run)
{
	if (steps.told[1] > 0)
		steps_prepare(run);
	if (dup2(given, 9) != 9 || fcntl(9, F_SETFD, 0))
		_exit(98);
}

static void give_stderr(struct run *run)
{
	if (steps.told[1] > 0)
		steps_prepare(run);
	if (dup2(given, 2) != 2)
		_exit(98);
}

EACH_WIDTH(A2, descriptor_of_a_file_gets_every_record)
{
	char path[] = "/tmp/mmfence-fd.XXXXXX";
	struct run run = STEADY("fd:9", give_nine, "count=20", "threads=2", "processes=4");

	given = mkstemp(path);
	run_steady(&run);
	strcpy(run.log_path, path);
	run_read_log(&run);
	holds_all(&run, 20 * 2 * 4);
	unlink(path);
	run_end(&run);
}

EACH_WIDTH(A2, standard_error_gets_every_record)
{
	struct run run = STEADY("stderr", NULL, "count=10");

	run_helper(&run);
	cr_assert(run_exit(&run) == 0);
	cr_assert_str_eq(run.output, "done\n");
	snprintf(run.log_path, sizeof(run.log_path), "%s/errors", run.dir);
	run_read_log(&run);
	holds_all(&run, 10);
	run_end(&run);
}

static size_t lines_in(int pipe)
{
	char text[4096];
	size_t lines = 0;
	ssize_t length;

	fcntl(pipe, F_SETFL, O_NONBLOCK);
	while ((length = read(pipe, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < length; i++)
			lines += text[i] == '\n';
	return lines;
}

/* A pipe that nobody reads: the program goes on, and its own descriptor is as it was. */
static void full_pipe(const char *variant, const char *log, void (*give)(struct run *))
{
	struct run run = STEADY(log, give, "count=2000");
	int ends[2];

	cr_assert(pipe(ends) == 0);
	given = ends[1];
	run_steady(&run);
	cr_assert(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK), "the program's pipe was changed");
	size_t lines = lines_in(ends[0]);
	cr_assert(lines > 10 && lines < 4000, "%zu lines", lines);
	run_end(&run);
}

EACH_WIDTH(A4, descriptor_of_a_full_pipe)
{
	full_pipe(variant, "fd:9", give_nine);
}

EACH_WIDTH(A4, standard_error_is_a_full_pipe)
{
	full_pipe(variant, "stderr", give_stderr);
}

/* A pipe that may not be opened anew, because it is somebody else's. */
static void give_to_nobody(struct run *run)
{
	give_nine(run);
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		_exit(98);
}

EACH_WIDTH(A4, pipe_of_another_user)
{
	struct run run = STEADY("fd:9", give_to_nobody, "count=2000");
	int ends[2];

	skip_unless_root();
	cr_assert(pipe(ends) == 0);
	given = ends[1];
	run_steady(&run);
	cr_assert(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK), "the program's pipe was changed");
	run_end(&run);
}

EACH_WIDTH(A4, pipe_whose_reader_goes)
{
	struct run run = STEADY("fd:9", give_nine, "count=200", "pipe=17", "gate=18");
	int ends[2];

	cr_assert(pipe2(ends, O_CLOEXEC) == 0);
	given = ends[1];
	steps_start(&run);
	close(ends[1]);
	steps_take(100);
	cr_assert(lines_in(ends[0]) > 10);
	close(ends[0]);
	steps_take(100);
	run_wait(&run);
	undisturbed(&run);
	steps_end();
	run_end(&run);
}

/* A socket as descriptor, as systemd gives its services. */
EACH_WIDTH(A4, descriptor_of_a_full_socket)
{
	struct run run = STEADY("fd:9", give_nine, "count=2000");
	int ends[2];

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	given = ends[1];
	run_steady(&run);
	cr_assert(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK));
	cr_assert(lines_in(ends[0]) > 10);
	run_end(&run);
}

/* --- A3: the program closes and replaces what it can --- */

static const char *const ways[] = { "close",	      "close_range",	  "closefrom",
				    "hand_close",     "hand_close_range", "dup2",
				    "hand_dup2_some", "hand_dup2" };

static void program_takes(const char *variant, const char *log, int receiver, size_t at_least)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct run run = { .variant = variant,
				   .helper = "descriptors",
				   .args = { ways[i], "some" },
				   .log = log,
				   .prepare = receiver < 0 ? give_nine : NULL };

		run_helper(&run);
		run_must_hold(&run); /* nothing landed in its own file */
		if (receiver >= 0)
			receiver_drain(receiver, &run);
		/* With every number taken there is none for a new socket. */
		if (!strcmp(ways[i], "hand_dup2"))
			at_least /= 2;
		size_t found = count_events(&run, "snapshot.create");
		cr_assert(found >= at_least, "%s: %zu records", ways[i], found);
		run_end(&run);
	}
}

EACH_WIDTH(A3, socket_survives_what_the_program_does)
{
	int receiver = receiver_bind(socket_path(), SOCK_DGRAM);

	program_takes(variant, where, receiver, 10);
	unlink(socket_path());
}

EACH_WIDTH(A3, no_record_lands_in_what_took_the_descriptor)
{
	char path[] = "/tmp/mmfence-fd.XXXXXX";

	given = mkstemp(path);
	program_takes(variant, "fd:9", -1, 0);
	unlink(path);
}

static void give_other_nine(struct run *run)
{
	(void)run;
	if (dup2(open("other", O_RDWR | O_CREAT, 0600), 9) != 9)
		_exit(98);
}

/* The number says which file was meant, and a process that finds another one there is silent. */
EACH_WIDTH(A3, pinned_descriptor_is_another_file)
{
	struct run run = STEADY("fd:9@0:1:2", give_other_nine, "count=5");
	char path[PATH_MAX];
	struct stat other;

	run_steady(&run);
	snprintf(path, sizeof(path), "%s/work/other", run.dir);
	cr_assert(stat(path, &other) == 0 && other.st_size == 0, "records in a file not meant");
	run_end(&run);
}

/* --- through the command --- */

static void pin_nine(struct run *run)
{
	(void)run;
	unsetenv("MMFENCE_AUDIT_LOG");
	if (dup2(open("meant", O_RDWR | O_CREAT, 0600), 9) != 9)
		_exit(98);
}

static off_t size_of(const struct run *run, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/work/%s", run->dir, name);
	return stat(path, &st) ? -1 : st.st_size;
}

/* The shell puts a file of its own in the number's place, and starts a program that makes records.
 */
Test(A3, descriptor_replaced_before_exec)
{
	char script[PATH_MAX];
	struct run run = { .helper = build_path("bin/mmfence"),
			   .preload = RUN_BARE,
			   .args = { "run", "--log", "fd:9", "--", "sh", "-c", script },
			   .prepare = pin_nine };

	snprintf(script, sizeof(script), "exec 9>other; exec %s count=5",
		 build_path("helpers/plain/steady"));
	run_helper(&run);
	cr_assert(run_exit(&run) == 0, "%s", run.errors);
	cr_assert(size_of(&run, "other") == 0, "records in a file of the program's");
	cr_assert(strstr(run.errors, "cannot be read back"), "%s", run.errors);
	run_end(&run);
}

RUNS_AND(BY_PATH, A2, command_hands_a_descriptor_on, .helper = build_path("bin/mmfence"),
	 .args = { "run", "-q", "-o", "audit.snapshots=every", "--log", "fd:9", "--",
		   build_path("helpers/plain/steady"), "count=5" },
	 .preload = RUN_BARE, .prepare = pin_nine)
{
	snprintf(run->log_path, sizeof(run->log_path), "%s/work/meant", run->dir);
	run_read_log(run);
	holds_all(run, 5);
}

static void refused(const char *value, const char *sentence)
{
	struct run run = { .helper = build_path("bin/mmfence"),
			   .preload = RUN_BARE,
			   .args = { "run", "--log", value, "--", "touch", "started" } };

	run_helper(&run);
	cr_assert(run_exit(&run) == 2, "%s: exit status %d", value, run_exit(&run));
	cr_assert(strstr(run.errors, sentence), "%s: %s", value, run.errors);
	cr_assert(strchr(run.errors, '\n') == run.errors + strlen(run.errors) - 1,
		  "more than one line: %s", run.errors);
	cr_assert(size_of(&run, "started") == -1, "it was started all the same");
	run_end(&run);
}

Test(command, logs_that_are_none)
{
	refused("fd:", "is not fd: and the number of a descriptor");
	refused("fd:9x", "is not fd: and the number of a descriptor");
	refused("fd:99999999999", "is not fd: and the number of a descriptor");
	refused("fd:9@1:2", "is not fd:NUMBER@MAJOR:MINOR:INODE");
	refused("fd:9", "descriptor 9 is not open for writing");
	refused("fd:0", "descriptor 0 is not open for writing");
	refused("syslog:local0",
		"\"syslog:local0\" has something behind a sink that takes nothing");
	refused("journal:", "has something behind a sink that takes nothing");
	refused("stderr:x", "put ./ in front of it");
	refused("unix:", "is not unix: and an absolute path");
	refused("unix:here", "is not unix: and an absolute path");
	refused("unix:/nonexistent/socket", "/nonexistent/socket: No such file");
	refused("unix:/dev/null", "/dev/null: Socket operation on non-socket");
}

/* check reads its log. */
RUNS_AND(BY_PATH, command, check_wants_a_file, .helper = build_path("bin/mmfence"),
	 .args = { "check", "--log", "stderr", "--", "touch", "started" }, .preload = RUN_BARE,
	 .ends_with = 2)
{
	cr_assert(strstr(run->errors, "the log must be a file"), "%s", run->errors);
	cr_assert(size_of(run, "started") == -1, "it was started all the same");
}

/* --- syslog --- */

/* "<14>mmfence[123]: {…}", and behind that what ends it. */
static void check_syslog(const char *text, const char *level, pid_t pid)
{
	char pattern[200];
	regex_t regex;

	snprintf(pattern, sizeof(pattern), "^<%s>mmfence\\[%d\\]: \\{.*\\}$", level, pid);
	cr_assert(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0);
	cr_assert(regexec(&regex, text, 0, NULL, 0) == 0, "%s", text);
	regfree(&regex);
}

static void keep_record(struct run *run, const char *text)
{
	FILE *log = fopen(run->log_path, "ae");

	fprintf(log, "%s\n", strchr(text, '{'));
	fclose(log);
}

EACH_WIDTH(A2, syslog_gets_every_record)
{
	static char text[65536];
	struct run run = STEADY("syslog", NULL, "count=10");
	ssize_t length;

	private_dev();
	int receiver = receiver_bind("/dev/log", SOCK_DGRAM);
	run_steady(&run);
	while ((length = receiver_next(receiver, text, sizeof(text))) >= 0) {
		cr_assert((size_t)length == strlen(text), "a NUL in a datagram");
		check_syslog(text, "14", run.pid);
		keep_record(&run, text);
	}
	run_read_log(&run);
	holds_all(&run, 10);
	run_end(&run);
}

/* Some daemons have a stream there: records are ended by a NUL, as libc does it. More come than
 * the kernel takes under way by default, before anybody reads. */
EACH_WIDTH(A2, syslog_on_a_stream)
{
	static char text[1 << 20];
	struct run run = STEADY("syslog", NULL, "count=200");
	size_t used = 0;
	ssize_t length;

	private_dev();
	int listener = receiver_bind("/dev/log", SOCK_STREAM);
	run_steady(&run);
	int receiver = accept(listener, NULL, NULL);
	cr_assert(receiver >= 0);
	while ((length = read(receiver, text + used, sizeof(text) - used)) > 0)
		used += (size_t)length;
	cr_assert(used && !text[used - 1]);
	for (char *at = text; at < text + used; at += strlen(at) + 1) {
		check_syslog(at, "14", run.pid);
		keep_record(&run, at);
	}
	run_read_log(&run);
	holds_all(&run, 200);
	run_end(&run);
}

EACH_WIDTH(A4, stream_that_is_full)
{
	struct run run = STEADY("syslog", NULL, "count=3000");

	private_dev();
	int listener = receiver_bind("/dev/log", SOCK_STREAM);
	run_steady(&run);
	close(listener);
	run_end(&run);
}

EACH_WIDTH(A4, no_syslog)
{
	struct run run = STEADY("syslog", NULL, "count=20");

	private_dev();
	run_steady(&run);
	run_end(&run);
}

/* --- the journal --- */

#define JOURNAL "/run/systemd/journal/socket"

static int bind_journal(void)
{
	private_run();
	cr_assert(mkdir("/run/systemd", 0755) == 0 && mkdir("/run/systemd/journal", 0755) == 0);
	return receiver_bind(JOURNAL, SOCK_DGRAM);
}

/* The value of a field in a datagram of the journal's protocol, or NULL. */
static char *journal_field(const char *text, size_t size, const char *name, size_t *length)
{
	const char *end = text + size;
	char *found = NULL;

	while (text < end) {
		const char *stop = text + strcspn(text, "=\n"), *value = stop + 1;
		bool wanted =
			(size_t)(stop - text) == strlen(name) && !strncmp(text, name, strlen(name));
		size_t bytes;

		cr_assert(stop < end && text[0] >= 'A' && text[0] <= 'Z', "a field: %.40s", text);
		if (*stop == '=') {
			bytes = strcspn(value, "\n");
		} else {
			uint64_t count;
			memcpy(&count, value, sizeof(count));
			value += sizeof(count);
			bytes = (size_t)count;
		}
		cr_assert(value + bytes < end && value[bytes] == '\n', "no end: %s", text);
		if (wanted) {
			cr_assert(!found, "%s twice", name);
			found = strndup(value, bytes);
			*length = bytes;
		}
		text = value + bytes + 1;
	}
	return found;
}

static void journal_says(const char *text, size_t size, const char *name, const char *value)
{
	size_t length;
	char *found = journal_field(text, size, name, &length);

	cr_assert(found && !strcmp(found, value), "%s is %s", name, found ? found : "absent");
	free(found);
}

/* FILE_PATH is the record's path, unless JSON had to escape it. */
static void check_path(const json_t *record, const char *message, const char *text, size_t size)
{
	const char *path =
		json_string_value(json_object_get(json_object_get(record, "file"), "path"));
	size_t length;
	char *found = journal_field(text, size, "FILE_PATH", &length);

	if (path && strstr(message, path))
		cr_assert(found && !strcmp(found, path), "%s is not %s", found, path);
	else
		cr_assert(!found, "a path that is not the record's: %s", found);
	free(found);
}

static void drain_journal(int receiver, struct run *run)
{
	static char text[131072];
	ssize_t length;

	while ((length = receiver_next(receiver, text, sizeof(text))) >= 0) {
		size_t size;
		char *message = journal_field(text, (size_t)length, "MESSAGE", &size);
		json_t *record = json_loadb(message, size, 0, NULL);

		cr_assert(record, "%s", message);
		journal_says(text, (size_t)length, "SYSLOG_IDENTIFIER", "mmfence");
		journal_says(text, (size_t)length, "PRIORITY", "6");
		journal_says(text, (size_t)length, "EVENT_ACTION",
			     json_string_value(
				     json_object_get(json_object_get(record, "event"), "action")));
		check_path(record, message, text, (size_t)length);
		keep_record(run, message);
		free(message);
		json_decref(record);
	}
	run_read_log(run);
}

EACH_WIDTH(A2, journal_gets_every_record)
{
	struct run run = STEADY("journal", NULL, "count=10", "processes=2");
	int receiver = bind_journal();

	run_steady(&run);
	drain_journal(receiver, &run);
	holds_all(&run, 20);
	run_end(&run);
}

EACH_WIDTH(A1, journal_keeps_hostile_names)
{
	struct run run = { .variant = variant,
			   .helper = "hostile",
			   .args = { "quote\"", "new\nline", "\377\376", "\033[31m" },
			   .log = "journal" };
	int receiver = bind_journal();

	run_helper(&run);
	run_must_hold(&run);
	drain_journal(receiver, &run);
	cr_assert(count_events(&run, "snapshot.create") == strtoul(run.output, NULL, 10));
	run_end(&run);
}

EACH_WIDTH(A4, journal_that_restarts)
{
	struct run run = STEADY("journal", NULL, "count=15", "pipe=17", "gate=18");
	int receiver = bind_journal();

	steps_start(&run);
	steps_take(5);
	drain_journal(receiver, &run);
	close(receiver);
	steps_take(5);
	receiver = receiver_bind(JOURNAL, SOCK_DGRAM);
	steps_take(5);
	run_wait(&run);
	undisturbed(&run);
	close(receiver);
	steps_end();
	run_end(&run);
}

EACH_WIDTH(A4, no_journal)
{
	struct run run = STEADY("journal", NULL, "count=20");

	private_run();
	run_steady(&run);
	run_end(&run);
}
