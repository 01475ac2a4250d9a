/* SPDX-License-Identifier: MIT */
/*
 * `mmfence check' (SEMANTICS 6): each thing that it looks for is found and nothing else, exit
 * statuses, what it does not look for, and faults on the way.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forged.h"
#include "runner.h"

/* --- each category --- */

static const struct {
	const char *name;
	bool by_default;
	const char *record;
	const char *line;
} categories[] = {
	{ "sigbus", true, FORGED_SIGBUS,
	  "sigbus: beyond the end, 1 time, /a/file, pid 77 (forged), at /b/module+0x234 [not found here]\n" },
	{ "sigbus", true, FORGED_RESCUE, "sigbus: zeros, 1 time, /a/file, pid 77 (forged)\n" },
	{ "nonlinear", true,
	  FORGED("nonlinear.remap", "process", "change",
		 AT_FILE ",\"mmfence\":{\"site\":\"1\"," STACK "}"),
	  "nonlinear: remap_file_pages, 1 time, /a/file, pid 77 (forged), at /b/module+0x234 [not found here]\n" },
	{ "rewire", false, FORGED_REWIRE,
	  "rewire: nonlinear window made by mmap, 1 time, /a/file, pid 77 (forged)\n" },
	{ "pressure", true,
	  FORGED("nonlinear.pressure", "process", "info",
		 ",\"mmfence\":{\"areas\":{\"count\":500,\"limit\":1000}}"),
	  "pressure: 500 of 1000 areas, 1 time, pid 77 (forged)\n" },
	{ "selfmem", true,
	  FORGED("selfmem.open", "file", "access",
		 ",\"file\":{\"path\":\"/dev/mem\"},\"mmfence\":{\"selfmem\":{\"kind\":"
		 "\"device\",\"mode\":\"r\"}}"),
	  "selfmem: device memory opened as a file (r), 1 time, /dev/mem, pid 77 (forged)\n" },
	{ "selfmem", true,
	  FORGED("selfmem.map", "file", "access",
		 AT_FILE ",\"error\":{\"code\":\"ENODEV\"},\"mmfence\":{\"selfmem\":{\"kind\":"
			 "\"process\"},\"mapping\":{\"protection\":\"rw-s\"}}"),
	  "selfmem: process memory mapped as a file (rw-s): ENODEV, 1 time, /a/file, pid 77 "
	  "(forged)\n" },
	{ "unprotected", true,
	  FORGED("snapshot.unprotected", "file", "denied",
		 AT_FILE ",\"error\":{\"message\":\"too large\"}"),
	  "unprotected: no snapshot: too large, 1 time, /a/file, pid 77 (forged)\n" },
	{ "torn", true,
	  FORGED("snapshot.create", "file", "access",
		 AT_FILE ",\"mmfence\":{\"snapshot\":{\"consistency\":\"torn-possible\","
			 "\"reason\":\"it moved\"}}"),
	  "torn: the snapshot may be torn: it moved, 1 time, /a/file, pid 77 (forged)\n" },
	{ "lost", true,
	  FORGED("snapshot.lost", "file", "error", AT_FILE ",\"error\":{\"message\":\"no room\"}"),
	  "lost: snapshot lost: no room, 1 time, /a/file, pid 77 (forged)\n" },
	{ "drift", true,
	  FORGED("snapshot.drift", "file", "info",
		 AT_FILE ",\"mmfence\":{\"drift\":{\"pages\":3}}"),
	  "drift: 3 pages would have changed under the program, 1 time, /a/file, pid 77 "
	  "(forged)\n" },
	{ "drift", true,
	  FORGED("snapshot.drift", "file", "info",
		 AT_FILE ",\"error\":{\"message\":\"another file has its name\"}"),
	  "drift: what changed is not known: another file has its name, 1 time, /a/file, pid 77 "
	  "(forged)\n" },
	{ "gap", true, FORGED_GAP,
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
	const char *line = categories[i].line, *variant = NULL;
	char *command;

	cr_assert(asprintf(&command, "check %s %s" APPEND, list ? "--fail-on" : "",
			   list ? list : "") > 0);
	if (found)
		TRY(.mmfence = command, HAS_FORGED(categories[i].record), .ends_with = FOUND,
		    .warns = { line, "mmfence: check failed; log " });
	else
		TRY(.mmfence = command, HAS_FORGED(categories[i].record), .warns_no = { line },
		    .warns = { "mmfence: check passed; log " });
	free(command);
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

GIVEN(check, quiet_command_passes, "check --fail-on all -- $HELPERS/noop", .says = "")

/* A snapshot that is proven, and drift of no page, are no findings. */
GIVEN(check, harmless_records_are_no_findings, "check --fail-on all" APPEND,
      HAS_FORGED(FORGED("snapshot.create", "file", "access",
			AT_FILE ",\"mmfence\":{\"snapshot\":{\"consistency\":\"verified\"}}")
			 FORGED("snapshot.drift", "file", "info",
				AT_FILE ",\"mmfence\":{\"drift\":{\"pages\":0}}")))

/* --- the same by programs that do it --- */

#define FINDS(name, line, ...) \
	RUNS(EACH_WIDTH, check, name, .mmfence = line, .ends_with = FOUND, __VA_ARGS__)

FINDS(nonlinear_program, "check -- $HELPERS/nonlinear",
      .warns = { "mmfence: nonlinear: remap_file_pages, 100 times, /",
		 "mmfence: nonlinear: remap_file_pages, 10 times, /",
		 "mmfence: nonlinear: remap_file_pages, 3 times, /", "/work/nonlinear.data, pid ",
		 " (nonlinear), at site_a (tests/helpers/nonlinear.c:" })

/* A killed process has no totals; its first calls are known. */
FINDS(killed_program, "check -- $HELPERS/nonlinear kill",
      .warns = { "mmfence: nonlinear: remap_file_pages, 1 time, /",
		 "mmfence: check failed, and the command too: exit status 137 (SIGKILL)" })

FINDS(program_that_opens_its_memory, "check -- $HELPERS/inject calls",
      .warns = { "mmfence: selfmem: process memory opened as a file (r), 1 time, /proc/" })

FINDS(program_without_snapshot,
      "check -o snapshot.guard=none -o snapshot.copy-limit=4K -- $HELPERS/drift whole",
      .expects = { "snapshot.unprotected" },
      .warns = { "mmfence: unprotected: no snapshot: ", "/work/drift.data, pid " })

EACH_WIDTH(check, program_whose_file_drifts)
{
	TRY(.mmfence = "check -- $HELPERS/drift exit", .ends_with = FOUND,
	    .warns = { "mmfence: drift: 4 pages would have changed under the program, 1 time, " });
	TRY(.mmfence = "check --allow-gap **/drift -- $HELPERS/drift whole");
}

/* A7: of the command itself, and of what leaves a record. */
EACH_WIDTH(check, system_calls_of_its_own_are_a_gap)
{
	TRY(.mmfence = "check -- $HELPERS/drift whole", .ends_with = FOUND,
	    .warns = { "mmfence: gap: not looked into (own-calls), 1 time, /" });
	TRY(.mmfence = "check -- sh -c '\"$0\" exit; true' $HELPERS/drift", .ends_with = FOUND,
	    .warns = { "mmfence: gap: not looked into (own-calls), 1 time, /" });
	TRY(.mmfence = "check -- $HELPERS/noop");
}

/* Each process has it, and its calls. */
#define LOADER "/lib64/ld-linux-x86-64.so.2"

BY_PATH(check, dynamic_linker_started_by_hand_is_no_gap)
{
	if (access(LOADER, X_OK))
		cr_skip_test("no " LOADER);
	TRY(.mmfence = "check -- " LOADER " /bin/true");
	TRY(.mmfence = "check -- sh -c '" LOADER " /bin/true; true'");
}

/* The doctor agrees. */
BY_PATH(command, doctor_knows_the_dynamic_linker)
{
	if (access(LOADER, X_OK))
		cr_skip_test("no " LOADER);
	TRY(.mmfence = "doctor " LOADER, .shows = { "\nok  program: " });
}

#define STATIC(options, ...)                                                                   \
	TRY(.mmfence = "check " options " -- sh -c", .args = { "$BUILD/helpers/static/noop" }, \
	    .expects = { "coverage.gap" }, __VA_ARGS__)

BY_PATH(check, static_program_is_a_gap)
{
	STATIC("--fail-on gap", .ends_with = FOUND,
	       .warns = { "mmfence: gap: not looked into (static), 1 time, " });
	STATIC("--fail-on none", .warns = { "mmfence: note: 1 program that mmfence cannot look "
					    "into (--fail-on gap)\n" });
	STATIC("--allow-gap /no/such --allow-gap **/static/*",
	       .warns = { "mmfence: note: 1 program not looked into, as allowed (--allow-gap)\n"
			  "mmfence: check passed" });
	STATIC("--allow-gap **/static/other", .ends_with = FOUND);
	TRY(.mmfence = "check --allow-gap noop -- touch started",
	    .refuses = "mmfence: --allow-gap: \"noop\" can match no file");
	TRY(.mmfence = "check --fail-on none -- $BUILD/helpers/static/noop",
	    .refuses = "mmfence: ");
}

/* The same place in several processes is one finding. */
RUNS_AND(BY_PATH, check, one_line_a_place, .ends_with = FOUND,
	 .mmfence = "check -q --allow-gap **/nonlinear -- sh -c '\"$0\"; \"$0\"; \"$0\"; true' "
		    "$HELPERS/nonlinear",
	 .warns = { "remap_file_pages, 300 times, ", " (nonlinear) and 2 others, at " })
{
	cr_assert_eq(count_lines(run->errors), 3, "%s", run->errors);
}

/* What was in the log before is another run's. */
RUNS(BY_PATH, check, earlier_records_do_not_count,
     .sh = "$mmfence check -- $HELPERS/nonlinear; [ $? = 86 ] && exec $mmfence check -- "
	   "$HELPERS/noop",
     .finds = { "nonlinear.remap 3" })

/* --- exit statuses --- */

BY_PATH(check, exit_status_is_the_commands_when_nothing_was_found)
{
	TRY(.mmfence = "check -- sh -c 'exit 7'", .ends_with = 7,
	    .warns = { "mmfence: check found nothing, but the command failed: exit status 7; "
		       "log " });
	TRY(.mmfence = "check -- sh -c 'kill -SEGV $$'", .ends_with = 128 + SIGSEGV,
	    .warns = { "exit status 139 (SIGSEGV)" });
	TRY(.mmfence = "check -- mmfence-no-such-command", .ends_with = 127);
	TRY(.mmfence = "check -- /tmp", .ends_with = 126);
}

GIVEN(check, finding_wins_over_the_commands_failure,
      "check -- sh -c 'cat forged >>\"$MMFENCE_AUDIT_LOG\"; exit 7'", HAS_FORGED(FORGED_SIGBUS),
      .ends_with = FOUND,
      .warns = { "mmfence: check failed, and the command too: exit status 7; log " })

GIVEN(check, output_is_the_commands, "check -- echo 'to its output'", .says = "to its output\n")

/* --- lists --- */

BY_PATH(check, unknown_category_starts_nothing)
{
	TRY(.mmfence = "check --fail-on nonliner -- touch started",
	    .refuses = "mmfence: --fail-on: \"nonliner\" is none of the things to look for; "
		       "did you mean \"nonlinear\"?\n");
	TRY(.mmfence = "check --fail-on drift,loss -- touch started",
	    .refuses = "\"loss\" is none of the things to look for; did you mean \"lost\"?\n");
	TRY(.mmfence = "check --fail-on xyzzy -- touch started",
	    .refuses = "\"xyzzy\" is none of the things to look for\n");
	TRY(.mmfence = "check --fail-on drift, -- touch started",
	    .refuses = "\"\" is none of the things to look for\n");
}

GIVEN(check, lists_add_up, "check --fail-on rewire --fail-on gap,torn" APPEND,
      HAS_FORGED(FORGED_REWIRE FORGED_GAP FORGED("selfmem.open", "file", "access", AT_FILE)),
      .ends_with = FOUND, .warns = { "mmfence: rewire: ", "mmfence: gap: " },
      .warns_no = { "mmfence: selfmem: " })

BY_PATH(check, options_of_run_are_taken)
{
	TRY(.mmfence = "check -o snapshot.mode=perhaps -- touch started",
	    .refuses = "snapshot.mode: \"perhaps\" is not one of on, off\n");
	TRY(.mmfence = "check --inject mmap=ENOMEM:when=0 -- touch started",
	    .refuses = "process.inject: \"when=0\" is not when=FIRST, ");
	TRY(.mmfence = "check -q", .ends_with = 2, .warns = { "there is no command to run" });
}

/* --- what cannot be seen --- */

BY_PATH(check, hidden_category_that_was_asked_for_starts_nothing)
{
	TRY(.mmfence = "check --fail-on drift -o audit.drift=off -- touch started",
	    .refuses = "mmfence: --fail-on drift cannot be seen with audit.drift=off\n");
	TRY(.mmfence = "check --fail-on lost -o snapshot.mode=off -- touch started",
	    .refuses = "mmfence: --fail-on lost cannot be seen with snapshot.mode=off\n");
	TRY(.mmfence = "check --fail-on nonlinear -o audit.nonlinear=off -- touch started",
	    .refuses = "mmfence: --fail-on nonlinear cannot be seen with audit.nonlinear=off\n");
}

GIVEN(check, hidden_category_is_a_note_otherwise, "check -- true", .options = { "audit.drift=off" },
      .warns = { "mmfence: note: drift was not looked for, because of audit.drift=off\n" })

BY_PATH(check, drift_is_on_unless_something_says_otherwise)
{
	TRY(.mmfence = "check -- sh -c 'echo ${MMFENCE_AUDIT_DRIFT-unset}'", .says = "on\n");
	TRY(.mmfence = "check --config a.conf -- sh -c 'echo ${MMFENCE_AUDIT_DRIFT-unset}'",
	    .files = { TEXT("a.conf", "[audit]\ndrift = off\n") }, .says = "unset\n");
}

/* --- with faults --- */

/* A program that copes passes, though it tried. */
GIVEN(check, injected_fault_is_no_finding_of_its_own,
      "check --inject remap_file_pages=ENOSYS --inject mprotect=EPERM:when=300 -- "
      "$BUILD/examples/nonlinear_window",
      .warns = { "mmfence: injected: remap_file_pages=ENOSYS made 1 call fail\n",
		 "mmfence: injected: mprotect=EPERM:when=300 made no call fail\n" },
      .shows = { "remap_file_pages was refused: Function not implemented" })

/* N3: each window once, though both its record and the site's totals tell of it. */
FINDS(rewires_are_counted_once, "check --fail-on rewire -- $HELPERS/rewire many 500",
      .warns = { "mmfence: rewire: nonlinear window made by mmap, 500 times, /" })

RUNS(EACH_WIDTH, check, faults_reach_the_command,
     .mmfence = "check --inject madvise=ENOENT:when=2..3 --inject munmap=EINVAL "
		"--allow-gap **/inject -- $HELPERS/inject pattern 5",
     .says = ".xx..\n")
