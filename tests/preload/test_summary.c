/* SPDX-License-Identifier: MIT */
/*
 * The summary of `mmfence run': what it adds up, that every form counts alike, and that a log
 * that is not whole is not taken for one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runner.h"

#define RECORD(action, more)               \
	"{\"event\":{\"action\":\"" action \
	"\",\"outcome\":\"success\"},\"process\":{\"pid\":1}" more "}\n"
#define SNAPSHOT(engine, consistency, bytes)                                         \
	RECORD("snapshot.create", ",\"mmfence\":{\"snapshot\":{\"engine\":\"" engine \
				  "\",\"consistency\":\"" consistency "\",\"bytes\":" bytes "}}")
#define UNPROTECTED(file, reason) \
	RECORD("snapshot.unprotected", file "\"error\":{\"message\":\"" reason "\"}")
#define SITE(name, more) ",\"mmfence\":{\"site\":\"" name "\"" more "}"

/* A log as a run may leave it, written by the command itself. */
#define LINES                                                                            \
	RECORD("process.start", "")                                                      \
	SNAPSHOT("guard", "proven", "0")                                                 \
	SNAPSHOT("memory", "proven", "3145728")                                          \
	SNAPSHOT("memory", "verified", "0")                                              \
	UNPROTECTED(",\"file\":{\"path\":\"/data/\\u001b[31mred\"},",                    \
		    "larger than snapshot.copy-limit")                                   \
	UNPROTECTED(",", "larger than snapshot.copy-limit")                              \
	UNPROTECTED(",", "no memory")                                                    \
	RECORD("nonlinear.remap", SITE("a", ""))                                         \
	RECORD("nonlinear.remap", SITE("b", ""))                                         \
	RECORD("nonlinear.total", SITE("a", ",\"total\":{\"calls\":41,\"failed\":2}"))   \
	"{\"event\":{\"action\":\"selfmem.map\",\"outcome\":\"failure\"},\"process\":{"  \
	"\"pid\":1},\"file\":{\"path\":\"/proc/1/mem\"}}\n" RECORD(                      \
		"coverage.gap", ",\"file\":{\"path\":\"/bin/x\"},\"mmfence\":{\"gap\":{" \
				"\"reason\":\"static\"}}")                               \
		RECORD("log.dropped", ",\"mmfence\":{\"dropped\":17}") "no record\n"
#define HAS_LINES .files = { TEXT("lines", LINES), TEXT("log", "an older line\n") }

#define NOTHING "mmfence: nothing happened that mmfence records\n"

RUNS_AND(BY_PATH, command, summary_adds_up_the_records_of_this_run, HAS_LINES,
	 .mmfence = "run --log log -- sh -c 'cat lines >> log'", .options = { "snapshot.mode=off" },
	 .warns = { "of 1 process\n",
		    "3 snapshots of 1 file (1 guard, 2 memory; 2 proven, 1 verified), 3.0 MiB "
		    "copied; 3 had not ended",
		    "3 mappings had no snapshot\n",
		    "2 × larger than snapshot.copy-limit, such as /data/?[31mred\n",
		    "1 × no memory\n",
		    "42 calls of remap_file_pages from 2 call sites, of which 2 failed\n",
		    "1 × static, such as /bin/x\n", "17 records could not be written\n",
		    "1 line of the log could not be read\n", "/work/log\n" })
{
	cr_assert_leq(count_lines(run->errors), 24);
}

/* Nor is anything said of why it died. */
GIVEN(command, summary_without_a_log_knows_no_reason, "run --log /dev/null -- sh -c 'kill -BUS $$'",
      .ends_with = 135, .warns = { "the command died of it; why is not on record\n" },
      .warns_no = { "it was sent" })

/* One record of three snapshots, one of a call that was made 40 times, and one process that says
 * twice what it dropped. */
#define COUNTS                                                                                   \
	RECORD("process.start", "")                                                              \
	RECORD("snapshot.preserve",                                                              \
	       ",\"file\":{\"path\":\"/a\"},\"mmfence\":{\"snapshot\":{\"count\":3,\"trigger\":" \
	       "\"protect\",\"bytes\":4096,\"engine\":\"memory\",\"microseconds\":70}}")         \
	RECORD("nonlinear.remap", SITE("a", ",\"policy\":\"refuse\""))                           \
	RECORD("nonlinear.total", SITE("a", ",\"total\":{\"calls\":40}"))                        \
	RECORD("selfmem.open", ",\"mmfence\":{\"policy\":\"refuse\"}")                           \
	RECORD("log.dropped", ",\"mmfence\":{\"dropped\":17}")                                   \
	RECORD("process.end", ",\"mmfence\":{\"dropped\":18}")

RUNS_AND(
	BY_PATH, command, every_form_counts_alike, .files = { TEXT("counts", COUNTS) },
	.sh = "b=$mmfence; $b run -o snapshot.mode=off --log l -- sh -c 'cat counts >>l' 2>summary\n"
	      "$b report l >text; $b report --json l >json; $b report --html - l >page\n"
	      "$b log l >log")
{
	static const char *const forms[][5] = {
		{ "summary", "3 in time\n", "41 calls\n",
		  "40 calls of remap_file_pages from 1 call", "18 records could" },
		{ "text", "3 in time\n", "41 calls\n", "40 calls of remap_file_pages from 1 call",
		  "18 records could" },
		{ "json", "\"3 in time\"", "\"41 calls\"",
		  "40 calls of remap_file_pages from 1 call", "18 records could" },
		{ "json", "\"preserved\": 3,", "\"refused\": 41", "\"nonlinear_calls\": 40",
		  "\"dropped\": 18" },
		{ "page", ">3 in time<", ">41 calls<", "40 calls of remap_file_pages from 1 call",
		  "18 records could" },
		{ "log", "/a: 3 preserved", "(policy: refuse)", "40 calls", "18 records dropped" },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		char *text = run_text(run, forms[i][0]);

		for (size_t j = 1; j < 5; j++)
			cr_expect(strstr(text, forms[i][j]), "%s: no \"%s\" in:\n%s", forms[i][0],
				  forms[i][j], text);
		free(text);
	}
}

static void names_its_log(struct run *run)
{
	run_warns(run, run->log_path);
}

BY_PATH(command, summary_says_when_there_was_nothing)
{
	TRY(.mmfence = "run -- true", .warns = { NOTHING }, .look = names_its_log);
	TRY(.mmfence = "run --log %p.%e -- true", .warns = { NOTHING });
	TRY(.mmfence = "run --log /dev/null -- true",
	    .warns = { "mmfence: there is no log to read for a summary\n" });
}

/* --- a log that is not whole --- */

#define IS_GONE	     "mmfence: the log is gone, so that what happened is not known\n"
#define ELSE_UNKNOWN ", so that what else happened is not known\n"
#define OPEN_MEMORY  "exec 3</proc/self/mem; "
#define NOT_NOTHING  .warns_no = { "nothing happened" }

BY_PATH(command, summary_says_that_no_log_came_to_be)
{
	TRY(.sh = "mkdir a; exec $mmfence run --log a/%p/b.jsonl -- sh -c '" OPEN_MEMORY "exit 6'",
	    .ends_with = 6, .warns = { IS_GONE }, NOT_NOTHING);
	TRY(.mmfence = "run --log log -- sh -c 'rm log; exit 7'", .ends_with = 7,
	    .warns = { IS_GONE }, NOT_NOTHING);
	TRY(.mmfence = "run --log %p.jsonl -- /tmp", .ends_with = 126, .warns_no = { "not known" });
}

static void limit_files(rlim_t size)
{
	const struct rlimit limit = { size, size };

	if (setrlimit(RLIMIT_FSIZE, &limit))
		_exit(98);
}

static void limit_to_less_than_a_record(struct run *run)
{
	limit_files(400);
}

static void limit_to_some_records(struct run *run)
{
	limit_files(2048);
}

GIVEN(command, summary_says_that_lines_are_damaged,
      "run --log log -- sh -c '" OPEN_MEMORY "exit 6'", .prepare = limit_to_less_than_a_record,
      .ends_with = 6, NOT_NOTHING,
      .warns = { "mmfence: no record can be written to it: File too large" ELSE_UNKNOWN,
		 "damaged      1 line of the log could not be read\n" })
GIVEN(command, summary_says_that_the_log_became_full,
      "run --log log -- sh -c '" OPEN_MEMORY OPEN_MEMORY OPEN_MEMORY "exit 6'",
      .prepare = limit_to_some_records, .ends_with = 6, NOT_NOTHING,
      .warns = { " of 1 process\n",
		 "NOT KNOWN    no record can be written to it: File too large" ELSE_UNKNOWN })

RUNS(BY_PATH, command, summary_says_that_the_log_is_full, .in_mounts = true,
     .sh = "mkdir full && mount -t tmpfs -o size=64k none full || exit 77\n"
	   ": >full/log; cat /dev/zero >full/zeros 2>/dev/null\n"
	   "$mmfence run --log full/log -- sh -c '" OPEN_MEMORY "exit 6'",
     .ends_with = 6, NOT_NOTHING,
     .warns = { "mmfence: no record can be written to it: No space left on device" ELSE_UNKNOWN })

GIVEN(command, summary_says_that_the_log_was_cut, "run --log log -- sh -c ': >log; exit 6'",
      HAS_LINES, .ends_with = 6, NOT_NOTHING,
      .warns = { "mmfence: the log was emptied, cut or replaced while the command "
		 "ran" ELSE_UNKNOWN })

/* What its last record says, at its end, and what it said before are the same. */
GIVEN(command, summary_counts_what_was_dropped_once, "run --log log -- sh -c 'cat lines end >>log'",
      .files = { TEXT("lines", LINES), TEXT("log", "an older line\n"),
		 TEXT("end", RECORD("process.end", ",\"mmfence\":{\"dropped\":18}")) },
      .warns = { "DROPPED      18 records could not be written\n" })

/* A line that was cut short is ended by an empty one. */
GIVEN(command, summary_takes_empty_lines_for_no_damage, "run --log log -- sh -c 'echo >>log'",
      .warns = { NOTHING })

GIVEN(command, summary_reads_all_files_of_a_template, "run --log %p.[x].%h -- sh -c", HAS_LINES,
      .args = { "cat lines > '1.[x].a'; cat lines > '2.[x].b'; cat lines > 3.x.c" },
      .options = { "snapshot.mode=off" }, .warns = { "6 snapshots of 1 file (" })

GIVEN(command, quiet_says_nothing, "run -q -- true", .complains = "")

GIVEN(command, records_of_the_library_are_summed_up, "run --snapshot **/data -- $HELPERS/observe",
      .warns_no = { "could not be read" }, .warns = { " snapshot" }, .finds = { "snapshot.create" })
