/* SPDX-License-Identifier: MIT */
/*
 * `mmfence run' (SEMANTICS 6): that wrong options start nothing, which source of options wins,
 * exit statuses, and what is refused because the dynamic linker would silently ignore it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner.h"

/* A program that is static on every Debian; tests with it are skipped elsewhere. */
#define STATIC_PROGRAM "/sbin/ldconfig"

/* --- options --- */

REFUSES(command, bad_value_starts_nothing, "run -o snapshot.copy-limit=12X -- touch started",
	"mmfence: snapshot.copy-limit: \"12X\" is not a size (digits, then K, M, G or T)\n")
REFUSES(command, unknown_key_starts_nothing, "run -o snapshot.modes=on -- touch started",
	"unknown option \"snapshot.modes\"; did you mean \"snapshot.mode\"?")
REFUSES(command, option_without_value_starts_nothing, "run -o snapshot.mode -- touch started",
	"mmfence: -o snapshot.mode: there is no value")
REFUSES(command, pattern_that_matches_nothing_is_refused, "run --snapshot *.db -- touch started",
	"snapshot.paths: \"*.db\" can match no file")
REFUSES(command, bad_variable_starts_nothing, "run -- touch started",
	"MMFENCE_SELFMEM_OPEN: selfmem.open: \"perhaps\" is not one of allow, readonly, refuse\n",
	.options = { "selfmem.open=perhaps" })
REFUSES(command, unknown_variable_starts_nothing, "run -- touch started",
	"unknown variable \"MMFENCE_LOG\"; did you mean \"MMFENCE_AUDIT_LOG\"?\n",
	.env = { "MMFENCE_LOG=x" })
REFUSES(command, unknown_preset_starts_nothing, "run --preset adit -- touch started",
	"mmfence: \"adit\" is no preset; did you mean \"audit\"?\n")
REFUSES(command, bad_file_starts_nothing, "run --config mmfence.conf -- touch started",
	"mmfence.conf:3: snapshot.mode: \"perhaps\" is not one of on, off\n", .without_log = true,
	.files = { TEXT("mmfence.conf", "[snapshot]\n\nmode = perhaps\n") })

/* The first libinih that is found is none. */
REFUSES(command, file_that_cannot_be_read_starts_nothing,
	"run --config mmfence.conf -- touch started",
	"mmfence.conf: not read, because libinih for this architecture is not installed\n",
	.without_log = true, .env = { "LD_LIBRARY_PATH=." },
	.files = { TEXT("mmfence.conf", "[snapshot]\nmode = on\n"), TEXT("libinih.so.1", ""),
		   TEXT("libinih.so.0", "") })

RUNS_AND(BY_PATH, command, unknown_flag_starts_nothing, .mmfence = "run --nosuch -- touch started",
	 .ends_with = 2, .warns = { "--nosuch" })
{
	cr_assert(!run_has(run, "started"));
}

GIVEN(command, missing_command_is_wrong_usage, "run -q", .ends_with = 2,
      .warns = { "there is no command to run" })

BY_PATH(command, missing_file_starts_nothing)
{
	TRY(.mmfence = "run --config nosuch.conf -- touch started",
	    .refuses = "there is no configuration file \"nosuch.conf\"\n");
	TRY(.mmfence = "run -- touch started", .env = { "MMFENCE_CONFIG=nosuch.conf" },
	    .refuses = "there is no configuration file \"nosuch.conf\"\n");
}

#define SHOW_MODES                                                         \
	" sh -c 'echo ${MMFENCE_SNAPSHOT_ON_FAILURE-unset} "               \
	"${MMFENCE_SNAPSHOT_REQUIRE-unset} ${MMFENCE_SELFMEM_OPEN-unset} " \
	"${MMFENCE_CONFIG-unset}.'"
#define SHOW_PRESET                                                                      \
	" sh -fc 'echo ${MMFENCE_SNAPSHOT_MODE-unset} ${MMFENCE_SNAPSHOT_SHARED-unset} " \
	"${MMFENCE_SIGBUS_RESCUE-unset} ${MMFENCE_AUDIT_DRIFT-unset} ${MMFENCE_PRESET-unset}.'"

GIVEN(command, command_line_wins_over_environment_over_file,
      "run -o selfmem.open=refuse --config mmfence.conf --" SHOW_MODES, .without_log = true,
      .files = { TEXT("mmfence.conf", "[snapshot]\non-failure = deny\nrequire = verified\n"
				      "[selfmem]\nopen = readonly\n") },
      .options = { "snapshot.require=proven", "selfmem.open=readonly" },
      .says = "deny proven refuse .\n")
GIVEN(command, variable_names_the_file, "run --" SHOW_MODES, .without_log = true,
      .files = { TEXT("mmfence.conf", "[snapshot]\nrequire = verified\n") },
      .env = { "MMFENCE_CONFIG=mmfence.conf" }, .says = "unset verified unset .\n")
GIVEN(command, default_on_the_command_line_wins_too, "run -o snapshot.require=any --" SHOW_MODES,
      .options = { "snapshot.require=proven" }, .says = "unset unset unset .\n")
GIVEN(command, patterns_add_up,
      "run --snapshot /a --snapshot-shared **/s --snapshot **/b -o snapshot.paths=/c "
      "sh -c 'echo $MMFENCE_SNAPSHOT_PATHS $MMFENCE_SNAPSHOT_SHARED'",
      .options = { "snapshot.paths=/elsewhere" }, .says = "/a:**/b:/c **/s\n")

/* The preset of the command line, not of the environment; and of its options those that nothing
 * else gives. */
GIVEN(command, preset_gives_way_to_what_is_given_besides,
      "run --preset=keep-alive --rescue /srv/a --rescue /srv/b --config mmfence.conf "
      "--" SHOW_PRESET,
      .without_log = true, .files = { TEXT("mmfence.conf", "[snapshot]\nshared = /opt/**\n") },
      .env = { "MMFENCE_PRESET=audit" }, .says = "unset /opt/** /srv/a:/srv/b unset unset.\n")
GIVEN(command, variable_names_the_preset, "run --" SHOW_PRESET,
      .env = { "MMFENCE_PRESET=keep-alive" }, .says = "unset /** /** unset unset.\n")
GIVEN(command, default_wins_over_a_preset_too, "run -o snapshot.mode=on --" SHOW_PRESET,
      .env = { "MMFENCE_PRESET=audit" }, .says = "unset unset unset unset unset.\n")

BY_PATH(command, options_of_the_command_are_its_own)
{
	TRY(.mmfence = "run sh -c 'echo \"$@\"' x --quiet -o y --", .says = "--quiet -o y --\n");
	TRY(.mmfence = "run -- sh -c 'echo \"$@\"' x --log z", .says = "--log z\n");
}

/* --- starting --- */

BY_PATH(command, exit_status_is_the_commands)
{
	TRY(.mmfence = "run -- sh -c 'exit 7'", .ends_with = 7);
	TRY(.mmfence = "run -- sh -c 'kill -KILL $$'", .ends_with = 128 + SIGKILL);
	TRY(.mmfence = "run -- sh -c 'kill -PIPE $$'", .ends_with = 128 + SIGPIPE);
}

/* A shell that was interrupted goes on with its script where its child was not ended by that. */
RUNS(BY_PATH, command, interrupt_ends_the_script_that_started_it,
     .sh = "for way in run check; do way=$way bash -c 'for i in 1 2; do $mmfence $way -q --log log "
	   "-- sh -c \"kill -INT $$; kill -INT \\$\\$\"; echo next; done'; echo $?; done",
     .says = "130\n130\n")

BY_PATH(command, what_cannot_be_started_is_127_or_126)
{
	TRY(.mmfence = "run -- mmfence-no-such-command", .ends_with = 127);
	TRY(.mmfence = "run -- ./missing", .ends_with = 127);
	TRY(.mmfence = "run -- ./plain", .files = { TEXT("plain", "") }, .ends_with = 126);
	TRY(.mmfence = "run -- /tmp", .ends_with = 126);
	TRY(.mmfence = "run -- ./no-interpreter", .ends_with = 127,
	    .files = { PROGRAM("no-interpreter", "#!/nonexistent/interpreter\n") },
	    .warns = { "/nonexistent/interpreter: not found (to run ./no-interpreter)\n" });
}

GIVEN(command, file_without_a_format_is_the_shells, "run -- ./no-format word",
      .files = { PROGRAM("no-format", "echo \"shell $1\"\n") }, .says = "shell word\n")

/* Sent to mmfence alone, by kill(2). */
BY_PATH(command, signals_reach_the_command)
{
	static const char *const names[] = { "TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "ALRM" };
	char script[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(script, sizeof(script),
			 "trap 'exit 9' %s; kill -%s $PPID; sleep 30 & wait", names[i], names[i]);
		TRY(.mmfence = "run -- sh -c", .args = { script }, .ends_with = 9);
	}
}

static void ignore_some(struct run *run)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
}

GIVEN(command, ignored_signals_stay_so, "run -q -- sh -c",
      .args = { "sed -n 's/^SigIgn.*\\(...\\)$/\\1/p' /proc/$PPID/status" }, .prepare = ignore_some,
      .says = "202\n")

/* Nor does it change the two that the command's own output could raise, and that of children. */
RUNS(BY_PATH, command, signals_of_output_stay_so,
     .sh = "for script in '' 'trap \"\" PIPE;' 'trap \"\" XFSZ;' 'trap \"\" CHLD;'; do for way in "
	   "'' '$mmfence run -q --log log --'; do sh -c \"$script exec $way grep SigIgn "
	   "/proc/self/status\"; done | uniq | wc -l; done",
     .says = "1\n1\n1\n1\n")

/* Whoever ignores SIGCHLD gives that to what it starts: of such a command's end nothing was left.
 */
static void ignore_children(struct run *run)
{
	signal(SIGCHLD, SIG_IGN);
}

BY_PATH(command, end_is_known_where_children_are_ignored)
{
	TRY(.mmfence = "doctor", .prepare = ignore_children, .shows_no = { "cannot be tried" });
	for (int i = 0; i < 20; i++)
		TRY(.mmfence = "run -q -- sh -c", .args = { "exit 7" }, .ends_with = 7,
		    .prepare = ignore_children);
}

/* Standard error is closed before there is something to say. */
BY_PATH(command, output_that_nobody_reads_ends_no_command)
{
#define UNREAD(line) "{ $mmfence " line "; echo $? >status; } 2>&1 | :; cat status; rm status; "
	TRY(.sh = "unset MMFENCE_AUDIT_LOG; " UNREAD("run -- sh -c 'sleep .3; exit 3'") "ls; " UNREAD(
		    "check -- sh -c 'sleep .3; exit 4'")
		    UNREAD("check --junit xml -- sh -c 'sleep .3; exit 5'") "grep -c testsuites xml",
	    .says = "3\n4\n5\n2\n");
}

/* Nor is it said that all went well, if it did not; a reader that has seen enough is no failure. */
BY_PATH(command, output_that_is_lost_is_a_failure)
{
	static const char *const lines[] = { "log $DATA/two_hosts.log",
					     "log -f $DATA/two_hosts.log",
					     "report --json $DATA/two_hosts.log",
					     "pages $$",
					     "doctor",
					     "--help" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		TRY(.sh = "eval \"exec $mmfence $0\" >/dev/full", .args = { lines[i] },
		    .ends_with = 2, .warns = { "mmfence: standard output cannot be written: " });
	TRY(.sh = "{ $mmfence log $DATA/two_hosts.log; echo $? >&2; } | head -n 1", .lines = 1,
	    .complains = "0\n");
}

/* Here it is the summary that nobody reads: the command has filled the pipe. */
RUNS(BY_PATH, command, signals_end_the_summary_too,
     .sh = "mkfifo pipe; sleep 30 <pipe & timeout -k 9 2 $mmfence run -- sh -c "
	   "'head -c 65536 /dev/zero >&2' 2>pipe; echo $?; kill $!",
     .says = "124\n")

/* Standard input is a terminal, and 9 its other side. */
static void have_terminal(struct run *run)
{
	int other = posix_openpt(O_RDWR | O_NOCTTY), terminal;

	if (other < 0 || grantpt(other) || unlockpt(other))
		_exit(98);
	terminal = open(ptsname(other), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0 || dup2(terminal, 0) || dup2(other, 9) != 9)
		_exit(98);
}

static void skip_without_terminals(struct run *run)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);

	if (terminal < 0)
		cr_skip_test("no terminals here: %s", strerror(errno));
	close(terminal);
	if (access("/usr/bin/setsid", X_OK))
		cr_skip_test("no setsid");
}

/* Stopped, mmfence has the key only after the command had it: two would be counted as two. */
#define PRESS_KEYS                                                                                \
	"i=; q=; trap 'i=i$i' INT; trap 'q=q$q' QUIT; trap 'echo $i$q; exit' USR1\n"              \
	"hold() { kill -STOP $PPID; until grep -q 'State:.T' /proc/$PPID/status; do :; done; }\n" \
	"hold; printf '\\003' >&9; until [ $i ]; do :; done; kill -CONT $PPID\n"                  \
	"hold; printf '\\034' >&9; until [ $q ]; do :; done; kill -CONT $PPID\n"                  \
	"kill -USR1 $PPID; while :; do :; done"

/* What the terminal sends, it sends to the command too: USR1 comes after a second one would. */
RUNS(BY_PATH, command, terminals_signals_reach_the_command_once, .before = skip_without_terminals,
     .sh = "exec /usr/bin/setsid -c -w $mmfence run -q -- sh -c \"$0\"", .args = { PRESS_KEYS },
     .prepare = have_terminal, .says = "iq\n")

BY_PATH(command, signal_state_is_inherited)
{
	struct run bare = { .helper = "/bin/grep",
			    .args = { "-E", "^Sig(Blk|Ign)", "/proc/self/status" },
			    .preload = RUN_BARE };

	run_helper(&bare);
	TRY(.mmfence = "run -q -- /bin/grep -E '^Sig(Blk|Ign)' /proc/self/status",
	    .says = bare.output);
	run_end(&bare);
}

GIVEN(command, preload_of_others_stays, "run -q -- sh -c 'echo ${LD_PRELOAD#*:}'",
      .env = { "LD_PRELOAD=libm.so.6:libdl.so.2" }, .says = "libm.so.6:libdl.so.2\n")
GIVEN(command, run_within_run_preloads_once,
      "run -q -- $mmfence run -q -- sh -c 'echo $LD_PRELOAD'", .shows_no = { ":" },
      .shows = { "/$LIB/libmmfence.so\n" })

/* --- what the dynamic linker would silently ignore --- */

static void require_static_program(struct run *run)
{
	if (access(STATIC_PROGRAM, X_OK))
		cr_skip_test("no " STATIC_PROGRAM);
}

REFUSES(command, static_program_is_refused, "run -- " STATIC_PROGRAM " -p",
	"mmfence: " STATIC_PROGRAM " is statically linked, ", .before = require_static_program)

#define STATIC_SCRIPTS                    \
	.before = require_static_program, \
	.files = { PROGRAM("one", "#! " STATIC_PROGRAM " -p\n"), PROGRAM("two", "#!./one\n") }

BY_PATH(command, script_of_a_static_interpreter_is_refused)
{
	TRY(.mmfence = "run -- ./one", STATIC_SCRIPTS,
	    .refuses = "./one is run by " STATIC_PROGRAM ", which is statically linked");
	TRY(.mmfence = "run -- ./two", STATIC_SCRIPTS,
	    .refuses = "./two is run by " STATIC_PROGRAM ", which is statically linked");
}

#define RUN_ID " id && exec $mmfence run -- ./id"
#define IS_ID  "mmfence: ./id is set-uid, set-gid or has file capabilities, "

BY_PATH(command, set_id_program_is_refused)
{
	TRY(.as_root = true, .refuses = IS_ID,
	    .sh = "cp /bin/true id && chown 65534:65534 id && chmod 4755" RUN_ID);
	TRY(.as_root = true, .refuses = IS_ID,
	    .sh = "cp /bin/true id && chgrp 65534 id && chmod 2755" RUN_ID);
}

RUNS(BY_PATH, command, set_id_program_whose_ids_do_not_change_runs, .as_root = true,
     .sh = "cp /bin/true id && chmod 6755" RUN_ID)

/* It can be fenced all the same, if it is not static. */
#define UNREADABLE                                                \
	"cp $HELPERS/drift . && chmod 111 drift && exec setpriv " \
	"--bounding-set=-dac_override,-dac_read_search $mmfence "

BY_PATH(command, program_that_is_not_to_be_read_runs)
{
	TRY(.as_root = true, .sh = UNREADABLE "run -- ./drift whole",
	    .finds = { "snapshot.create 1", "coverage.gap 0" },
	    .warns = { "mmfence: ./drift is not to be read, " });
	TRY(.as_root = true, .sh = UNREADABLE "check --fail-on gap -- ./drift whole",
	    .ends_with = 86, .warns = { "mmfence: gap: not looked into (unreadable), 1 time, /" });
}

/* The header of a program for this machine and class, with an interpreter that exists. */
static void write_program(const char *name, unsigned char class, Elf32_Half machine,
			  const char *loader)
{
	Elf32_Ehdr small = { .e_type = ET_EXEC, .e_machine = machine, .e_version = EV_CURRENT };
	Elf32_Phdr segment = { .p_type = PT_INTERP };
	FILE *out = fopen(name, "we");

	memcpy(small.e_ident, ELFMAG, SELFMAG);
	small.e_ident[EI_CLASS] = class;
	small.e_ident[EI_DATA] = ELFDATA2LSB;
	small.e_ident[EI_VERSION] = EV_CURRENT;
	small.e_ehsize = small.e_phoff = sizeof(small);
	small.e_phentsize = sizeof(segment);
	small.e_phnum = 1;
	segment.p_offset = sizeof(small) + sizeof(segment);
	segment.p_filesz = (Elf32_Word)strlen(loader) + 1;
	if (!out || fwrite(&small, sizeof(small), 1, out) != 1 ||
	    fwrite(&segment, sizeof(segment), 1, out) != 1 ||
	    fwrite(loader, strlen(loader) + 1, 1, out) != 1 || fclose(out) || chmod(name, 0755))
		_exit(98);
}

static void write_foreign(struct run *run)
{
	write_program("arm", ELFCLASS32, EM_ARM, "/bin/sh");
	write_program("x32", ELFCLASS32, EM_X86_64, "/bin/sh");
	write_program("musl", ELFCLASS32, EM_386, "./ld-musl-i386.so.1");
	write_program("old", ELFCLASS32, EM_386, "./lib/ld-2.3.so");
	write_program("i386", ELFCLASS32, EM_386, "/bin/sh");
}

BY_PATH(command, foreign_program_is_refused)
{
	TRY(.mmfence = "run -- ./arm", .prepare = write_foreign,
	    .refuses = "mmfence: ./arm is a program for another architecture, ");
	TRY(.mmfence = "run -- ./x32", .prepare = write_foreign,
	    .refuses = "mmfence: ./x32 is a program for another architecture, ");
	TRY(.sh = "cp /bin/sh ld-musl-i386.so.1 && exec $mmfence run -- ./musl",
	    .prepare = write_foreign,
	    .refuses = "mmfence: ./musl is linked with the C library musl, ");
}

/* A libc without the versions of 2.5, beside its dynamic linker. */
RUNS(BY_PATH, P6, program_of_an_older_libc_is_refused, .prepare = write_foreign,
     .sh = "mkdir lib && cp /bin/sh lib/ld-2.3.so && "
	   "cp $HELPERS/chain_gnu.so lib/libc.so.6 && exec $mmfence run -- ./old",
     .refuses = "mmfence: ./old is linked with a C library older than glibc 2.5, ")

/* The command installed below work/NAME, without the 32-bit library. */
#define INSTALLED(name, changed, sentence)                                                     \
	TRY(.prepare = write_foreign, .refuses = (sentence),                                   \
	    .sh = "d='" name "'; l=lib/x86_64-linux-gnu; mkdir -p \"$d/bin\" \"$d/$l\" && "    \
		  "cp $mmfence \"$d/bin\" && cp $BUILD/$l/libmmfence.so \"$d/$l\" && " changed \
		  "exec \"$d/bin/mmfence\" run -- ./i386")

BY_PATH(command, program_without_its_library_is_refused)
{
	INSTALLED("here", "",
		  "mmfence: ./i386 is a 32-bit program, and the 32-bit libmmfence.so "
		  "is not installed\n");
}

#define NO_LIBRARY "mmfence: libmmfence.so for 64-bit programs is not in /"

/* Nor where another distribution has it. */
BY_PATH(command, command_without_its_library_is_refused)
{
	INSTALLED("here", "rm -r here/lib && ", NO_LIBRARY);
	INSTALLED("here", "mv here/$l here/lib64 && ", NO_LIBRARY);
}

#define CANNOT_PRELOAD "the dynamic linker cannot preload a library from "

BY_PATH(command, directory_the_dynamic_linker_cannot_name_is_refused)
{
	INSTALLED("with space", "", CANNOT_PRELOAD);
	INSTALLED("with:colon", "", CANNOT_PRELOAD);
	INSTALLED("with$dollar", "", CANNOT_PRELOAD);
}

RUNS(BY_PATH, command, library_that_may_not_be_loaded_is_refused, .as_root = true,
     .sh = "exec unshare -m sh -c '\n"
	   "mkdir -p here/bin here/lib && mount -t tmpfs none here/lib || exit 77\n"
	   "cp $mmfence here/bin && cp -r $BUILD/lib/x86_64-linux-gnu here/lib\n"
	   "mount -o remount,noexec here/lib; exec here/bin/mmfence check -- true'",
     .refuses = CANNOT_PRELOAD)

/* --- the log --- */

RUNS_AND(BY_PATH, command, log_is_named_after_the_command, .without_log = true,
	 .mmfence = "run -- sh -c 'echo ${MMFENCE_AUDIT_LOG#$PWD/}; "
		    "stat -c %a mmfence.sh.$PPID.jsonl; echo mmfence.sh.$PPID.jsonl'")
{
	char *second = strchr(run->output, '\n') + 1;

	cr_assert(!strncmp(second, "600\n", 4), "%s", run->output);
	cr_assert(!strncmp(run->output, second + 4, (size_t)(second - run->output)), "%s",
		  run->output);
}

/* As long as a name may be, so that a log's cannot hold all of it. */
BY_PATH(command, long_name_of_a_command_is_shortened_for_its_log)
{
	char path[NAME_MAX + 3] = "./";

	memset(path + 2, 'n', NAME_MAX);
	TRY(.mmfence = "run --", .args = { path }, .without_log = true, .says = "1\n",
	    .files = { PROGRAM(path, "#!/bin/sh\nls mmfence.nnn*.$PPID.jsonl | wc -l\n") });
}

static void go_to_proc(struct run *run)
{
	if (chdir("/proc"))
		_exit(98);
}

REFUSES(command, log_of_a_directory_without_room_starts_nothing, "run -- true",
	"; --log FILE says where else\n", .env = { "MMFENCE_AUDIT_LOG=" }, .prepare = go_to_proc)

#define SHOW_LOG " -- sh -c 'echo ${MMFENCE_AUDIT_LOG#$PWD/}'"

/* A name is shown without its dots, and a file called as a destination is one still. */
BY_PATH(command, name_of_a_log_loses_its_dots)
{
	TRY(.mmfence = "run --log ../work/./a.jsonl" SHOW_LOG, .says = "a.jsonl\n");
	TRY(.mmfence = "run --log /proc/self/cwd/./b.jsonl" SHOW_LOG, .says = "b.jsonl\n");
	TRY(.mmfence = "run --log ./journal" SHOW_LOG, .says = "journal\n");
}

RUNS(BY_PATH, command, percent_signs_in_the_directory_are_no_placeholders, .without_log = true,
     .sh = "mkdir 100%p && cd 100%p && "
	   "exec $mmfence run --log log -- sh -c 'ls; echo rubbish >> log'",
     .says = "log\n", .warns = { "damaged      1 line of the log" })

/* And the family's memory has the number of none of them. */
RUNS(BY_PATH, command, closed_streams_stay_closed,
     .sh = "exec <&- 2>&-\n"
	   "$mmfence run --log log -- sh -c 'for n in 0 1 2; do [ -e /proc/$$/fd/$n ]; echo $?; "
	   "done; f=${MMFENCE_FAMILY#*/}; [ ${f%/*} -gt 2 ]; echo $?'",
     .says = "1\n0\n1\n0\n")

BY_PATH(command, log_that_cannot_be_made_starts_nothing)
{
	TRY(.mmfence = "run --log nosuch/log -- touch started",
	    .refuses = "nosuch/log cannot be created: No such file or directory\n");
	TRY(.mmfence = "run --log nosuch/%p -- touch started",
	    .refuses = "nosuch/%p cannot be created: No such file or directory\n");
	TRY(.sh = "ln -s elsewhere link; exec $mmfence run --log link -- touch started",
	    .refuses = "link cannot be created: it is a symbolic link");
	TRY(.sh = "mkfifo pipe; exec $mmfence run --log pipe -- touch started",
	    .refuses = "pipe cannot be created: it is a pipe that nobody reads\n");
}
