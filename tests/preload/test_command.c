/* SPDX-License-Identifier: MIT */
/*
 * The command as such: its version, its help, and what it is told by a name that it does not know.
 */
#include <stdio.h>
#include <string.h>

#include "runner.h"

BY_PATH(command, version_and_unknown_commands)
{
	struct run version = { .mmfence = "--version" };

	run_helper(&version);
	run_must_hold(&version);
	cr_assert(!strncmp(version.output, "mmfence ", 8), "%s", version.output);
	run_end(&version);
	TRY(.mmfence = "nosuch",
	    .refuses = "there is no command \"nosuch\"; mmfence help lists them\n");
}

REFUSES(command, a_wrong_command_is_told_its_nearest, "reprot log",
	"there is no command \"reprot\"; did you mean \"report\"?")

static void say_the_same(const char *one, const char *other)
{
	struct run first = { .mmfence = one, .env = { "MANPATH=/nonexistent" } };
	const char *variant = NULL;

	run_helper(&first);
	run_must_hold(&first);
	cr_assert(*first.output);
	TRY(.mmfence = other, .says = first.output);
	run_end(&first);
}

Test(command, help_is_a_command_and_h_is_help)
{
	say_the_same("--help", "help");
	say_the_same("-h", "help help");
	say_the_same("help run", "run -h");
	say_the_same("help check", "check -h");
	say_the_same("help log", "log -h");
	say_the_same("help report", "report -h");
	say_the_same("help pages", "pages -h");
	say_the_same("help doctor", "doctor -h");
}

GIVEN(command, help_of_a_command_opens_its_page, "help run", .env = { "PATH=.:/usr/bin:/bin" },
      .files = { PROGRAM("man", "#!/bin/sh\n[ \"$1\" != -w ] || exit 0\necho \"shows $*\"\n") },
      .says = "shows mmfence-run\n")

static void no_option_is_missing(const struct run *run)
{
#define OPTION(section, key, field, type, initial, values, flag, arg, help) \
	run_shows(run, "\n  " section "." key "=");
#include "policy/options.def"
#undef OPTION
}

/* The presets come before the flags, and no line runs into the next. */
RUNS_AND(BY_PATH, command, help_begins_with_presets_and_fits, .mmfence = "run --help")
{
	const char *preset = strstr(run->output, "--preset=audit"),
		   *flag = strstr(run->output, "--config=FILE");

	cr_assert(preset && flag && preset < flag, "%s", run->output);
	for (const char *at = run->output; *at; at += strcspn(at, "\n") + 1) {
		size_t blanks = strspn(at, " "), length = strcspn(at, "\n");

		cr_assert(length < 80 && (blanks <= 8 || blanks == 29), "%.*s", (int)length, at);
	}
	no_option_is_missing(run);
}
