/* SPDX-License-Identifier: MIT */
/*
 * A6 and the exec half of P4: a program that starts another takes the fence along, or the
 * log says that it could not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_guard_stage.h"

/* Starts "observe" by way of "launch". */
#define LAUNCHES(way) .helper = "launch", .args = { way, build_path("helpers/%s/observe", variant) }

#define FOLLOWED(name)                                                                      \
	RUNS(EACH_VARIANT, P4, fence_follows_##name, LAUNCHES(#name), .says = "captured\n", \
	     .finds = { "snapshot.create 1", "coverage.gap 0" })

FOLLOWED(execve)
FOLLOWED(empty)
FOLLOWED(other)
FOLLOWED(many)
FOLLOWED(unset)
FOLLOWED(clearenv)
FOLLOWED(replaced)
FOLLOWED(execvp)
FOLLOWED(execvpe)
FOLLOWED(execl)
FOLLOWED(execle)
FOLLOWED(fexecve)
FOLLOWED(execveat)
FOLLOWED(syscall)
FOLLOWED(posix_spawn)
FOLLOWED(posix_spawn_empty)
FOLLOWED(posix_spawnp)
FOLLOWED(fork)
FOLLOWED(vfork)
FOLLOWED(system)
FOLLOWED(twice)
FOLLOWED(two_preloads)
FOLLOWED(preload_only)
FOLLOWED(system_preload_only)
FOLLOWED(small_stack)

/* Functions that this libc may not have: there a library stands for them. */
EACH_WIDTH(P4, fence_follows_pidfd_spawn)
{
	static const char *const ways[] = { "pidfd_spawn", "pidfd_spawn_empty", "pidfd_spawnp" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		TRY(LAUNCHES(ways[i]),
		    .preload_after = build_path("helpers/%s/pidfd_spawn.so", variant),
		    .says = "captured\n", .finds = { "snapshot.create 1", "coverage.gap 0" });
}

EACH_WIDTH(A6, static_program_by_pidfd_spawn)
{
	TRY(.helper = "launch", .args = { "pidfd_spawn", build_path("helpers/static/noop"), "7" },
	    .ends_with = 7, .preload_after = build_path("helpers/%s/pidfd_spawn.so", variant),
	    .finds = { "coverage.gap 1", "coverage.gap mmfence.gap.reason=static" });
}

/* P4, A6: with follow=none the program's wish is granted, and the log says so. */
EACH_WIDTH(A6, preload_removed)
{
	static const char *const ways[] = { "empty",   "unset",	      "replaced",
					    "fexecve", "syscall",     "posix_spawn_empty",
					    "vfork",   "two_preloads" };

	TRY(LAUNCHES("preload_only"), .options = { "process.follow=none" },
	    .finds = { "coverage.gap mmfence.gap.reason=environment" });

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		TRY(LAUNCHES(ways[i]), .options = { "process.follow=none" }, .says = "plain\n",
		    .finds = { "coverage.gap mmfence.gap.reason=environment",
			       "coverage.gap file.path~observe" });
	TRY(LAUNCHES("system"), .options = { "process.follow=none" }, .says = "plain\n",
	    .finds = { "coverage.gap mmfence.gap.reason=environment" });
}

/* The options go along too, and the preset that others start from. */
EACH_WIDTH(P4, options_follow)
{
	TRY(LAUNCHES("empty"), .options = { "snapshot.copy-limit=4K", "snapshot.guard=none" },
	    .says = "plain\n", .finds = { "snapshot.unprotected 1" });
	TRY(LAUNCHES("empty"), .env = { "MMFENCE_PRESET=audit" }, .says = "plain\n");
}

#define GAP(reason, program)                                                            \
	"coverage.gap 1", "coverage.gap mmfence.gap.reason=" reason " & error.message", \
		"coverage.gap file.path~" program

static void gap_is(const struct run *run, const char *reason)
{
	run_finds(run, "coverage.gap 1");
	run_finds(run, "coverage.gap file.path~noop & error.message");
	cr_assert_str_eq(field_string(find_event(run, "coverage.gap"), "mmfence.gap.reason"),
			 reason);
}

/* Starts a program by several ways; each must leave one gap, and run. */
static void leaves_a_gap(const char *variant, const char *program, const char *reason,
			 const char *preload, bool whatever_the_status)
{
	static const char *const ways[] = { "execve", "execvp", "fexecve",     "posix_spawn",
					    "vfork",  "empty",	"fexecve_path" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct run run = { .variant = variant,
				   .helper = "launch",
				   .args = { ways[i], program, "7" },
				   .preload = preload };
		run_helper(&run);
		cr_assert(run_exit(&run) == 7 || whatever_the_status, "%s: %d", ways[i],
			  run_exit(&run));
		gap_is(&run, reason);
		run_end(&run);
	}
}

RUNS(EACH_WIDTH, A6, program_of_go, .helper = "go_note", .finds = { GAP("own-calls", "go_note") })

EACH_WIDTH(A6, static_program)
{
	leaves_a_gap(variant, build_path("helpers/static/noop"), "static", NULL, false);
}

/* A program of musl, whose dynamic linker need not be there. */
EACH_WIDTH(A6, program_of_musl)
{
	char program[PATH_MAX], command[3 * PATH_MAX];

	snprintf(program, sizeof(program), "%s/noop.musl.%s", getenv("MMFENCE_TMP") ?: "/tmp",
		 variant);
	snprintf(command, sizeof(command),
		 "sed 's|/ld-linux-x86-64.so.2|/ld-musl-x86-64.so.1\\x00|; "
		 "s|/ld-linux.so.2|/ld-musl.so.1\\x00|' '%s' >'%s' && chmod +x '%s'",
		 build_path("helpers/%s/noop", variant), program, program);
	cr_assert(!system(command));
	leaves_a_gap(variant, program, "libc", NULL, true);
	unlink(program);
}

static char *copy_set_id(const char *variant, mode_t mode)
{
	char command[2 * PATH_MAX];
	char *program;

	cr_assert(asprintf(&program, "%s/noop.%o.%s", getenv("MMFENCE_TMP") ?: "/tmp", mode,
			   variant) > 0);
	snprintf(command, sizeof(command), "cp '%s' '%s'", build_path("helpers/%s/noop", variant),
		 program);
	cr_assert(system(command) == 0 && chown(program, 65534, 65534) == 0 &&
		  chmod(program, mode) == 0);
	return program;
}

static void set_id_program(const char *variant, mode_t mode)
{
	skip_unless_root();
	char *program = copy_set_id(variant, mode);
	leaves_a_gap(variant, program, "set-id", NULL, false);
	unlink(program);
	free(program);
}

EACH_WIDTH(A6, set_user_id_program)
{
	set_id_program(variant, 04755);
}

EACH_WIDTH(A6, set_group_id_program)
{
	set_id_program(variant, 02755);
}

/* What may be executed and not read. */
static void run_unreadable(const char *variant, const char *program, const char *gap)
{
	TRY(.helper = "/usr/bin/setpriv", .as_root = true, .ends_with = 7,
	    .args = { "--reuid=1000", "--regid=1000", "--clear-groups", "env", program, "7" },
	    .finds = { gap });
}

static void unreadable_program(const char *variant, mode_t mode, const char *gap)
{
	char *program = copy_set_id(variant, mode);

	run_unreadable(NULL, program, gap);
	unlink(program);
	free(program);
}

EACH_WIDTH(A6, program_that_is_not_to_be_read)
{
	unreadable_program(variant, 0111, "coverage.gap mmfence.gap.reason=unreadable");
	unreadable_program(variant, 04111, "coverage.gap mmfence.gap.reason=set-id");
}

/* A static shell that libc starts is one, as any program. */
RUNS(BY_PATH, A6, static_shell_of_system, .as_root = true,
     .sh = "exec unshare -m sh -c '\n"
	   "sh=$(readlink -f /bin/sh); mount --bind $HELPERS/../static/noop $sh || exit 77\n"
	   "LD_PRELOAD=$BUILD/lib/x86_64-linux-gnu/libmmfence.so exec $HELPERS/launch system 7'",
     .finds = { "coverage.gap mmfence.gap.reason=static" })

/* A preload without $LIB is of one word size only. */
Test(A6, program_of_another_word_size)
{
	const char *library = build_path("lib/x86_64-linux-gnu/libmmfence.so");

	skip_without_32_bit();
	leaves_a_gap("plain", build_path("helpers/m32/noop"), "architecture", library, false);
}

Test(A6, program_of_another_word_size_from_32_bit)
{
	const char *library = build_path("lib32/libmmfence.so");

	leaves_a_gap("m32", build_path("helpers/plain/noop"), "architecture", library, false);
}

static void one_is_narrow(struct run *run)
{
	cr_assert(field_number(find_event_number(run, "process.start", 1), "mmfence.bits") == 32 ||
		  field_number(find_event(run, "process.start"), "mmfence.bits") == 32);
}

/* With $LIB both word sizes are followed. */
ONCE(A6, both_word_sizes_are_followed)
{
	skip_without_32_bit();
	TRY(.helper = "launch", .args = { "execve", build_path("helpers/m32/observe") },
	    .says = "captured\n", .finds = { "coverage.gap 0" }, .look = one_is_narrow);
}

static void call_is_of_the_helper(struct run *run)
{
	json_t *modules = field(find_event(run, "snapshot.create"), "mmfence.modules");
	const char *path = field_string(json_array_get(modules, 0), "path");

	cr_assert(path && strstr(path, "/observe"), "%s", path);
}

/* So is a program that the dynamic linker was told to start. Its calls are its own, and not of the
 * linker, which is what the kernel executes. */
EACH_WIDTH(A6, dynamic_linker_by_hand)
{
	const char *linker =
		strcmp(variant, "m32") ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux.so.2";

	if (access(linker, X_OK))
		cr_skip_test("no dynamic linker at %s", linker);
	TRY(.helper = "launch",
	    .args = { "execve", linker, build_path("helpers/%s/observe", variant) },
	    .says = "captured\n", .finds = { "coverage.gap 0" }, .look = call_is_of_the_helper);
}

/* A script is as good as its interpreter. */
EACH_WIDTH(A6, script)
{
	char script[PATH_MAX];

	snprintf(script, sizeof(script), "%s/script.%s", getenv("MMFENCE_TMP") ?: "/tmp", variant);
	FILE *file = fopen(script, "we");
	cr_assert(file);
	fprintf(file, "#!/bin/sh\nexec '%s'\n", build_path("helpers/%s/observe", variant));
	fclose(file);
	cr_assert(chmod(script, 0755) == 0);
	TRY(.helper = "launch", .args = { "empty", script }, .says = "captured\n",
	    .finds = { "coverage.gap 0" });
	unlink(script);
}

/* P1: a shell is started with the preload put back, and the program sees nothing of it. */
HELPER_HOLDS(P1, shells_leave_signals_alone, "shell", NULL)

/* P1: valgrind is not told of pointers that nobody uses. */
RUNS(BY_PATH, P1, valgrind_has_nothing_to_complain_of, .complains = "", .ends_with = 7,
     .sh = "command -v valgrind >/dev/null || exit 77\n"
	   "exec $mmfence run -q -- valgrind -q --error-exitcode=9 $HELPERS/launch system "
	   "$HELPERS/noop 7",
     .expects = { "coverage.gap" })

/* Only names of options get into a shell's command. */
RUNS_AND(ONCE, A5, names_of_variables_are_no_commands, .helper = "shell",
	 .env = { "MMFENCE_X$(touch touched)=1" })
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/work/touched", run->dir);
	cr_assert(access(path, F_OK) == -1);
}

/* ---- A7: the log of a program that may not open it any more ---- */

#define WRITES_ON(each, name, gaps, ...)                                                   \
	RUNS(each, A7, name, .helper = "handed", .args = { __VA_ARGS__ }, .as_root = true, \
	     .finds = { "selfmem.open", "process.start", gaps })
/* A shell that libc starts is one. */
#define SHELL  "coverage.gap 1", "coverage.gap mmfence.gap.reason=log"
#define NO_GAP "coverage.gap 0"

WRITES_ON(EACH_VARIANT, log_is_handed_to_who_may_not_open_it, NO_GAP, "drop")
WRITES_ON(EACH_WIDTH, log_is_handed_on_by_a_child_of_vfork, NO_GAP, "drop", "vfork")
WRITES_ON(EACH_WIDTH, log_is_handed_on_by_system, SHELL, "drop", "system")
WRITES_ON(EACH_WIDTH, log_is_handed_on_by_popen, SHELL, "drop", "popen")
WRITES_ON(EACH_WIDTH, log_is_handed_on_at_a_number_that_is_taken, SHELL, "drop", "taken")
WRITES_ON(EACH_WIDTH, log_is_handed_to_who_may_open_it_until_exec, NO_GAP, "keep")

#define CLOSES_THE_LOG(name, how)                                                                \
	RUNS(EACH_WIDTH, A7, name, .helper = "handed", .args = { "drop", how }, .as_root = true, \
	     .finds = { "coverage.gap 1", "coverage.gap mmfence.gap.reason=log" })

CLOSES_THE_LOG(log_is_not_handed_on_where_all_is_closed, "closed")
CLOSES_THE_LOG(log_is_not_handed_on_where_each_is_closed, "each")
/* Who may open it by its name hands it on no further. */
WRITES_ON(EACH_WIDTH, log_that_was_handed_on_is_opened_by_its_name, NO_GAP, "keep", "twice")

/* A6, P1: a library that is not there is a gap, and no message of the dynamic linker's. */
EACH_WIDTH(A6, library_that_is_gone)
{
	char copy[] = "/tmp/mmfence-gone.XXXXXX", text[256];

	cr_assert(mkdtemp(copy));
	snprintf(text, sizeof(text), "cp %s %s/libmmfence.so",
		 build_path(!strcmp(variant, "m32") ? "lib32/libmmfence.so"
						    : "lib/x86_64-linux-gnu/libmmfence.so"),
		 copy);
	cr_assert(system(text) == 0);
	snprintf(text, sizeof(text), "%s/libmmfence.so", copy);
	TRY(.helper = "handed", .args = { "unlink", text }, .preload = text, .complains = "",
	    .finds = { "coverage.gap mmfence.gap.reason=library", "selfmem.open 0" });
	rmdir(copy);
}

/* Nor one that may not be loaded. */
RUNS(BY_PATH, A6, library_on_a_file_system_without_programs, .as_root = true,
     .sh = "exec unshare -m sh -c '\n"
	   "mkdir there && mount -t tmpfs none there || exit 77\n"
	   "cp $BUILD/lib/x86_64-linux-gnu/libmmfence.so there\n"
	   "export LD_PRELOAD=$PWD/there/libmmfence.so\n"
	   "exec sh -c \"mount -o remount,noexec there; true; /bin/true; exit 0\"'",
     .finds = { "coverage.gap mmfence.gap.reason=library" })

/* Nor one that whoever the program became may not read. */
RUNS(BY_PATH, A6, library_that_may_not_be_read, .as_root = true,
     .sh = "d=$(mktemp -d /tmp/mmfence-kept.XXXXXX) && chmod 755 $d || exit 77; "
	   "cp $BUILD/lib/x86_64-linux-gnu/libmmfence.so $d; chmod 600 $d/libmmfence.so; "
	   "LD_PRELOAD=$d/libmmfence.so setpriv --reuid 65534 --clear-groups true; rm -r $d",
     .complains = "", .finds = { "coverage.gap mmfence.gap.reason=library" })

/* Where the dynamic linker searches for it, nobody else can say that it is not there. */
BY_PATH(A6, library_that_is_searched_for_is_no_gap)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "LD_LIBRARY_PATH=%s", build_path("lib/x86_64-linux-gnu"));
	TRY(.helper = "/usr/bin/env", .args = { build_path("helpers/plain/observe") },
	    .preload = "libmmfence.so", .env = { path },
	    .finds = { "coverage.gap 0", "snapshot.create 1" });
}
