/* SPDX-License-Identifier: MIT */
/*
 * `mmfence check' and its log: one that is not whole does not pass, whatever it lacks; one that
 * only grew does; which files it reads; and logs of earlier runs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forged.h"
#include "runner.h"

#define UNKNOWN	    ", so that what else happened is not known\n"
#define OPEN_MEMORY "exec 3</proc/self/mem; "

/* --- records that are missing --- */

GIVEN(check, damaged_log_does_not_pass, "check --fail-on none" APPEND, .may_be_torn = true,
      HAS_FORGED("{\"@timestamp\":\"2026-01\n{\"no\":\"action\"}x\n"), .ends_with = FOUND,
      .warns = { "mmfence: log: 2 lines could not be read" UNKNOWN })

#define DROPPED(n) FORGED("log.dropped", "process", "error", ",\"mmfence\":{\"dropped\":" n "}")
#define ENDED(n)   FORGED("process.end", "process", "end", ",\"mmfence\":{\"dropped\":" n "}")

GIVEN(check, log_that_is_short_and_damaged_says_both, "check --fail-on none" APPEND,
      .may_be_torn = true, HAS_FORGED(DROPPED("3") "x\n"), .ends_with = FOUND,
      .warns = { "mmfence: log: 3 records could not be written, 1 line could not be "
		 "read" UNKNOWN })

/* Files of processes that could write nothing are empty, as are those of quiet ones. */
RUNS(BY_PATH, check, log_without_room_does_not_pass, .in_mounts = true,
     .sh = "mkdir full && mount -t tmpfs -o size=64k none full || exit 77\n"
	   "cat /dev/zero >full/zeros 2>/dev/null\n"
	   "$mmfence check --log full/%p.jsonl -- sh -c '" OPEN_MEMORY "'",
     .ends_with = FOUND,
     .warns = { "mmfence: log: no record can be written to it: No space left on "
		"device" UNKNOWN })

#define COUNTS_AS(records, sentence)                                                           \
	TRY(.mmfence = "check --fail-on none" APPEND, HAS_FORGED(records), .ends_with = FOUND, \
	    .warns = { "mmfence: log: " sentence " could not be written, so that what " })

/* The same ones may be told twice: on the way, and at the end. A sum stops at the largest number.
 */
BY_PATH(check, dropped_records_do_not_pass)
{
	COUNTS_AS(DROPPED("9223372036854775807") DROPPED("9223372036854775807") DROPPED("2"),
		  "9223372036854775807 records");
	COUNTS_AS(DROPPED("1"), "1 record");
	COUNTS_AS(ENDED("5"), "5 records");
	COUNTS_AS(DROPPED("2") DROPPED("3") ENDED("5"), "5 records");
}

#define NUMBERED(action, n)                                                                 \
	"{\"@timestamp\":\"2026-05-04T10:00:0" n "Z\",\"event\":{\"action\":\"" action      \
	"\",\"sequence\":" n "},\"process\":{\"pid\":77,\"name\":\"forged\"},\"mmfence\":{" \
	"\"memory_of\":77}}\n"

/* Threads write out of order. */
GIVEN(check, a_record_that_is_missing_does_not_pass,
      "check --fail-on none --log l -- sh -c 'cat forged >>l'",
      HAS_FORGED(NUMBERED("process.start", "1") NUMBERED("snapshot.end", "3")
			 NUMBERED("snapshot.end", "2") NUMBERED("process.end", "6")),
      .ends_with = FOUND,
      .warns = { "mmfence: log: 2 records of 1 process missing (number 4 of forged[77], and "
		 "others), so that what " })

/* --- processes that say nothing more --- */

/* It opens a pipe to read, which waits for a writer. */
#define STAYS                                                                                  \
	"mkfifo pipe; { exec 3</proc/self/mem; : >ready; exec <pipe; } >&- 2>&- & until [ -e " \
	"ready ]; do :; done"

RUNS_AND(BY_PATH, check, a_process_that_runs_on_is_named,
	 .mmfence = "check --fail-on none -- sh -c '" STAYS "'",
	 .warns = { " (sh) still runs, and what it does from now on is not judged\n" })
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/work/pipe", run->dir);
	close(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
}

GIVEN(check, process_that_was_killed_is_named, "check --fail-on none -- sh -c",
      .args = { "sh -c '" OPEN_MEMORY "kill -KILL $$'; true" },
      .warns = { " (sh) was killed, or ended by a call that mmfence does not see: " })

/* However many have ended. */
RUNS(BY_PATH, check, process_that_was_killed_is_named_among_many,
     .sh = "for i in $(seq 300); do for what in start end; do [ $i$what = 299end ] || echo "
	   "'{\"event\":{\"action\":\"process.'$what'\"},\"process\":{\"name\":\"x\",\"pid\":'$i'}}'; "
	   "done; done >log; exec $mmfence check --log log",
     .warns = { "mmfence: note: pid 299 (x) was killed, or ended by a call that mmfence" })

/* --- a log that is another than it was --- */

GIVEN(check, log_that_is_gone_does_not_pass,
      "check --fail-on none -- sh -c 'rm \"$MMFENCE_AUDIT_LOG\"'", .ends_with = FOUND,
      .warns = { "mmfence: log: the log is gone, so that what happened is not known\n" })

REFUSES(check, log_that_cannot_be_read_does_not_pass, "check --log /proc/self/mem",
	"cannot be read: Input/output error")

#define LOG_CUT                                                                              \
	.ends_with = FOUND, .warns = { "mmfence: log: the log was emptied, cut or replaced " \
				       "while the command ran" UNKNOWN }
/* What the log has before the command is started. */
#define HAS_LOG(text) .files = { TEXT("../log.jsonl", text) }

/* What is in it then says nothing of what was in it before. */
#define LOSES(script, ...)                                                                       \
	TRY(.mmfence = "check --fail-on none -- sh -c '" script "' $HELPERS/nonlinear", LOG_CUT, \
	    .may_be_torn = true, __VA_ARGS__)

BY_PATH(check, log_that_was_emptied_and_filled_again_does_not_pass)
{
	LOSES("\"$0\"; : >\"$MMFENCE_AUDIT_LOG\"; \"$0\"");
	LOSES("\"$0\"; : >\"$MMFENCE_AUDIT_LOG\"; exec \"$0\"");
	LOSES("\"$0\"; : >\"$MMFENCE_AUDIT_LOG\"; \"$0\"", HAS_LOG(FORGED_RESCUE));
	LOSES("\"$0\"; rm \"$MMFENCE_AUDIT_LOG\"; \"$0\"", HAS_LOG(FORGED_RESCUE));
	LOSES("\"$0\"; mv \"$MMFENCE_AUDIT_LOG\" older; \"$0\"");
	/* Somebody's own idea of a log. */
	LOSES("f=$MMFENCE_AUDIT_LOG; tail -c 400 \"$f\" >part; cat part >\"$f\"",
	      HAS_LOG(FORGED_RESCUE));
}

/* Nor does one of several whose names are not known before: a process's records begin with
 * process.start, and what was in a file is in it still. */
BY_PATH(check, log_by_template_that_was_emptied_does_not_pass)
{
	TRY(.mmfence = "check --fail-on none --log %p.log -- sh -c '" OPEN_MEMORY
		       "for i in *.log; do : >\"$i\"; done; " OPEN_MEMORY "'",
	    LOG_CUT);
	TRY(.mmfence = "check --fail-on none --log %e.log -- sh -c ': >sh.log; " OPEN_MEMORY "'",
	    .files = { TEXT("sh.log", FORGED_RESCUE) }, LOG_CUT);
	TRY(.mmfence = "check --fail-on none --log %p.log -- sh -c ': >7.log'",
	    .files = { TEXT("7.log", "{\"torn\n" FORGED_RESCUE) }, LOG_CUT);
	TRY(.mmfence = "check --fail-on none --log %e.log -- sh -c '" OPEN_MEMORY
		       "true; (" OPEN_MEMORY ")'",
	    .files = { TEXT("sh.log", FORGED_RESCUE) });
}

static void one_line_is_torn(struct run *run)
{
	cr_assert(run->torn == 1 && find_event(run, "check.start"), "%zu torn lines", run->torn);
}

/* A log that ends in part of a record, and one to which others append meanwhile, are whole. */
BY_PATH(check, log_that_only_grew_passes)
{
	TRY(.mmfence = "check --fail-on none -- true", HAS_LOG("{\"@timestamp\":\"2026-01"),
	    .may_be_torn = true, .look = one_line_is_torn);
	TRY(.mmfence = "check --fail-on none" APPEND, HAS_FORGED(FORGED_SIGBUS));
}

/* --- which files are a log --- */

/* The log is nearly as long as a file may be; what is said on standard error is shorter. */
static void leave_ten_bytes(struct run *run)
{
	struct rlimit limit;
	struct stat log;

	if (stat(run->log_path, &log))
		_exit(98);
	limit.rlim_cur = limit.rlim_max = (rlim_t)log.st_size + 10;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		_exit(98);
}

RUNS_AND(BY_PATH, check, log_that_cannot_be_written_starts_nothing,
	 .mmfence = "check -- touch started",
	 HAS_LOG(FORGED_RESCUE FORGED_RESCUE FORGED_RESCUE FORGED_RESCUE), .may_be_torn = true,
	 .prepare = leave_ten_bytes, .ends_with = 2, .warns = { " cannot be written: " })
{
	cr_assert(!run_has(run, "started"));
}

REFUSES(check, log_that_cannot_be_read_back_starts_nothing,
	"check --log /dev/null -- touch started",
	"mmfence: the log must be a file, because check reads it: /dev/null is none\n")

/* A quiet process has a log too, so that none at all says nothing. */
BY_PATH(check, log_by_template)
{
	TRY(.mmfence = "check --log %p.log -- true");
	TRY(.mmfence = "check --log %p.log -- $HELPERS/nonlinear", .ends_with = FOUND,
	    .warns = { "mmfence: nonlinear: remap_file_pages, 100 times, " });
	TRY(.sh = "mkdir logs; exec $mmfence check --log logs/%p.log -- rm -r logs",
	    .ends_with = FOUND, .warns = { "mmfence: log: the log is gone" });
	TRY(.mmfence = "check --log %p.log -- /tmp", .ends_with = 126);
}

/* Only a process's own file has a number in that place, and no other readers. */
BY_PATH(check, files_of_the_command_are_no_logs)
{
	TRY(.sh = "umask 022; exec $mmfence check --log %e.%p -- sh -c "
		  "'umask 077; echo hello >notes.v1; umask 022; echo hello >notes.1'");
	TRY(.mmfence = "check --log %e -- rm notes", .files = { TEXT("notes", "hello\n") });
	TRY(.mmfence = "check --log %e.%p -- sh -c 'set *.$$; echo hello >>$1'", .ends_with = FOUND,
	    .warns = { "mmfence: log: 1 line could not be read" UNKNOWN });
}

/* Started beside the command. */
static void meanwhile(const char *script)
{
	pid_t child = fork();

	if (!child) {
		execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(98);
	}
	if (child < 0)
		_exit(98);
}

/* As nobody, while root puts a file there. */
static void make_foreign(struct run *run)
{
	if (mkfifo("go", 0666) || mkfifo("done", 0666) || chmod("go", 0666) ||
	    chmod("done", 0666) || chown(".", 65534, 65534))
		_exit(98);
	meanwhile("exec >/dev/null 2>&1; read x <go; echo junk >x.1.log; chmod 644 x.1.log; "
		  "echo >done");
	if (setgid(65534) || setuid(65534))
		_exit(98);
}

GIVEN(check, log_of_somebody_else_under_the_pattern_is_not_read,
      "check --log x.%p.log -- sh -c 'echo >go; read x <done; test -s x.1.log'", .as_root = true,
      .prepare = make_foreign)

/* A7: the forked shell has the other's file under its name. */
static void take_the_name(struct run *run)
{
	if (mkdir("logs", 0700) || mkfifo("go", 0600) || mkfifo("done", 0600))
		_exit(98);
	meanwhile("exec >/dev/null 2>&1; read pid <go; cd logs; echo >$pid; chown 65534 $pid; "
		  "echo >../done");
}

GIVEN(A7, name_of_a_log_that_was_taken_hides_nothing,
      "check --log logs/%p -- sh -c '(read x <done; exec 3</proc/self/mem) & echo $! >go; wait'",
      .as_root = true, .prepare = take_the_name, .ends_with = FOUND,
      .warns = { "mmfence: selfmem: " })

/* --- logs that are there --- */

/* After two runs: of a.jsonl, with ten thousand calls, and of b.jsonl, with nothing to find. */
#define JUDGES(script, status, said)                                                        \
	TRY(.sh = "unset MMFENCE_AUDIT_LOG; cd ..; exec 2>/dev/null; m=$mmfence; "          \
		  "$m run -q --log a.jsonl -- $BUILD/examples/nonlinear_window || exit 1; " \
		  "$m run -q --log b.jsonl -- $BUILD/examples/snapshot_api || exit 1; "     \
		  "exec 2>&1 >/dev/null; " script,                                          \
	    .ends_with = (status), .shows = { said })

BY_PATH(check, logs_that_are_there_are_judged)
{
	JUDGES("$m check --log b.jsonl --log a.jsonl", FOUND,
	       "nonlinear: remap_file_pages, 10000 times");
	JUDGES("$m check --log %e.jsonl", FOUND, "nonlinear: remap_file_pages, 10000 times");
	JUDGES("$m check --log b.jsonl", 0, "check passed; log b.jsonl");
	JUDGES(": >c.jsonl; $m check --log c.jsonl", 0, "note: no record was there to be judged: ");
	JUDGES("$m check --fail-on lost --log a.jsonl", 0, "check passed");
	JUDGES("echo '{\"event\":' >>b.jsonl; $m check --log b.jsonl", FOUND,
	       "log: 1 line could not be read");
	/* What a power failure leaves of a record that was on its way. */
	JUDGES("head -c 4096 /dev/zero >>b.jsonl; $m check --log b.jsonl", FOUND,
	       "log: 1 line could not be read");
}

/* A log of a program that runs may be looked at while it writes. */
RUNS(BY_PATH, check, record_that_is_being_written_is_no_damage,
     .sh = "{ printf '{\"event\":'; sleep .05; echo '{\"action\":\"process.end\"}}'; } >log & "
	   "until [ -s log ]; do :; done; exec $mmfence check --log log",
     .warns = { "check passed" })

/* As for a report: rotated parts in the order of time, and no file twice. */
RUNS(BY_PATH, check, logs_that_are_there_are_read_once_and_in_order,
     .sh = "printf '%s' \"$0\" >a; head -n 2 a >l.1; tail -n +3 a >l; $mmfence check --log l --log l.1; "
	   "$mmfence check --log l.1 --log l.1 --log l.%p",
     .args = { NUMBERED("process.start", "1") NUMBERED("snapshot.unprotected", "2")
		       NUMBERED("snapshot.end", "4") },
     .ends_with = FOUND,
     .warns = { "mmfence: log: 1 record of 1 process missing (number 3 of forged[77])",
		"mmfence: unprotected: no snapshot: , 1 time, pid 77 (forged)\nmmfence: note:" },
     .warns_no = { "2 times", "passed" })

BY_PATH(check, a_log_that_is_not_there_is_not_judged)
{
	JUDGES("$m check --log a.jsonl --log c.jsonl", 2, "there is no log c.jsonl");
	JUDGES("$m check --fail-on lost", 2, "there is no command to run");
	JUDGES("$m check --log %z.jsonl", 2, "audit.log: \"%z.jsonl\" has a % that is none of ");
	JUDGES("$m check --log journal", 2, "must be a file, because check reads it: journal is ");
	JUDGES("$m check --log a.jsonl --rescue '/**'", 2,
	       "there is no command to run, but sigbus.rescue");
}
