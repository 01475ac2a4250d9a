/* SPDX-License-Identifier: MIT */
/*
 * What the mmfence command promises (SEMANTICS 6): that wrong options start nothing,
 * which source of options wins, exit statuses, refusals and the summary.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runner.h"

/* A program that is static on every Debian; tests with it are skipped elsewhere. */
#define STATIC_PROGRAM "/sbin/ldconfig"

/* Started by the command under test: the proof that nothing was started is that it is not there. */
#define STARTED "touch", "started"

static void without_log(struct run *run)
{
	(void)run;
	unsetenv("MMFENCE_AUDIT_LOG");
}

#define COMMAND(...)                                                                              \
	{                                                                                         \
		.helper = build_path("bin/mmfence"), .preload = RUN_BARE, .args = { __VA_ARGS__ } \
	}

static bool exists(const struct run *run, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/work/%s", run->dir, name);
	return !access(path, F_OK);
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

static void expect_errors(const struct run *run, const char *part)
{
	cr_expect(strstr(run->errors, part), "no \"%s\" in:\n%s", part, run->errors);
}

static void expect_no_errors(const struct run *run, const char *part)
{
	cr_expect(!strstr(run->errors, part), "\"%s\" in:\n%s", part, run->errors);
}

static void expect_output(const struct run *run, const char *text)
{
	cr_expect_str_eq(run->output, text, "\n%s\ninstead of\n%s\n%s", run->output, text,
			 run->errors);
}

static void expect_exit(const struct run *run, int status)
{
	cr_expect_eq(run_exit(run), status, "%d instead of %d: %s", run_exit(run), status,
		     run->errors);
}

/* Refused in one sentence, with nothing started and no log made. */
static void expect_refusal(struct run *run, const char *sentence)
{
	run_helper(run);
	expect_exit(run, 2);
	expect_errors(run, sentence);
	cr_expect_eq(count_lines(run->errors), 1, "%s", run->errors);
	cr_expect(!exists(run, "started"));
	cr_expect(access(run->log_path, F_OK), "there is a log");
	run_end(run);
}

/* --- options --- */

Test(command, bad_value_starts_nothing)
{
	struct run run = COMMAND("run", "-o", "snapshot.copy-limit=12X", "--", STARTED);

	expect_refusal(&run,
		       "mmfence: snapshot.copy-limit: \"12X\" is not a size (digits, then K, M, "
		       "G or T)\n");
}

Test(command, unknown_key_starts_nothing)
{
	struct run run = COMMAND("run", "-o", "snapshot.modes=on", "--", STARTED);

	expect_refusal(&run, "unknown option \"snapshot.modes\"; did you mean \"snapshot.mode\"?");
}

Test(command, option_without_value_starts_nothing)
{
	struct run run = COMMAND("run", "-o", "snapshot.mode", "--", STARTED);

	expect_refusal(&run, "mmfence: -o snapshot.mode: there is no value");
}

Test(command, pattern_that_matches_nothing_is_refused)
{
	struct run run = COMMAND("run", "--snapshot", "*.db", "--", STARTED);

	expect_refusal(&run, "snapshot.paths: \"*.db\" can match no file");
}

Test(command, bad_variable_starts_nothing)
{
	struct run run = COMMAND("run", "--", STARTED);

	run.options[0] = "selfmem.open=perhaps";
	expect_refusal(&run, "MMFENCE_SELFMEM_OPEN: selfmem.open: \"perhaps\" is not one of allow, "
			     "readonly, refuse\n");
}

Test(command, unknown_variable_starts_nothing)
{
	struct run run = COMMAND("run", "--", STARTED);

	run.env[0] = "MMFENCE_LOG=x";
	expect_refusal(&run,
		       "unknown variable \"MMFENCE_LOG\"; did you mean \"MMFENCE_AUDIT_LOG\"?\n");
}

Test(command, unknown_flag_starts_nothing)
{
	struct run run = COMMAND("run", "--nosuch", "--", STARTED);

	run_helper(&run);
	expect_exit(&run, 2);
	expect_errors(&run, "--nosuch");
	cr_expect(!exists(&run, "started"));
	run_end(&run);
}

Test(command, missing_command_is_wrong_usage)
{
	struct run run = COMMAND("run", "-q");

	run_helper(&run);
	expect_exit(&run, 2);
	expect_errors(&run, "there is no command to run");
	run_end(&run);
}

static const char *file_text;

static void write_config(struct run *run)
{
	FILE *out = fopen("mmfence.conf", "we");

	without_log(run);
	if (out)
		fputs(file_text, out);
	if (!out || fclose(out))
		_exit(98);
}

Test(command, bad_file_starts_nothing)
{
	struct run run = COMMAND("run", "--config", "mmfence.conf", "--", STARTED);

	file_text = "[snapshot]\n\nmode = perhaps\n";
	run.prepare = write_config;
	expect_refusal(&run, "mmfence.conf:3: snapshot.mode: \"perhaps\" is not one of on, off\n");
}

Test(command, missing_file_starts_nothing)
{
	struct run flag = COMMAND("run", "--config", "nosuch.conf", "--", STARTED);
	struct run variable = COMMAND("run", "--", STARTED);

	variable.env[0] = "MMFENCE_CONFIG=nosuch.conf";
	expect_refusal(&flag, "there is no configuration file \"nosuch.conf\"\n");
	expect_refusal(&variable, "there is no configuration file \"nosuch.conf\"\n");
}

#define SHOW_MODES                                                                             \
	"sh", "-c",                                                                            \
		"echo ${MMFENCE_SNAPSHOT_ON_FAILURE-unset} ${MMFENCE_SNAPSHOT_REQUIRE-unset} " \
		"${MMFENCE_SELFMEM_OPEN-unset} ${MMFENCE_CONFIG-unset}."

Test(command, command_line_wins_over_environment_over_file)
{
	struct run run = COMMAND("run", "-o", "selfmem.open=refuse", "--config", "mmfence.conf",
				 "--", SHOW_MODES);

	file_text =
		"[snapshot]\non-failure = deny\nrequire = verified\n[selfmem]\nopen = readonly\n";
	run.prepare = write_config;
	run.options[0] = "snapshot.require=proven";
	run.options[1] = "selfmem.open=readonly";
	run_helper(&run);
	expect_exit(&run, 0);
	expect_output(&run, "deny proven refuse .\n");
	run_end(&run);
}

Test(command, variable_names_the_file)
{
	struct run run = COMMAND("run", "--", SHOW_MODES);

	file_text = "[snapshot]\nrequire = verified\n";
	run.prepare = write_config;
	run.env[0] = "MMFENCE_CONFIG=mmfence.conf";
	run_helper(&run);
	expect_output(&run, "unset verified unset .\n");
	run_end(&run);
}

Test(command, default_on_the_command_line_wins_too)
{
	struct run run = COMMAND("run", "-o", "snapshot.require=any", "--", SHOW_MODES);

	run.options[0] = "snapshot.require=proven";
	run_helper(&run);
	expect_output(&run, "unset unset unset .\n");
	run_end(&run);
}

Test(command, patterns_add_up)
{
	struct run run = COMMAND("run", "--snapshot", "/a", "--snapshot-shared", "**/s",
				 "--snapshot", "**/b", "-o", "snapshot.paths=/c", "sh", "-c",
				 "echo $MMFENCE_SNAPSHOT_PATHS $MMFENCE_SNAPSHOT_SHARED");

	run.options[0] = "snapshot.paths=/elsewhere";
	run_helper(&run);
	expect_output(&run, "/a:**/b:/c **/s\n");
	run_end(&run);
}

#define SHOW_PRESET                                                                     \
	"sh", "-fc",                                                                    \
		"echo ${MMFENCE_SNAPSHOT_MODE-unset} ${MMFENCE_SNAPSHOT_SHARED-unset} " \
		"${MMFENCE_SIGBUS_RESCUE-unset} ${MMFENCE_AUDIT_DRIFT-unset} "          \
		"${MMFENCE_PRESET-unset}."

/* The preset of the command line, not of the environment; and of its options those that nothing
 * else gives. */
Test(command, preset_gives_way_to_what_is_given_besides)
{
	struct run run = COMMAND("run", "--preset=keep-alive", "--rescue", "/srv/a", "--rescue",
				 "/srv/b", "--config", "mmfence.conf", "--", SHOW_PRESET);

	file_text = "[snapshot]\nshared = /opt/**\n";
	run.prepare = write_config;
	run.env[0] = "MMFENCE_PRESET=audit";
	run_helper(&run);
	expect_exit(&run, 0);
	expect_output(&run, "unset /opt/** /srv/a:/srv/b unset unset.\n");
	run_end(&run);
}

Test(command, variable_names_the_preset)
{
	struct run run = COMMAND("run", "--", SHOW_PRESET);

	run.env[0] = "MMFENCE_PRESET=keep-alive";
	run_helper(&run);
	expect_output(&run, "unset /** /** unset unset.\n");
	run_end(&run);
}

Test(command, default_wins_over_a_preset_too)
{
	struct run run = COMMAND("run", "-o", "snapshot.mode=on", "--", SHOW_PRESET);

	run.env[0] = "MMFENCE_PRESET=audit";
	run_helper(&run);
	expect_output(&run, "unset unset unset unset unset.\n");
	run_end(&run);
}

Test(command, unknown_preset_starts_nothing)
{
	struct run run = COMMAND("run", "--preset", "adit", "--", STARTED);

	expect_refusal(&run, "mmfence: \"adit\" is no preset; did you mean \"audit\"?\n");
}

static void expect_no_missing_option(const struct run *run)
{
#define OPTION(section, key, field, type, initial, values, flag, arg, help) \
	cr_expect(strstr(run->output, "\n  " section "." key "="), section "." key);
#include "policy/options.def"
#undef OPTION
}

/* The presets come before the flags, and no line runs into the next. */
Test(command, help_begins_with_presets_and_fits)
{
	struct run run = COMMAND("run", "--help");

	run_helper(&run);
	const char *preset = strstr(run.output, "--preset=audit"),
		   *flag = strstr(run.output, "--config=FILE");
	cr_assert(preset && flag && preset < flag, "%s", run.output);
	for (const char *at = run.output; *at; at += strcspn(at, "\n") + 1) {
		size_t blanks = strspn(at, " "), length = strcspn(at, "\n");

		cr_expect(length < 80 && (blanks <= 8 || blanks == 29), "%.*s", (int)length, at);
	}
	expect_no_missing_option(&run);
	run_end(&run);
}

Test(command, options_of_the_command_are_its_own)
{
	struct run bare =
		COMMAND("run", "sh", "-c", "echo \"$@\"", "x", "--quiet", "-o", "y", "--");
	struct run after = COMMAND("run", "--", "sh", "-c", "echo \"$@\"", "x", "--log", "z");

	run_helper(&bare);
	expect_exit(&bare, 0);
	expect_output(&bare, "--quiet -o y --\n");
	run_helper(&after);
	expect_output(&after, "--log z\n");
	run_end(&bare);
	run_end(&after);
}

/* --- starting --- */

static void expect_status(int status, struct run *run)
{
	run_helper(run);
	expect_exit(run, status);
	run_end(run);
}

Test(command, exit_status_is_the_commands)
{
	struct run seven = COMMAND("run", "--", "sh", "-c", "exit 7");
	struct run killed = COMMAND("run", "--", "sh", "-c", "kill -KILL $$");
	struct run pipe = COMMAND("run", "--", "sh", "-c", "kill -PIPE $$");

	expect_status(7, &seven);
	expect_status(128 + SIGKILL, &killed);
	expect_status(128 + SIGPIPE, &pipe);
}

static void make_files(struct run *run)
{
	FILE *out = fopen("no-format", "we");

	(void)run;
	if (!out || fputs("echo \"shell $1\"\n", out) < 0 || fclose(out) ||
	    chmod("no-format", 0755) || close(creat("plain", 0644)))
		_exit(98);
	out = fopen("no-interpreter", "we");
	if (!out || fputs("#!/nonexistent/interpreter\n", out) < 0 || fclose(out) ||
	    chmod("no-interpreter", 0755))
		_exit(98);
}

Test(command, what_cannot_be_started_is_127_or_126)
{
	struct run nowhere = COMMAND("run", "--", "mmfence-no-such-command");
	struct run missing = COMMAND("run", "--", "./missing");
	struct run plain = COMMAND("run", "--", "./plain");
	struct run directory = COMMAND("run", "--", "/tmp");
	struct run interpreter = COMMAND("run", "--", "./no-interpreter");

	plain.prepare = interpreter.prepare = make_files;
	expect_status(127, &nowhere);
	expect_status(127, &missing);
	expect_status(126, &plain);
	expect_status(126, &directory);
	run_helper(&interpreter);
	expect_exit(&interpreter, 127);
	expect_errors(&interpreter,
		      "/nonexistent/interpreter: not found (to run ./no-interpreter)\n");
	run_end(&interpreter);
}

Test(command, file_without_a_format_is_the_shells)
{
	struct run run = COMMAND("run", "--", "./no-format", "word");

	run.prepare = make_files;
	run_helper(&run);
	expect_exit(&run, 0);
	expect_output(&run, "shell word\n");
	run_end(&run);
}

/* Sent to mmfence alone, by kill(2). */
Test(command, signals_reach_the_command)
{
	static const char *const names[] = { "TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "ALRM" };
	char script[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct run run = COMMAND("run", "--", "sh", "-c", script);

		snprintf(script, sizeof(script),
			 "trap 'exit 9' %s; kill -%s $PPID; sleep 30 & wait", names[i], names[i]);
		expect_status(9, &run);
	}
}

static void ignore_some(struct run *run)
{
	(void)run;
	signal(SIGINT, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
}

Test(command, ignored_signals_stay_so)
{
	struct run run = COMMAND("run", "-q", "--", "sh", "-c",
				 "sed -n 's/^SigIgn.*\\(...\\)$/\\1/p' /proc/$PPID/status");

	run.prepare = ignore_some;
	run_helper(&run);
	expect_output(&run, "202\n");
	run_end(&run);
}

/* Standard input is a terminal, and 9 its other side. */
static void have_terminal(struct run *run)
{
	int other = posix_openpt(O_RDWR | O_NOCTTY), terminal;

	(void)run;
	if (other < 0 || grantpt(other) || unlockpt(other))
		_exit(98);
	terminal = open(ptsname(other), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0 || dup2(terminal, 0) || dup2(other, 9) != 9)
		_exit(98);
}

/* Stopped, mmfence has the key only after the command had it: two would be counted as two. */
#define PRESS_KEYS                                                                                \
	"i=; q=; trap 'i=i$i' INT; trap 'q=q$q' QUIT; trap 'echo $i$q; exit' USR1\n"              \
	"hold() { kill -STOP $PPID; until grep -q 'State:.T' /proc/$PPID/status; do :; done; }\n" \
	"hold; printf '\\003' >&9; until [ $i ]; do :; done; kill -CONT $PPID\n"                  \
	"hold; printf '\\034' >&9; until [ $q ]; do :; done; kill -CONT $PPID\n"                  \
	"kill -USR1 $PPID; while :; do :; done"

/* What the terminal sends, it sends to the command too: USR1 comes after a second one would. */
Test(command, terminals_signals_reach_the_command_once)
{
	struct run run = { .helper = "/usr/bin/setsid",
			   .preload = RUN_BARE,
			   .prepare = have_terminal,
			   .args = { "-c", "-w", build_path("bin/mmfence"), "run", "-q", "--", "sh",
				     "-c", PRESS_KEYS } };

	if (access(run.helper, X_OK))
		cr_skip_test("no setsid");
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	if (terminal < 0)
		cr_skip_test("no terminals here: %s", strerror(errno));
	close(terminal);
	run_helper(&run);
	expect_exit(&run, 0);
	expect_output(&run, "iq\n");
	run_end(&run);
}

Test(command, signal_state_is_inherited)
{
	static const char pattern[] = "^Sig(Blk|Ign)";
	struct run bare = { .helper = "/bin/grep",
			    .args = { "-E", pattern, "/proc/self/status" },
			    .preload = RUN_BARE };
	struct run fenced =
		COMMAND("run", "-q", "--", "/bin/grep", "-E", pattern, "/proc/self/status");

	run_helper(&bare);
	run_helper(&fenced);
	expect_output(&fenced, bare.output);
	run_end(&bare);
	run_end(&fenced);
}

Test(command, preload_of_others_stays)
{
	struct run run = COMMAND("run", "-q", "--", "sh", "-c", "echo ${LD_PRELOAD#*:}");

	run.env[0] = "LD_PRELOAD=libm.so.6:libdl.so.2";
	run_helper(&run);
	expect_output(&run, "libm.so.6:libdl.so.2\n");
	run_end(&run);
}

Test(command, run_within_run_preloads_once)
{
	struct run run = COMMAND("run", "-q", "--", build_path("bin/mmfence"), "run", "-q", "--",
				 "sh", "-c", "echo $LD_PRELOAD");

	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect(!strchr(run.output, ':'), "%s", run.output);
	cr_expect(strstr(run.output, "/$LIB/libmmfence.so\n"), "%s", run.output);
	run_end(&run);
}

/* --- what the dynamic linker would silently ignore --- */

static void require_static_program(void)
{
	if (access(STATIC_PROGRAM, X_OK))
		cr_skip_test("no " STATIC_PROGRAM);
}

Test(command, static_program_is_refused)
{
	struct run run = COMMAND("run", "--", STATIC_PROGRAM, "-p");

	require_static_program();
	expect_refusal(&run, "mmfence: " STATIC_PROGRAM " is statically linked, ");
}

static void make_static_script(struct run *run)
{
	FILE *out = fopen("one", "we");

	(void)run;
	if (!out || fputs("#! " STATIC_PROGRAM " -p\n", out) < 0 || fclose(out) ||
	    chmod("one", 0755))
		_exit(98);
	out = fopen("two", "we");
	if (!out || fputs("#!./one\n", out) < 0 || fclose(out) || chmod("two", 0755))
		_exit(98);
}

Test(command, script_of_a_static_interpreter_is_refused)
{
	struct run one = COMMAND("run", "--", "./one");
	struct run two = COMMAND("run", "--", "./two");

	require_static_program();
	one.prepare = two.prepare = make_static_script;
	expect_refusal(&one, "./one is run by " STATIC_PROGRAM ", which is statically linked");
	expect_refusal(&two, "./two is run by " STATIC_PROGRAM ", which is statically linked");
}

static void shell_or_die(const char *line)
{
	if (system(line))
		_exit(98);
}

static void copy_for_nobody(struct run *run)
{
	(void)run;
	shell_or_die("cp /bin/true id && chown 65534:65534 id && chmod 4755 id");
}

static void copy_for_nobodys_group(struct run *run)
{
	(void)run;
	shell_or_die("cp /bin/true id && chgrp 65534 id && chmod 2755 id");
}

static void copy_for_root(struct run *run)
{
	(void)run;
	shell_or_die("cp /bin/true id && chmod 6755 id");
}

Test(command, set_id_program_is_refused)
{
	struct run user = COMMAND("run", "--", "./id");
	struct run group = COMMAND("run", "--", "./id");

	skip_unless_root();
	user.prepare = copy_for_nobody;
	group.prepare = copy_for_nobodys_group;
	expect_refusal(&user, "mmfence: ./id is set-uid, set-gid or has file capabilities, ");
	expect_refusal(&group, "mmfence: ./id is set-uid, set-gid or has file capabilities, ");
}

Test(command, set_id_program_whose_ids_do_not_change_runs)
{
	struct run run = COMMAND("run", "--", "./id");

	skip_unless_root();
	run.prepare = copy_for_root;
	expect_status(0, &run);
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
	(void)run;
	write_program("arm", ELFCLASS32, EM_ARM, "/bin/sh");
	write_program("x32", ELFCLASS32, EM_X86_64, "/bin/sh");
	shell_or_die("cp /bin/sh ld-musl-i386.so.1");
	write_program("musl", ELFCLASS32, EM_386, "./ld-musl-i386.so.1");
	write_program("i386", ELFCLASS32, EM_386, "/bin/sh");
}

Test(command, foreign_program_is_refused)
{
	struct run arm = COMMAND("run", "--", "./arm");
	struct run x32 = COMMAND("run", "--", "./x32");
	struct run musl = COMMAND("run", "--", "./musl");

	arm.prepare = x32.prepare = musl.prepare = write_foreign;
	expect_refusal(&arm, "mmfence: ./arm is a program for another architecture, ");
	expect_refusal(&x32, "mmfence: ./x32 is a program for another architecture, ");
	expect_refusal(&musl, "mmfence: ./musl is linked with the C library musl, ");
}

static const char *some_library;

/* A libc without the versions of 2.5, beside its dynamic linker. */
static void write_old(struct run *run)
{
	char line[2 * PATH_MAX];

	(void)run;
	snprintf(line, sizeof(line),
		 "mkdir lib && cp /bin/sh lib/ld-2.3.so && cp '%s' lib/libc.so.6", some_library);
	shell_or_die(line);
	write_program("old", ELFCLASS32, EM_386, "./lib/ld-2.3.so");
}

Test(P6, program_of_an_older_libc_is_refused)
{
	struct run run = COMMAND("run", "--", "./old");

	some_library = build_path("helpers/plain/chain_gnu.so");
	run.prepare = write_old;
	expect_refusal(&run, "mmfence: ./old is linked with a C library older than glibc 2.5, ");
}

/* The command installed below work/NAME, without the 32-bit library. */
static const char *place;

static void install(struct run *run)
{
	char line[8 * PATH_MAX];

	(void)run;
	snprintf(line, sizeof(line),
		 "mkdir -p '%s/bin' '%s/lib/x86_64-linux-gnu' && cp '%s/bin/mmfence' '%s/bin' && "
		 "cp '%s/lib/x86_64-linux-gnu/libmmfence.so' '%s/lib/x86_64-linux-gnu'",
		 place, place, getenv("BUILD"), place, getenv("BUILD"), place);
	shell_or_die(line);
	write_program("i386", ELFCLASS32, EM_386, "/bin/sh");
}

static void install_nothing_else(struct run *run)
{
	install(run);
	shell_or_die("rm -r */lib");
}

/* Where another distribution has it. */
static void install_elsewhere(struct run *run)
{
	install(run);
	shell_or_die("mv here/lib/x86_64-linux-gnu here/lib64");
}

#define NO_LIBRARY "mmfence: libmmfence.so for 64-bit programs is not in /"

static void expect_refusal_in(const char *directory, void (*prepare)(struct run *run),
			      const char *sentence)
{
	struct run run = { .helper = "/bin/sh", .preload = RUN_BARE, .prepare = prepare };
	char build[PATH_MAX + 8], line[PATH_MAX];

	place = directory;
	snprintf(build, sizeof(build), "BUILD=%s", build_path("."));
	run.env[0] = build;
	snprintf(line, sizeof(line), "'%s/bin/mmfence' run -- ./i386", directory);
	run.args[0] = "-c";
	run.args[1] = line;
	expect_refusal(&run, sentence);
}

Test(command, program_without_its_library_is_refused)
{
	expect_refusal_in("here", install,
			  "mmfence: ./i386 is a 32-bit program, and the 32-bit libmmfence.so "
			  "is not installed\n");
}

Test(command, command_without_its_library_is_refused)
{
	expect_refusal_in("here", install_nothing_else, NO_LIBRARY);
	expect_refusal_in("here", install_elsewhere, NO_LIBRARY);
}

Test(command, directory_the_dynamic_linker_cannot_name_is_refused)
{
	expect_refusal_in("with space", install,
			  "the dynamic linker cannot preload a library from ");
	expect_refusal_in("with:colon", install,
			  "the dynamic linker cannot preload a library from ");
	expect_refusal_in("with$dollar", install,
			  "the dynamic linker cannot preload a library from ");
}

/* --- the log --- */

Test(command, log_is_named_after_the_command)
{
	struct run run =
		COMMAND("run", "--", "sh", "-c",
			"echo ${MMFENCE_AUDIT_LOG#$PWD/}; stat -c %a mmfence.sh.$PPID.jsonl; "
			"echo mmfence.sh.$PPID.jsonl");

	run.prepare = without_log;
	run_helper(&run);
	expect_exit(&run, 0);
	char *second = strchr(run.output, '\n') + 1;
	cr_assert(!strncmp(second, "600\n", 4), "%s", run.output);
	cr_expect(!strncmp(run.output, second + 4, (size_t)(second - run.output)), "%s",
		  run.output);
	run_end(&run);
}

/* As long as a name may be, so that a log's cannot hold all of it. */
static char *long_name(void)
{
	static char name[NAME_MAX + 1];

	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = 0;
	return name;
}

static void make_long_command(struct run *run)
{
	FILE *out = fopen(long_name(), "we");

	without_log(run);
	if (!out || fputs("#!/bin/sh\nls mmfence.nnn*.$PPID.jsonl | wc -l\n", out) < 0 ||
	    fclose(out) || chmod(long_name(), 0755))
		_exit(98);
}

Test(command, long_name_of_a_command_is_shortened_for_its_log)
{
	char path[NAME_MAX + 3];
	struct run run = COMMAND("run", "--", path);

	snprintf(path, sizeof(path), "./%s", long_name());
	run.prepare = make_long_command;
	run_helper(&run);
	expect_exit(&run, 0);
	expect_output(&run, "1\n");
	run_end(&run);
}

static void go_to_percent(struct run *run)
{
	without_log(run);
	if (mkdir("100%p", 0755) || chdir("100%p"))
		_exit(98);
}

static void go_to_proc(struct run *run)
{
	(void)run;
	if (chdir("/proc"))
		_exit(98);
}

Test(command, log_of_a_directory_without_room_starts_nothing)
{
	struct run run = COMMAND("run", "--", "true");

	run.env[0] = "MMFENCE_AUDIT_LOG=";
	run.prepare = go_to_proc;
	expect_refusal(&run, "; --log FILE says where else\n");
}

/* A name is shown without its dots, and a file called as a destination is one still. */
Test(command, name_of_a_log_loses_its_dots)
{
	struct run dots = COMMAND("run", "--log", "../work/./a.jsonl", "--", "sh", "-c",
				  "echo ${MMFENCE_AUDIT_LOG#$PWD/}");
	struct run journal = COMMAND("run", "--log", "./journal", "--", "sh", "-c",
				     "echo ${MMFENCE_AUDIT_LOG#$PWD/}");

	struct run absolute = COMMAND("run", "--log", "/proc/self/cwd/./b.jsonl", "--", "sh", "-c",
				      "echo ${MMFENCE_AUDIT_LOG#$PWD/}");

	run_helper(&dots);
	expect_output(&dots, "a.jsonl\n");
	run_end(&dots);
	run_helper(&absolute);
	expect_output(&absolute, "b.jsonl\n");
	run_end(&absolute);
	run_helper(&journal);
	expect_output(&journal, "journal\n");
	run_end(&journal);
}

Test(command, percent_signs_in_the_directory_are_no_placeholders)
{
	struct run run =
		COMMAND("run", "--log", "log", "--", "sh", "-c", "ls; echo rubbish >> log");

	run.prepare = go_to_percent;
	run_helper(&run);
	expect_output(&run, "log\n");
	expect_errors(&run, "damaged      1 line of the log");
	run_end(&run);
}

static void make_links(struct run *run)
{
	(void)run;
	if (symlink("elsewhere", "link") || mkfifo("pipe", 0600))
		_exit(98);
}

Test(command, log_that_cannot_be_made_starts_nothing)
{
	struct run directory = COMMAND("run", "--log", "nosuch/log", "--", STARTED);
	struct run template = COMMAND("run", "--log", "nosuch/%p", "--", STARTED);
	struct run link = COMMAND("run", "--log", "link", "--", STARTED);
	struct run pipe = COMMAND("run", "--log", "pipe", "--", STARTED);

	link.prepare = pipe.prepare = make_links;
	expect_refusal(&directory, "nosuch/log cannot be created: No such file or directory\n");
	expect_refusal(&template, "nosuch/%p cannot be created: No such file or directory\n");
	expect_refusal(&link, "link cannot be created: it is a symbolic link");
	expect_refusal(&pipe, "pipe cannot be created: it is a pipe that nobody reads\n");
}

/* --- the summary --- */

#define RECORD(action, more)               \
	"{\"event\":{\"action\":\"" action \
	"\",\"outcome\":\"success\"},\"process\":{\"pid\":1}" more "}"

/* A log as a run may leave it, written by the command itself. */
static const char *const log_lines[] = {
	RECORD("process.start", ""),
	RECORD("snapshot.create",
	       ",\"mmfence\":{\"snapshot\":{\"engine\":\"guard\",\"consistency\":"
	       "\"proven\",\"bytes\":0}}"),
	RECORD("snapshot.create",
	       ",\"mmfence\":{\"snapshot\":{\"engine\":\"memory\",\"consistency\":"
	       "\"proven\",\"bytes\":3145728}}"),
	RECORD("snapshot.create",
	       ",\"mmfence\":{\"snapshot\":{\"engine\":\"memory\",\"consistency\":"
	       "\"verified\",\"bytes\":0}}"),
	RECORD("snapshot.unprotected", ",\"file\":{\"path\":\"/data/\\u001b[31mred\"},\"error\":{"
				       "\"message\":\"larger than snapshot.copy-limit\"}"),
	RECORD("snapshot.unprotected",
	       ",\"error\":{\"message\":\"larger than snapshot.copy-limit\"}"),
	RECORD("snapshot.unprotected", ",\"error\":{\"message\":\"no memory\"}"),
	RECORD("nonlinear.remap", ",\"mmfence\":{\"site\":\"a\"}"),
	RECORD("nonlinear.remap", ",\"mmfence\":{\"site\":\"b\"}"),
	RECORD("nonlinear.total",
	       ",\"mmfence\":{\"site\":\"a\",\"total\":{\"calls\":41,\"failed\":2}}"),
	"{\"event\":{\"action\":\"selfmem.map\",\"outcome\":\"failure\"},\"process\":{\"pid\":1},"
	"\"file\":{\"path\":\"/proc/1/mem\"}}",
	RECORD("coverage.gap", ",\"file\":{\"path\":\"/bin/x\"},\"mmfence\":{\"gap\":{\"reason\":"
			       "\"static\"}}"),
	RECORD("log.dropped", ",\"mmfence\":{\"dropped\":17}"),
	"no record",
};

static void write_lines(struct run *run)
{
	FILE *out = fopen("lines", "we");

	(void)run;
	for (size_t i = 0; out && i < sizeof(log_lines) / sizeof(*log_lines); i++)
		fprintf(out, "%s\n", log_lines[i]);
	if (!out || fclose(out))
		_exit(98);
	shell_or_die("echo 'an older line' > log");
}

Test(command, summary_adds_up_the_records_of_this_run)
{
	struct run run = COMMAND("run", "--log", "log", "--", "sh", "-c", "cat lines >> log");

	run.prepare = write_lines;
	run.options[0] = "snapshot.mode=off";
	run_helper(&run);
	expect_exit(&run, 0);
	expect_errors(&run, "of 1 process\n");
	expect_errors(
		&run,
		"3 snapshots of 1 file (1 guard, 2 memory; 2 proven, 1 verified), 3.0 MiB copied; 3 had not ended");
	expect_errors(&run, "3 mappings had no snapshot\n");
	expect_errors(&run, "2 × larger than snapshot.copy-limit, such as /data/?[31mred\n");
	expect_errors(&run, "1 × no memory\n");
	expect_errors(&run, "42 calls of remap_file_pages from 2 call sites, of which 2 failed\n");
	expect_errors(&run, "1 × static, such as /bin/x\n");
	expect_errors(&run, "17 records could not be written\n");
	expect_errors(&run, "1 line of the log could not be read\n");
	expect_errors(&run, "/work/log\n");
	cr_expect_leq(count_lines(run.errors), 24);
	run_end(&run);
}

/* One record of three snapshots, one of a call that was made 40 times, and one process that says
 * twice what it dropped. */
static void write_counts(struct run *run)
{
	static const char
		counts[] =
			RECORD(
				"process.start", "") "\n" RECORD("snapshot.preserve", ",\"file\":{\"path\":\"/a\"},\"mmfence\":{\"snapshot\":{\"count\":3,\"trigger\":"
										      "\"protect\",\"bytes\":4096,\"engine\":\"memory\",\"microseconds\":70}}") "\n" RECORD("nonlinear.remap", ",\"mmfence\":{\"site\":\"a\",\"policy\":\"refuse\"}") "\n" RECORD("nonlinear.total", ",\"mmfence\":{\"site\":\"a\",\"total\":{\"calls\":40}}") "\n" RECORD("selfmem.open", ",\"mmfence\":{\"policy\":\"refuse\"}") "\n" RECORD("log.dropped", ",\"mmfence\":{\"dropped\":17}") "\n" RECORD("process.end",
																																																											   ",\"mmfence\":{\"dropped\":18}") "\n";
	FILE *out = fopen("counts", "we");

	(void)run;
	if (!out || fputs(counts, out) < 0 || fclose(out))
		_exit(98);
}

static void expect_count(const char *form, const char *output, const char *part)
{
	cr_expect(strstr(output, part), "%s: no \"%s\" in:\n%s", form, part, output);
}

Test(command, every_form_counts_alike)
{
	struct run run = { .helper = "/bin/sh", .preload = RUN_BARE };
	const char *command = build_path("bin/mmfence");
	static const char *const parts[][5] = {
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
	char line[5 * PATH_MAX];

	snprintf(line, sizeof(line),
		 "b=%s; $b run -o snapshot.mode=off --log l -- sh -c 'cat counts >>l' 2>summary\n"
		 "$b report l >text; $b report --json l >json; $b report --html - l >page\n"
		 "$b log l >log",
		 command);
	run.prepare = write_counts;
	run.args[0] = "-c";
	run.args[1] = line;
	run_helper(&run);
	expect_exit(&run, 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(line, sizeof(line), "%s/work/%s", run.dir, parts[i][0]);
		char *output = read_whole(line);

		for (size_t j = 1; j < 5; j++)
			expect_count(parts[i][0], output, parts[i][j]);
		free(output);
	}
	run_end(&run);
}

Test(command, summary_says_when_there_was_nothing)
{
	struct run run = COMMAND("run", "--", "true");
	struct run template = COMMAND("run", "--log", "%p.%e", "--", "true");
	struct run null = COMMAND("run", "--log", "/dev/null", "--", "true");

	run_helper(&run);
	expect_errors(&run, "mmfence: nothing happened that mmfence records\n");
	expect_errors(&run, run.log_path);
	run_helper(&template);
	expect_errors(&template, "mmfence: nothing happened that mmfence records\n");
	run_helper(&null);
	expect_errors(&null, "mmfence: there is no log to read for a summary\n");
	run_end(&run);
	run_end(&template);
	run_end(&null);
}

#define NOT_KNOWN    ", so that what happened is not known\n"
#define ELSE_UNKNOWN ", so that what else happened is not known\n"
#define OPEN_MEMORY  "exec 3</proc/self/mem; "

static void run_for_status(struct run *run, int status)
{
	run_helper(run);
	expect_exit(run, status);
	expect_no_errors(run, "nothing happened");
}

static void make_a(struct run *run)
{
	(void)run;
	if (mkdir("a", 0755))
		_exit(98);
}

Test(command, summary_says_that_no_log_came_to_be)
{
	struct run directory =
		COMMAND("run", "--log", "a/%p/b.jsonl", "--", "sh", "-c", OPEN_MEMORY "exit 6");
	struct run gone = COMMAND("run", "--log", "log", "--", "sh", "-c", "rm log; exit 7");
	struct run unstarted = COMMAND("run", "--log", "%p.jsonl", "--", "/tmp");

	directory.prepare = make_a;
	run_for_status(&directory, 6);
	expect_errors(&directory, "mmfence: the log is gone" NOT_KNOWN);
	run_for_status(&gone, 7);
	expect_errors(&gone, "mmfence: the log is gone" NOT_KNOWN);
	run_helper(&unstarted);
	expect_exit(&unstarted, 126);
	expect_no_errors(&unstarted, "not known");
	run_end(&directory);
	run_end(&gone);
	run_end(&unstarted);
}

/* Less than a record. */
static void limit_files(struct run *run)
{
	const struct rlimit limit = { 400, 400 };

	(void)run;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		_exit(98);
}

static void limit_files_to_some(struct run *run)
{
	const struct rlimit limit = { 2048, 2048 };

	(void)run;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		_exit(98);
}

Test(command, summary_says_that_lines_are_damaged)
{
	struct run run = COMMAND("run", "--log", "log", "--", "sh", "-c", OPEN_MEMORY "exit 6");

	run.prepare = limit_files;
	run_for_status(&run, 6);
	expect_errors(&run, "mmfence: no record can be written to it: File too large" ELSE_UNKNOWN);
	expect_errors(&run, "damaged      1 line of the log could not be read\n");
	run_end(&run);
}

Test(command, summary_says_that_the_log_is_full)
{
	struct run run = { .helper = "/bin/sh",
			   .preload = RUN_BARE,
			   .prepare = prepare_mounts,
			   .args = {
				   "-c",
				   "mkdir full && mount -t tmpfs -o size=64k none full || exit 77\n"
				   ": >full/log; cat /dev/zero >full/zeros 2>/dev/null\n"
				   "\"$0\" run --log full/log -- sh -c '" OPEN_MEMORY "exit 6'",
				   build_path("bin/mmfence") } };

	skip_without_mounts();
	run_helper(&run);
	if (run_exit(&run) == 77)
		cr_skip_test("no mounts here");
	expect_exit(&run, 6);
	expect_no_errors(&run, "nothing happened");
	expect_errors(
		&run,
		"mmfence: no record can be written to it: No space left on device" ELSE_UNKNOWN);
	run_end(&run);
}

/* Enough for some. */
Test(command, summary_says_that_the_log_became_full)
{
	struct run run = COMMAND("run", "--log", "log", "--", "sh", "-c",
				 OPEN_MEMORY OPEN_MEMORY OPEN_MEMORY "exit 6");

	run.prepare = limit_files_to_some;
	run_for_status(&run, 6);
	expect_errors(&run, " of 1 process\n");
	expect_errors(&run, "NOT KNOWN    no record can be written to it: File too large, so that "
			    "what else happened is not known\n");
	run_end(&run);
}

Test(command, summary_says_that_the_log_was_cut)
{
	struct run run = COMMAND("run", "--log", "log", "--", "sh", "-c", ": >log; exit 6");

	run.prepare = write_lines;
	run_for_status(&run, 6);
	expect_errors(
		&run,
		"mmfence: the log was emptied, cut or replaced while the command ran" ELSE_UNKNOWN);
	run_end(&run);
}

/* What its last record says, at its end, and what it said before are the same. */
Test(command, summary_counts_what_was_dropped_once)
{
	struct run run = COMMAND("run", "--log", "log", "--", "sh", "-c",
				 "cat lines >>log; echo '" RECORD(
					 "process.end", ",\"mmfence\":{\"dropped\":18}") "' >>log");

	run.prepare = write_lines;
	run_helper(&run);
	expect_errors(&run, "DROPPED      18 records could not be written\n");
	run_end(&run);
}

/* A line that was cut short is ended by an empty one. */
Test(command, summary_takes_empty_lines_for_no_damage)
{
	struct run run = COMMAND("run", "--log", "log", "--", "sh", "-c", "echo >>log");

	run_helper(&run);
	expect_errors(&run, "mmfence: nothing happened that mmfence records\n");
	run_end(&run);
}

Test(command, summary_reads_all_files_of_a_template)
{
	struct run run = COMMAND("run", "--log", "%p.[x].%h", "--", "sh", "-c",
				 "cat lines > '1.[x].a'; cat lines > '2.[x].b'; cat lines > 3.x.c");

	run.prepare = write_lines;
	run.options[0] = "snapshot.mode=off";
	run_helper(&run);
	expect_errors(&run, "6 snapshots of 1 file (");
	run_end(&run);
}

Test(command, quiet_says_nothing)
{
	struct run run = COMMAND("run", "-q", "--", "true");

	run_helper(&run);
	cr_expect_str_eq(run.errors, "");
	run_end(&run);
}

Test(command, records_of_the_library_are_summed_up)
{
	struct run run =
		COMMAND("run", "--snapshot", "**/data", "--", build_path("helpers/plain/observe"));

	if (access(run.args[4], X_OK))
		cr_skip_test("no helper observe");
	run_helper(&run);
	expect_no_errors(&run, "could not be read");
	cr_assert(find_event(&run, "snapshot.create"), "%s", run.errors);
	expect_errors(&run, " snapshot");
	run_end(&run);
}

/* --- the other commands --- */

Test(command, version_and_unknown_commands)
{
	struct run version = COMMAND("--version");
	struct run unknown = COMMAND("nosuch");

	run_helper(&version);
	expect_exit(&version, 0);
	cr_expect(!strncmp(version.output, "mmfence ", 8), "%s", version.output);
	run_end(&version);
	expect_refusal(&unknown, "there is no command \"nosuch\"; mmfence help lists them\n");
}

Test(command, a_wrong_command_is_told_its_nearest)
{
	struct run run = COMMAND("reprot", "log");

	expect_refusal(&run, "there is no command \"reprot\"; did you mean \"report\"?");
}

static void expect_same_output(struct run *run, struct run *other)
{
	run_helper(run);
	run_helper(other);
	expect_exit(run, 0);
	expect_exit(other, 0);
	cr_expect_str_eq(run->output, other->output);
	cr_expect(*run->output);
	run_end(run);
	run_end(other);
}

Test(command, help_is_a_command_and_h_is_help)
{
	static const char *const commands[] = {
		"run", "check", "log", "report", "pages", "doctor"
	};
	struct run flag = COMMAND("--help"), word = COMMAND("help");
	struct run letter = COMMAND("-h"), again = COMMAND("help", "help");

	expect_same_output(&flag, &word);
	expect_same_output(&letter, &again);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct run asked = COMMAND("help", commands[i]);
		struct run own = COMMAND(commands[i], "-h");

		asked.env[0] = "MANPATH=/nonexistent";
		expect_same_output(&asked, &own);
	}
}

static void with_a_man(struct run *run)
{
	FILE *man = fopen("man", "w");

	cr_assert(man);
	fputs("#!/bin/sh\n[ \"$1\" != -w ] || exit 0\necho \"shows $*\"\n", man);
	cr_assert_eq(fchmod(fileno(man), 0755), 0);
	fclose(man);
	(void)run;
}

Test(command, help_of_a_command_opens_its_page)
{
	struct run run = COMMAND("help", "run");

	run.env[0] = "PATH=.:/usr/bin:/bin";
	run.prepare = with_a_man;
	run_helper(&run);
	expect_output(&run, "shows mmfence-run\n");
	run_end(&run);
}

Test(command, doctor_tries_this_machine)
{
	struct run run = COMMAND("doctor");

	run_helper(&run);
	expect_exit(&run, 0);
	cr_expect_str_eq(run.errors, "");
	cr_expect(strstr(run.output,
			 kernel_is_before("3.17") ? "--  memfd_create: " : "ok  memfd_create: "),
		  "%s", run.output);
	cr_expect(strstr(run.output, "ok  preloading: LD_PRELOAD=/"), "%s", run.output);
	cr_expect(strstr(run.output, "read-only private mapping: "), "%s", run.output);
	cr_expect(!strstr(run.output, "\nno  "), "%s", run.output);
	run_end(&run);
}

Test(command, doctor_leaves_nothing_behind)
{
	struct run run = { .helper = "/bin/sh", .preload = RUN_BARE };
	char line[PATH_MAX];

	snprintf(line, sizeof(line), "%s doctor >/dev/null; ls -A", build_path("bin/mmfence"));
	run.args[0] = "-c";
	run.args[1] = line;
	run_helper(&run);
	expect_output(&run, "");
	run_end(&run);
}

Test(command, doctor_looks_at_programs_files_and_directories)
{
	struct run program = COMMAND("doctor", "sh");
	struct run directory = COMMAND("doctor", "/tmp");
	struct run file = COMMAND("doctor", "/etc/passwd");
	struct run missing = COMMAND("doctor", "mmfence-no-such-command");

	run_helper(&program);
	expect_exit(&program, 0);
	cr_expect(strstr(program.output, "64-bit, dynamically linked, not set-uid\n"), "%s",
		  program.output);
	run_helper(&directory);
	expect_exit(&directory, 0);
	cr_expect(strstr(directory.output, "directory: /tmp, on "), "%s", directory.output);
	run_helper(&file);
	expect_exit(&file, 0);
	cr_expect(strstr(file.output, "read-only private mapping: "), "%s", file.output);
	expect_refusal(&missing, "mmfence: mmfence-no-such-command: not found\n");
	run_end(&program);
	run_end(&directory);
	run_end(&file);
}

Test(command, doctor_finds_what_cannot_be_fenced)
{
	struct run program = COMMAND("doctor", STATIC_PROGRAM);
	struct run setting = COMMAND("doctor");

	require_static_program();
	run_helper(&program);
	expect_exit(&program, 1);
	cr_expect(strstr(program.output, "no  program: " STATIC_PROGRAM " is statically linked"),
		  "%s", program.output);
	setting.options[0] = "snapshot.mode=perhaps";
	setting.prepare = without_log;
	run_helper(&setting);
	expect_exit(&setting, 1);
	cr_expect(strstr(setting.output, "no  settings: MMFENCE_SNAPSHOT_MODE: "), "%s",
		  setting.output);
	cr_expect(!strstr(setting.output, "all at their defaults"));
	cr_expect(strstr(setting.output, "ok  preloading: "), "%s", setting.output);
	run_end(&program);
	run_end(&setting);
}

/* --- doctor FILE --- */

static void expect_line(const struct run *run, const char *line)
{
	cr_expect(strstr(run->output, line), "no \"%s\" in:\n%s%s", line, run->output, run->errors);
}

static void expect_no_line(const struct run *run, const char *line)
{
	cr_expect(!strstr(run->output, line), "\"%s\" in:\n%s", line, run->output);
}

static void write_pages(const char *path, size_t pages)
{
	static const char page[4096] = "mmfence";
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert(fd >= 0, "%s: %s", path, strerror(errno));
	while (pages--)
		cr_assert(write(fd, page, sizeof(page)) == sizeof(page));
	close(fd);
}

/* In the child, and so in run.dir/work. */
static void with_two_pages(struct run *run)
{
	(void)run;
	without_log(run);
	write_pages("data", 2);
}

static void with_two_pages_in_mounts(struct run *run)
{
	prepare_mounts(run);
	with_two_pages(run);
}

/* As root in mounts of its own, which end with it; 77 says that something cannot be had here. */
static void run_in_mounts(struct run *run, const char *script)
{
	static char line[4 * PATH_MAX];

	skip_without_mounts();
	snprintf(line, sizeof(line), "doctor() { %s doctor \"$@\"; }\n%s",
		 build_path("bin/mmfence"), script);
	*run = (struct run){ .helper = "/bin/sh",
			     .preload = RUN_BARE,
			     .prepare = with_two_pages_in_mounts,
			     .args = { "-c", line } };
	run_helper(run);
	if (run_exit(run) == 77)
		cr_skip_test("%s", run->errors);
	expect_exit(run, 0);
}

static void as_somebody_else(struct run *run, const char *inherited, const char *ambient)
{
	skip_unless_root();
	*run = (struct run){ .helper = "/usr/bin/setpriv",
			     .preload = RUN_BARE,
			     .prepare = with_two_pages,
			     .args = { "--reuid=65534", "--regid=65534", "--clear-groups",
				       inherited, ambient, build_path("bin/mmfence"), "doctor",
				       "data" } };
	if (access(run->helper, X_OK))
		cr_skip_test("no setpriv");
	run_helper(run);
	if (run_exit(run) >= 126)
		cr_skip_test("another user cannot run it from there");
	expect_exit(run, 0);
}

Test(command, doctor_finds_that_an_owner_is_guarded)
{
	struct run run = COMMAND("doctor", "data");

	run.prepare = with_two_pages;
	run_helper(&run);
	expect_exit(&run, 0);
	expect_line(&run, "/work/data, on ");
	expect_line(&run, "ok  read-only private mapping: ");
	expect_line(&run, "/work/data: guard, proven, 8.0 KiB r--p at ");
	expect_line(&run, "ok  writable private mapping: ");
	expect_line(&run, "ok  when somebody writes: ");
	expect_no_line(&run, "advice: ");
	run_end(&run);
}

Test(command, doctor_advises_who_is_not_the_owner)
{
	struct run run;

	as_somebody_else(&run, "--inh-caps=-all", "--ambient-caps=-all");
	expect_line(&run, ", verified (no lease: not the file's owner), 8.0 KiB r--p at ");
	expect_line(&run, "\n--  advice: run as the file's owner, or with CAP_LEASE");
	expect_line(&run, "AmbientCapabilities=CAP_LEASE");
	run_end(&run);
}

Test(command, doctor_knows_what_cap_lease_is_for)
{
	struct run run;

	as_somebody_else(&run, "--inh-caps=+lease", "--ambient-caps=+lease");
	expect_line(&run, "data: guard, proven, ");
	expect_no_line(&run, "advice: ");
	run_end(&run);
}

static char shared_data[PATH_MAX];

Test(command, doctor_names_who_writes)
{
	struct run run = COMMAND("doctor", shared_data);
	char line[128];

	strcpy(shared_data, "/tmp/mmfence-doctor-test.XXXXXX");
	int fd = mkostemp(shared_data, O_CLOEXEC);
	cr_assert(fd >= 0 && !ftruncate(fd, 8192));

	run_helper(&run);
	expect_exit(&run, 0);
	expect_line(&run, "(somebody has the file open for writing)");
	snprintf(line, sizeof(line), "--  writer: %d (", getpid());
	expect_line(&run, line);
	expect_no_line(&run, "guard, proven");
	expect_no_line(&run, "advice: ");
	run_end(&run);
	close(fd);
	unlink(shared_data);
}

Test(command, doctor_knows_tmpfs)
{
	struct run run = COMMAND("doctor", shared_data);

	strcpy(shared_data, "/dev/shm/mmfence-doctor-test.XXXXXX");
	struct statfs system;
	if (statfs("/dev/shm", &system) || system.f_type != TMPFS_MAGIC)
		cr_skip_test("no tmpfs in /dev/shm");
	int fd = mkostemp(shared_data, O_CLOEXEC);
	cr_assert(fd >= 0, "%s: %s", shared_data, strerror(errno));
	close(fd);
	write_pages(shared_data, 2);
	run_helper(&run);
	unlink(shared_data);
	expect_exit(&run, 0);
	expect_line(&run, ", on tmpfs\n");
	expect_line(&run, ": guard, proven, ");
	expect_line(&run, ": 1 preserved, 8.0 KiB copied (memory) in ");
	run_end(&run);
}

Test(command, doctor_leaves_special_files_alone)
{
	struct run proc = COMMAND("doctor", "/proc/version");
	struct run device = COMMAND("doctor", "/dev/null");

	run_helper(&proc);
	expect_exit(&proc, 0);
	expect_line(&proc, "ok  file: /proc/version, on procfs\n");
	expect_line(&proc, "--  mappings: left alone: ");
	run_helper(&device);
	expect_exit(&device, 0);
	expect_line(&device, "--  file: /dev/null is no file that can be mapped\n");
	run_end(&proc);
	run_end(&device);
}

Test(command, doctor_of_what_is_not_there)
{
	struct run missing = COMMAND("doctor", "/no/such/file");

	expect_refusal(&missing, "mmfence: /no/such/file: not found\n");
}

/* Its own directory first; then, for a user who may not write there, the one that was named. */
Test(command, doctor_finds_where_clones_are_made)
{
	struct run run;

	if (kernel_is_before("4.5"))
		cr_skip_test("FICLONE came with Linux 4.5");
	run_in_mounts(&run,
		      "command -v mkfs.xfs >/dev/null && truncate -s 400M image &&"
		      " mkfs.xfs -q -m reflink=1 image && mkdir xfs && mount -o loop image xfs ||"
		      " { echo 'no XFS can be made and mounted here' >&2; exit 77; }\n"
		      "cp data xfs/data && mkdir -m 1777 xfs/clones && doctor xfs/data || exit 1\n"
		      "export MMFENCE_SNAPSHOT_CLONE_DIR=$PWD/xfs/clones\n"
		      "mount --bind xfs/data data && doctor data\n");
	expect_line(&run, "/work/xfs/data, on XFS\n");
	expect_line(&run, "/work/xfs/data: 1 preserved, 0 bytes copied (clone) in ");
	expect_line(&run, "/work/data: 1 preserved, 0 bytes copied (clone) in ");
	run_end(&run);
}

/* The user's cache is the only place on the file's file system where that user may write. */
Test(command, doctor_and_the_library_make_the_same_clone)
{
	static char script[3 * PATH_MAX];
	struct run run;

	snprintf(
		script, sizeof(script),
		"command -v mkfs.xfs >/dev/null && command -v setpriv >/dev/null &&"
		" truncate -s 400M image && mkfs.xfs -q -m reflink=1 image && mkdir xfs &&"
		" mount -o loop image xfs || { echo 'no XFS can be mounted here' >&2; exit 77; }\n"
		"mkdir -p xfs/home/.cache && cp data xfs/data && chown -R 65534:65534 xfs/* || exit 1\n"
		"as() { env -u TMPDIR -u XDG_CACHE_HOME HOME=xfs/home"
		" setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"; }\n"
		"as %s doctor xfs/data || exit 77\n"
		"as %s run -q --log xfs/home/log -- %s prot=rw writer=none xfs/data || exit 1\n"
		"grep -o '\"engine\":\"[a-z]*\"' xfs/home/log\n",
		build_path("bin/mmfence"), build_path("bin/mmfence"),
		build_path("helpers/plain/observe"));
	run_in_mounts(&run, script);
	expect_line(&run, "xfs/data: clone, proven, ");
	expect_line(&run, "\n\"engine\":\"clone\"\n");
	run_end(&run);
}

Test(command, doctor_does_not_trust_every_file_system)
{
	struct run run;

	run_in_mounts(&run, "mkdir queue && mount -t mqueue none queue && : >queue/data ||"
			    " { echo 'no mqueue file system here' >&2; exit 77; }\n"
			    "doctor queue/data\n");
	expect_line(&run, ", on mqueue\n");
	expect_no_line(&run, "guard, proven");
	run_end(&run);
}

Test(command, doctor_knows_that_leases_are_switched_off)
{
	struct run run;

	run_in_mounts(&run, "echo 0 >off && mount --bind off /proc/sys/fs/leases-enable ||"
			    " { echo 'nothing can be mounted here' >&2; exit 77; }\n"
			    "doctor data\n");
	expect_line(&run, "--  fs.leases-enable: 0: ");
	run_end(&run);
}

Test(command, doctor_knows_the_settings_of_a_file)
{
	struct run limit = COMMAND("doctor", "data");
	struct run excluded = COMMAND("doctor", "data");
	struct run none = COMMAND("doctor", "data"), json = COMMAND("doctor", "--json", "data");

	limit.prepare = excluded.prepare = none.prepare = json.prepare = with_two_pages;
	limit.options[0] = "snapshot.copy-limit=4K";
	limit.options[1] = "snapshot.preserve=memory";
	run_helper(&limit);
	expect_line(&limit, "data: guard, proven, ");
	expect_line(&limit, "\n--  writable private mapping: ");
	expect_line(&limit, "larger than snapshot.copy-limit");
	expect_line(&limit, "--  advice: --snapshot FILE, or -o snapshot.copy-limit=SIZE\n");
	excluded.options[0] = "snapshot.exclude=/**/data";
	run_helper(&excluded);
	expect_line(&excluded, "--  mappings: left alone: the settings say so");
	none.options[0] = "snapshot.preserve=spill";
	run_helper(&none);
	expect_line(&none, "\n--  when somebody writes: ");
	expect_line(&none, "there is no snapshot.spill-dir to write to");
	run_helper(&json);
	expect_exit(&json, 0);
	json_t *lines = json_loads(json.output, 0, NULL);
	json_t *last = json_array_get(lines, json_array_size(lines) - 1);
	cr_assert(last, "%s", json.output);
	cr_expect_str_eq(field_string(last, "mark"), "ok");
	cr_expect_str_eq(field_string(last, "what"), "when somebody writes");
	cr_expect(field_string(last, "detail"));
	json_decref(lines);
	run_end(&json);
	run_end(&limit);
	run_end(&excluded);
	run_end(&none);
}
