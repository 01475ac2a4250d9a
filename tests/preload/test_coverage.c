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
static void launch_observe(struct run *run, const char *way)
{
	run->helper = "launch";
	run->args[0] = way;
	run->args[1] = build_path("helpers/%s/observe", run->variant);
	run_helper(run);
	run_must_hold(run);
}

static void is_followed(const char *variant, const char *way)
{
	struct run run = { .variant = variant };

	launch_observe(&run, way);
	cr_assert_str_eq(run.output, "captured\n", "%s: %s", way, run.output);
	cr_assert(count_events(&run, "snapshot.create") == 1, "%s: no record of the new program",
		  way);
	cr_assert(count_events(&run, "coverage.gap") == 0, "%s", way);
	run_end(&run);
}

#define FOLLOWED(name)                         \
	EACH_VARIANT(P4, fence_follows_##name) \
	{                                      \
		is_followed(variant, #name);   \
	}

FOLLOWED(execve)
FOLLOWED(empty)
FOLLOWED(other)
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

/* P4, A6: with follow=none the program's wish is granted, and the log says so. */
EACH_WIDTH(A6, preload_removed)
{
	static const char *const ways[] = { "empty",   "unset",	  "replaced",
					    "fexecve", "syscall", "posix_spawn_empty",
					    "vfork" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct run run = { .variant = variant, .options = { "process.follow=none" } };
		launch_observe(&run, ways[i]);
		cr_assert_str_eq(run.output, "plain\n", "%s: %s", ways[i], run.output);
		json_t *gap = find_event(&run, "coverage.gap");
		cr_assert(gap, "%s: no coverage.gap", ways[i]);
		cr_assert_str_eq(field_string(gap, "mmfence.gap.reason"), "environment");
		cr_assert(strstr(field_string(gap, "file.path"), "observe"));
		run_end(&run);
	}
}

/* The options go along too. */
EACH_WIDTH(P4, options_follow)
{
	struct run run = { .variant = variant,
			   .options = { "snapshot.copy-limit=4K", "snapshot.guard=none" } };

	launch_observe(&run, "empty");
	cr_assert_str_eq(run.output, "plain\n");
	cr_assert(count_events(&run, "snapshot.unprotected") == 1);
	run_end(&run);
}

static void gap_is(struct run *run, const char *reason, const char *program)
{
	json_t *gap = find_event(run, "coverage.gap");

	cr_assert(gap, "no coverage.gap");
	cr_assert(count_events(run, "coverage.gap") == 1);
	cr_assert_str_eq(field_string(gap, "mmfence.gap.reason"), reason);
	cr_assert(strstr(field_string(gap, "file.path"), program), "%s",
		  field_string(gap, "file.path"));
	cr_assert(field_string(gap, "error.message"));
}

/* Starts a program by several ways; each must leave one gap, and run. */
static void leaves_a_gap(const char *variant, const char *program, const char *reason,
			 const char *preload, bool whatever_the_status)
{
	static const char *const ways[] = { "execve",	   "execvp", "fexecve",
					    "posix_spawn", "vfork",  "empty" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct run run = { .variant = variant,
				   .helper = "launch",
				   .args = { ways[i], program, "7" },
				   .preload = preload };
		run_helper(&run);
		cr_assert(run_exit(&run) == 7 || whatever_the_status, "%s: %d", ways[i],
			  run_exit(&run));
		gap_is(&run, reason, "noop");
		run_end(&run);
	}
}

EACH_WIDTH(A6, static_program)
{
	leaves_a_gap(variant, build_path("helpers/static/noop"), "static", NULL, false);
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

EACH_WIDTH(A6, set_user_id_program)
{
	skip_unless_root();
	char *program = copy_set_id(variant, 04755);
	leaves_a_gap(variant, program, "set-id", NULL, false);
	unlink(program);
	free(program);
}

EACH_WIDTH(A6, set_group_id_program)
{
	skip_unless_root();
	char *program = copy_set_id(variant, 02755);
	leaves_a_gap(variant, program, "set-id", NULL, false);
	unlink(program);
	free(program);
}

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

/* With $LIB both word sizes are followed. */
Test(A6, both_word_sizes_are_followed)
{
	struct run run = { .variant = "plain", .helper = "launch" };

	skip_without_32_bit();
	run.args[0] = "execve";
	run.args[1] = build_path("helpers/m32/observe");
	run_helper(&run);
	cr_assert_str_eq(run.output, "captured\n");
	cr_assert(count_events(&run, "coverage.gap") == 0);
	cr_assert(field_number(find_event_number(&run, "process.start", 1), "mmfence.bits") == 32 ||
		  field_number(find_event(&run, "process.start"), "mmfence.bits") == 32);
	run_end(&run);
}

/* So is a program that the dynamic linker was told to start. */
EACH_WIDTH(A6, dynamic_linker_by_hand)
{
	struct run run = { .variant = variant, .helper = "launch", .args = { "execve" } };

	run.args[1] = strcmp(variant, "m32") ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux.so.2";
	run.args[2] = build_path("helpers/%s/observe", variant);
	if (access(run.args[1], X_OK))
		cr_skip_test("no dynamic linker at %s", run.args[1]);
	run_helper(&run);
	cr_assert_str_eq(run.output, "captured\n", "%s", run.output);
	cr_assert(count_events(&run, "coverage.gap") == 0);
	run_end(&run);
}

/* A script is as good as its interpreter. */
EACH_WIDTH(A6, script)
{
	struct run run = { .variant = variant, .helper = "launch", .args = { "empty" } };
	char script[PATH_MAX];

	snprintf(script, sizeof(script), "%s/script.%s", getenv("MMFENCE_TMP") ?: "/tmp", variant);
	FILE *file = fopen(script, "we");
	cr_assert(file);
	fprintf(file, "#!/bin/sh\nexec '%s'\n", build_path("helpers/%s/observe", variant));
	fclose(file);
	cr_assert(chmod(script, 0755) == 0);
	run.args[1] = script;
	run_helper(&run);
	cr_assert_str_eq(run.output, "captured\n", "%s", run.output);
	cr_assert(count_events(&run, "coverage.gap") == 0);
	run_end(&run);
	unlink(script);
}

/* P1: a shell is started with the preload put back, and the program sees nothing of it. */
HELPER_HOLDS(P1, shells_leave_signals_alone, "shell", NULL)

/* ---- A7: the log of a program that may not open it any more ---- */

static void writes_on(const char *variant, const char *how, const char *further)
{
	struct run run = { .variant = variant, .helper = "handed", .args = { how, further } };

	skip_unless_root();
	run_helper(&run);
	cr_assert(run_exit(&run) == 0, "%s", run.errors);
	json_t *opened = find_event(&run, "selfmem.open");
	cr_assert(opened, "the program that was started wrote nothing");
	cr_assert(find_event(&run, "process.start"));
	cr_assert(count_events(&run, "coverage.gap") == 0);
	run_end(&run);
}

EACH_VARIANT(A7, log_is_handed_to_who_may_not_open_it)
{
	writes_on(variant, "drop", NULL);
}

EACH_WIDTH(A7, log_is_handed_on_by_a_child_of_vfork)
{
	writes_on(variant, "drop", "vfork");
}

EACH_WIDTH(A7, log_is_handed_to_who_may_open_it_until_exec)
{
	writes_on(variant, "keep", NULL);
}

/* A6, P1: a library that is not there is a gap, and no message of the dynamic linker's. */
EACH_WIDTH(A6, library_that_is_gone)
{
	struct run run = { .variant = variant, .helper = "handed", .args = { "unlink" } };
	char copy[] = "/tmp/mmfence-gone.XXXXXX", text[256];

	cr_assert(mkdtemp(copy));
	snprintf(text, sizeof(text), "cp %s %s/libmmfence.so",
		 build_path(!strcmp(variant, "m32") ? "lib32/libmmfence.so"
						    : "lib/x86_64-linux-gnu/libmmfence.so"),
		 copy);
	cr_assert(system(text) == 0);
	snprintf(text, sizeof(text), "%s/libmmfence.so", copy);
	run.preload = text;
	run.args[1] = text;
	run_helper(&run);
	cr_assert(run_exit(&run) == 0);
	cr_assert_str_empty(run.errors);
	json_t *gap = find_event(&run, "coverage.gap");
	cr_assert(gap);
	cr_assert_str_eq(field_string(gap, "mmfence.gap.reason"), "library");
	cr_assert(count_events(&run, "selfmem.open") == 0);
	rmdir(copy);
	run_end(&run);
}
