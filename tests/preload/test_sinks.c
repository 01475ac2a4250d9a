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

/* A program that makes records; GATED: one at a time, with what happens between them. */
#define SENDS(to, ...) STEADY(__VA_ARGS__), .log = (to), .seconds = 20
#define GATED	       "pipe=17", "gate=18"

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

/* Records that could not be written: so many, for this reason. */
static void says_dropped(const struct run *run, size_t count, const char *code)
{
	cr_assert(count_events(run, "log.dropped") == 1);
	cr_assert(dropped(run) == count, "%zu dropped", dropped(run));
	cr_assert_str_eq(field_string(find_event(run, "log.dropped"), "error.code"), code);
	if (find_event(run, "process.end"))
		cr_assert_eq(field_number(find_event(run, "process.end"), "mmfence.dropped"),
			     count);
}

/* --- unix: --- */

/* A path in no run's directory, for the socket is made before that. */
static char where[128];
static int receiver = -1;

static const char *socket_path(void)
{
	return where + strlen("unix:");
}

static void name_socket(struct run *run)
{
	snprintf(where, sizeof(where), "unix:/tmp/mmfence-sink.%d", getpid());
}

/* As a daemon that is started, or started anew. */
static void open_socket(struct run *run)
{
	name_socket(run);
	if (receiver >= 0)
		close(receiver);
	receiver = receiver_bind(socket_path(), SOCK_DGRAM);
	steps_open();
}

static void drain(struct run *run)
{
	receiver_drain(receiver, run);
	unlink(socket_path());
}

#define TO_SOCKET(...)	       SENDS(where, __VA_ARGS__), .before = open_socket
#define GATED_TO_SOCKET(count) TO_SOCKET(count, GATED), .prepare = steps_prepare

RUNS_AND(EACH_WIDTH, A2, socket_gets_every_record, TO_SOCKET("count=8", "threads=2", "processes=3"))
{
	drain(run);
	holds_all(run, 8 * 2 * 3);
	cr_assert(count_events(run, "process.start") == 3);
}

static unsigned int killed_at;

static void kill_helper(struct run *run)
{
	steps_take(killed_at);
	kill(run->pid, SIGKILL);
}

static void holds_what_was_told(struct run *run)
{
	drain(run);
	holds_all(run, killed_at);
}

/* What the program was told about is in the socket, whatever ends the program. */
EACH_WIDTH(A2, killed_processes_lose_nothing_in_a_socket)
{
	for (killed_at = 1; killed_at < 20; killed_at++)
		TRY(.helper = "steady", .args = { "count=1000000", GATED }, .log = where,
		    .before = open_socket, .prepare = steps_prepare, .meanwhile = kill_helper,
		    .ends_with = 128 + SIGKILL, .look = holds_what_was_told);
}

/* A daemon that is started anew gets the next record, and what was lost meanwhile is said. */
static void restart(struct run *run, bool unlinked)
{
	steps_take(5);
	receiver_drain(receiver, run);
	holds_all(run, 5);
	close(receiver);
	receiver = -1;
	if (unlinked)
		unlink(socket_path());
	steps_take(5);
	receiver = receiver_bind(socket_path(), SOCK_DGRAM);
	steps_take(5);
}

static void daemon_restarts(struct run *run)
{
	restart(run, false);
}

static void socket_is_made_again(struct run *run)
{
	restart(run, true);
}

RUNS_AND(EACH_WIDTH, A4, socket_whose_daemon_restarts, GATED_TO_SOCKET("count=15"),
	 .meanwhile = daemon_restarts)
{
	drain(run);
	cr_assert(count_events(run, "snapshot.create") == 10);
	says_dropped(run, 10, "ECONNREFUSED");
}

RUNS_AND(EACH_WIDTH, A4, socket_that_is_removed_and_made_again, GATED_TO_SOCKET("count=15"),
	 .meanwhile = socket_is_made_again)
{
	drain(run);
	cr_assert(count_events(run, "snapshot.create") == 10);
	says_dropped(run, 10, "ENOENT");
}

static void restart_at_each_record(struct run *run)
{
	for (int i = 0; i < 20; i++) {
		steps_take(1);
		receiver_drain(receiver, run);
		close(receiver);
		receiver = receiver_bind(socket_path(), SOCK_DGRAM);
	}
}

/* A restart between two records loses none. */
RUNS_AND(EACH_WIDTH, A2, quick_restart_loses_nothing, GATED_TO_SOCKET("count=20"),
	 .meanwhile = restart_at_each_record)
{
	drain(run);
	holds_all(run, 20);
}

RUNS(EACH_WIDTH, A4, socket_without_daemon, SENDS(where, "count=50"), .before = name_socket)

static void fill_socket(struct run *run)
{
	steps_take(1000);
	receiver_drain(receiver, run);
	cr_assert(run->record_count < 2000, "the socket was not full");
	steps_take(1);
}

/* Nobody reads: the program is not held up, and when somebody does every record is there or
 * counted. */
RUNS_AND(EACH_WIDTH, A4, socket_that_is_full, GATED_TO_SOCKET("count=1001"),
	 .meanwhile = fill_socket)
{
	drain(run);
	says_dropped(run,
		     2002 - count_events(run, "snapshot.create") -
			     count_events(run, "snapshot.end"),
		     "EAGAIN");
}

/* The lease thread, which has descriptors of its own, writes too. */
RUNS_AND(EACH_WIDTH, A2, socket_gets_the_lease_threads_records, .helper = "observe", .log = where,
	 .before = open_socket)
{
	drain(run);
	json_t *event = find_event(run, "snapshot.preserve");
	cr_assert(event, "no record of the preserve");
	cr_assert(field_number(event, "process.thread.id") != field_number(event, "process.pid"));
}

/* --- descriptors --- */

static int given, ends[2];

static void give(int number)
{
	if (dup2(given, number) != number || fcntl(number, F_SETFD, 0))
		_exit(98);
}

static void give_nine(struct run *run)
{
	if (steps.told[1] > 0)
		steps_prepare(run);
	give(9);
}

static void give_stderr(struct run *run)
{
	give(2);
}

static char given_path[32];

static void open_file(struct run *run)
{
	strcpy(given_path, "/tmp/mmfence-fd.XXXXXX");
	given = mkstemp(given_path);
}

RUNS_AND(EACH_WIDTH, A2, descriptor_of_a_file_gets_every_record,
	 SENDS("fd:9", "count=20", "threads=2", "processes=4"), .before = open_file,
	 .prepare = give_nine)
{
	strcpy(run->log_path, given_path);
	run_read_log(run);
	holds_all(run, 20 * 2 * 4);
	unlink(given_path);
}

RUNS_AND(EACH_WIDTH, A2, standard_error_gets_every_record, .helper = "steady",
	 .args = { "count=10" }, .log = "stderr", .seconds = 20, .says = "done\n")
{
	snprintf(run->log_path, sizeof(run->log_path), "%s/errors", run->dir);
	run_read_log(run);
	holds_all(run, 10);
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

static void open_pipe(struct run *run)
{
	cr_assert(pipe2(ends, O_CLOEXEC) == 0);
	given = ends[1];
}

static void open_gated_pipe(struct run *run)
{
	steps_open();
	open_pipe(run);
}

/* A socket as descriptor, as systemd gives its services. */
static void open_pair(struct run *run)
{
	cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	given = ends[1];
}

static void is_as_it_was(struct run *run)
{
	cr_assert(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK), "the program's pipe was changed");
}

static void took_some(struct run *run)
{
	size_t lines;

	is_as_it_was(run);
	lines = lines_in(ends[0]);
	cr_assert(lines > 10 && lines < 4000, "%zu lines", lines);
}

/* May not be opened anew, because it is somebody else's. */
static void give_to_nobody(struct run *run)
{
	give_nine(run);
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		_exit(98);
}

static void reader_goes(struct run *run)
{
	close(ends[1]);
	steps_take(100);
	cr_assert(lines_in(ends[0]) > 10);
	close(ends[0]);
	steps_take(100);
}

/* Nobody reads: the program goes on, and its own descriptor is as it was. */
#define UNREAD(name, ...) RUNS(EACH_WIDTH, A4, name, __VA_ARGS__)
UNREAD(descriptor_of_a_full_pipe, SENDS("fd:9", "count=2000"), .before = open_pipe,
       .prepare = give_nine, .look = took_some)
UNREAD(standard_error_is_a_full_pipe, SENDS("stderr", "count=2000"), .before = open_pipe,
       .prepare = give_stderr, .look = took_some)
UNREAD(descriptor_of_a_full_socket, SENDS("fd:9", "count=2000"), .before = open_pair,
       .prepare = give_nine, .look = took_some)
UNREAD(pipe_of_another_user, SENDS("fd:9", "count=2000"), .as_root = true, .before = open_pipe,
       .prepare = give_to_nobody, .look = is_as_it_was)
UNREAD(pipe_whose_reader_goes, SENDS("fd:9", "count=200", GATED), .before = open_gated_pipe,
       .prepare = give_nine, .meanwhile = reader_goes)

/* --- A3: the program closes and replaces what it can --- */

static const char *const ways[] = { "close",	      "close_range",	  "closefrom",
				    "hand_close",     "hand_close_range", "dup2",
				    "hand_dup2_some", "hand_dup2" };
#define WAYS (sizeof(ways) / sizeof(*ways))

/* With every number taken there is none for a new socket. */
static void has_records(struct run *run)
{
	size_t least = strcmp(run->args[0], "hand_dup2") ? 10 : 5, found;

	drain(run);
	found = count_events(run, "snapshot.create");
	cr_assert(found >= least, "%s: %zu records", run->args[0], found);
}

EACH_WIDTH(A3, socket_survives_what_the_program_does)
{
	for (size_t i = 0; i < WAYS; i++)
		TRY(.helper = "descriptors", .args = { ways[i], "some" }, .log = where,
		    .before = open_socket, .look = has_records);
}

/* The helper looks into its own file. */
EACH_WIDTH(A3, no_record_lands_in_what_took_the_descriptor)
{
	for (size_t i = 0; i < WAYS; i++)
		TRY(.helper = "descriptors", .args = { ways[i], "some" }, .log = "fd:9",
		    .before = open_file, .prepare = give_nine);
}

static void nine_is(const char *name)
{
	if (dup2(open(name, O_RDWR | O_CREAT, 0600), 9) != 9)
		_exit(98);
}

static void give_other_nine(struct run *run)
{
	nine_is("other");
}

static void has_none_in_other(struct run *run)
{
	cr_assert(run_has(run, "other"));
	cr_assert_str_empty(run_text(run, "other"), "records in a file not meant");
}

/* The number says which file was meant, and a process that finds another one there is silent. */
RUNS(EACH_WIDTH, A3, pinned_descriptor_is_another_file, SENDS("fd:9@0:1:2", "count=5"),
     .prepare = give_other_nine, .look = has_none_in_other)

/* --- through the command --- */

static void pin_nine(struct run *run)
{
	nine_is("meant");
}

/* The shell puts a file of its own in the number's place, and starts a program that makes records.
 */
GIVEN(A3, descriptor_replaced_before_exec,
      "run --log fd:9 -- sh -c 'exec 9>other; exec $HELPERS/steady count=5'", .prepare = pin_nine,
      .without_log = true, .warns = { "cannot be read back" }, .look = has_none_in_other)

RUNS_AND(BY_PATH, A2, command_hands_a_descriptor_on,
	 .mmfence = "run -q -o audit.snapshots=every --log fd:9 -- $HELPERS/steady count=5",
	 .prepare = pin_nine, .without_log = true)
{
	snprintf(run->log_path, sizeof(run->log_path), "%s/work/meant", run->dir);
	run_read_log(run);
	holds_all(run, 5);
}

BY_PATH(command, logs_that_are_none)
{
	static const char *const none[][2] = {
		{ "fd:", "is not fd: and the number of a descriptor" },
		{ "fd:9x", "is not fd: and the number of a descriptor" },
		{ "fd:99999999999", "is not fd: and the number of a descriptor" },
		{ "fd:9@1:2", "is not fd:NUMBER@MAJOR:MINOR:INODE" },
		{ "fd:9", "descriptor 9 is not open for writing" },
		{ "fd:0", "descriptor 0 is not open for writing" },
		{ "syslog:local0",
		  "\"syslog:local0\" has something behind a sink that takes nothing" },
		{ "journal:", "has something behind a sink that takes nothing" },
		{ "stderr:x", "put ./ in front of it" },
		{ "unix:", "is not unix: and an absolute path" },
		{ "unix:here", "is not unix: and an absolute path" },
		{ "unix:/nonexistent/socket", "/nonexistent/socket: No such file" },
		{ "unix:/dev/null", "/dev/null: Socket operation on non-socket" },
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		TRY(.mmfence = "run --log", .args = { none[i][0], "--", "touch", "started" },
		    .refuses = none[i][1]);
}

/* check reads its log. */
REFUSES(command, check_wants_a_file, "check --log stderr -- touch started",
	"the log must be a file")

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

static void open_dev_log(struct run *run)
{
	private_dev();
	receiver = receiver_bind("/dev/log", SOCK_DGRAM);
}

static void open_dev_log_stream(struct run *run)
{
	private_dev();
	receiver = receiver_bind("/dev/log", SOCK_STREAM);
}

static void open_no_dev_log(struct run *run)
{
	private_dev();
}

#define TO_SYSLOG(count) SENDS("syslog", count)

RUNS_AND(EACH_WIDTH, A2, syslog_gets_every_record, TO_SYSLOG("count=10"), .before = open_dev_log)
{
	static char text[65536];
	ssize_t length;

	while ((length = receiver_next(receiver, text, sizeof(text))) >= 0) {
		cr_assert((size_t)length == strlen(text), "a NUL in a datagram");
		check_syslog(text, "14", run->pid);
		keep_record(run, text);
	}
	run_read_log(run);
	holds_all(run, 10);
}

/* Some daemons have a stream there: records are ended by a NUL, as libc does it. More come than
 * the kernel takes under way by default, before anybody reads. */
RUNS_AND(EACH_WIDTH, A2, syslog_on_a_stream, TO_SYSLOG("count=200"), .before = open_dev_log_stream)
{
	static char text[1 << 20];
	int stream = accept(receiver, NULL, NULL);
	size_t used = 0;
	ssize_t length;

	cr_assert(stream >= 0);
	while ((length = read(stream, text + used, sizeof(text) - used)) > 0)
		used += (size_t)length;
	cr_assert(used && !text[used - 1]);
	for (char *at = text; at < text + used; at += strlen(at) + 1) {
		check_syslog(at, "14", run->pid);
		keep_record(run, at);
	}
	run_read_log(run);
	holds_all(run, 200);
}

RUNS(EACH_WIDTH, A4, stream_that_is_full, TO_SYSLOG("count=3000"), .before = open_dev_log_stream)
RUNS(EACH_WIDTH, A4, no_syslog, TO_SYSLOG("count=20"), .before = open_no_dev_log)

/* --- the journal --- */

#define JOURNAL "/run/systemd/journal/socket"

static void open_journal(struct run *run)
{
	private_run();
	cr_assert(mkdir("/run/systemd", 0755) == 0 && mkdir("/run/systemd/journal", 0755) == 0);
	receiver = receiver_bind(JOURNAL, SOCK_DGRAM);
	steps_open();
}

static void open_no_journal(struct run *run)
{
	private_run();
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
	const char *path = field_string(record, "file.path");
	size_t length;
	char *found = journal_field(text, size, "FILE_PATH", &length);

	if (path && strstr(message, path))
		cr_assert(found && !strcmp(found, path), "%s is not %s", found, path);
	else
		cr_assert(!found, "a path that is not the record's: %s", found);
	free(found);
}

static void drain_journal(struct run *run)
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
			     field_string(record, "event.action"));
		check_path(record, message, text, (size_t)length);
		keep_record(run, message);
		free(message);
		json_decref(record);
	}
	run_read_log(run);
}

RUNS_AND(EACH_WIDTH, A2, journal_gets_every_record, SENDS("journal", "count=10", "processes=2"),
	 .before = open_journal)
{
	drain_journal(run);
	holds_all(run, 20);
}

RUNS_AND(EACH_WIDTH, A1, journal_keeps_hostile_names, .helper = "hostile", .log = "journal",
	 .args = { "quote\"", "new\nline", "\377\376", "\033[31m" }, .before = open_journal)
{
	drain_journal(run);
	cr_assert(count_events(run, "snapshot.create") == strtoul(run->output, NULL, 10));
}

static void journal_restarts(struct run *run)
{
	steps_take(5);
	drain_journal(run);
	close(receiver);
	steps_take(5);
	receiver = receiver_bind(JOURNAL, SOCK_DGRAM);
	steps_take(5);
}

RUNS(EACH_WIDTH, A4, journal_that_restarts, SENDS("journal", "count=15", GATED),
     .before = open_journal, .prepare = steps_prepare, .meanwhile = journal_restarts)
RUNS(EACH_WIDTH, A4, no_journal, SENDS("journal", "count=20"), .before = open_no_journal)
