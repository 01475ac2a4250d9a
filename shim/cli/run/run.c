/* SPDX-License-Identifier: MIT */
/*
 * `mmfence run': settles every option before anything is started, and hands the
 * result to the library by environment alone, so that no configuration file is
 * read a second time in a process that may not be able to.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/run/run.h"
#include "cli/text/text.h"
#include "kernel/file.h"

/* The flags. */

static void keep_setting(struct run *run, const char *name, const char *value)
{
	size_t room = (run->setting_count + 2) * sizeof(*run->settings);

	run->settings = resize(run->settings, room);
	run->settings[run->setting_count++] = (char *)name;
	run->settings[run->setting_count++] = (char *)value;
}

static void take_setting(void *run, const char *argument)
{
	char *equals = strchr(argument, '=');

	if (!equals)
		refuse("-o %s: there is no value (-o section.key=value)", argument);
	*equals = 0;
	keep_setting(run, argument, equals + 1);
}

/* One that has a flag of its own. */
static void take_flag(void *run, const char *argument)
{
	for (size_t i = 0; i < policy_option_count; i++)
		if (policy_options[i].flag &&
		    !strcmp(policy_options[i].flag, options_current->name))
			keep_setting(run, policy_options[i].name, argument);
}

const struct setting *run_settings(const struct setting *more, size_t count)
{
	static const struct setting own[] = {
		{ NULL, 'o', "SECTION.KEY=VALUE", "set any option; may be repeated", 0,
		  take_setting },
		{ "config", 0, "FILE",
		  "configuration file instead of MMFENCE_CONFIG or " POLICY_FILE,
		  offsetof(struct run, config), NULL },
		{ "preset", 0, "NAME", "begin with a preset, instead of MMFENCE_PRESET's",
		  offsetof(struct run, preset), NULL },
		{ "quiet", 'q', NULL, "no summary at the end", offsetof(struct run, quiet), NULL },
	};
	const size_t owns = sizeof(own) / sizeof(*own);
	struct setting *all = take((owns + policy_option_count + count + 1) * sizeof(*all));
	size_t used = owns;

	memcpy(all, own, sizeof(own));
	for (size_t i = 0; i < policy_option_count; i++) {
		const struct policy_option *it = &policy_options[i];

		if (it->flag)
			all[used++] =
				(struct setting){ it->flag,
						  0,
						  it->argument,
						  format_text("-o %s=%s", it->name, it->argument),
						  0,
						  take_flag };
	}
	for (size_t i = 0; i < count; i++)
		all[used++] = more[i];
	return all;
}

/* What they come to. */

static int complaints;

static void complain_of_setting(const char *sentence)
{
	complain("%s", sentence);
	complaints++;
}

/* Patterns given twice on the command line add up, and replace those of other sources. */
static void apply_settings(struct run *run)
{
	bool *seen = calloc(policy_option_count, sizeof(*seen));
	char error[1024];

	for (size_t i = 0; seen && i < run->setting_count; i += 2) {
		const char *name = run->settings[i];
		const char *value = run->settings[i + 1];
		int index = policy_find(name);
		bool again = index >= 0 && seen[index];

		if (index >= 0)
			seen[index] = true;
		if ((again ? policy_add : policy_set)(&run->policy, name, value, error,
						      sizeof(error)))
			complain_of_setting(error);
	}
	free(seen);
}

/* gcc's AddressSanitizer ends the program if another library comes first, unless told not to look.
 * The command may start such programs too. What the user has set comes last, and counts. */
static void export_for_sanitizer(void)
{
	char *value = format_text("verify_asan_link_order=0:%s", getenv("ASAN_OPTIONS") ?: "");

	setenv("ASAN_OPTIONS", value, 1);
	free(value);
}

/* What all processes have in common is open here as long as any of them may run. */
static void export_family(void)
{
	int fd = memfd_create("mmfence", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;

	unsetenv("MMFENCE_FAMILY");
	if (fd < 0 || ftruncate(fd, FAMILY_BYTES) || fcntl(fd, F_ADD_SEALS, FAMILY_SEALS) ||
	    fstat(fd, &st))
		return;
	char *value = format_text("%d/%d/%ju", (int)getpid(), fd, (uintmax_t)st.st_ino);
	setenv("MMFENCE_FAMILY", value, 1);
	free(value);
}

/* For the command. What it gets is in this process too, which is only read from then on. */
static void export_settings(const struct run *run)
{
	char buffer[OPTION_BYTES];

	for (size_t i = 0; i < policy_option_count; i++) {
		const char *value = option_value(&run->policy, i, buffer, sizeof(buffer));

		if (option_is_default(&run->policy, i))
			unsetenv(policy_variable(i));
		else
			setenv(policy_variable(i), value, 1);
	}
	setenv("MMFENCE_AUDIT_LOG", run->log.template, 1);
	setenv("MMFENCE_CONFIG", "", 1);
	unsetenv("MMFENCE_PRESET");
	preload_export(&run->preload);
	export_for_sanitizer();
	export_family();
}

void run_command(struct run *run)
{
	log_name(&run->log, run->policy.audit_log, run->command[0]);
	log_prepare(&run->log, run->mark);
	export_settings(run);
	run->status = launch(run->found.path, run->command, &run->signal);
}

bool run_was_started(const struct run *run)
{
	return run->status != STATUS_NOT_FOUND && run->status != STATUS_NOT_RUNNABLE;
}

void run_settle(struct run *run)
{
	char *sentence;

	policy_defaults(&run->policy);
	run->policy.audit_drift = run->drift ? AUDIT_DRIFT_ON : AUDIT_DRIFT_OFF;
	policy_add_sources(&run->policy, run->preset, run->config, environ, complain_of_setting);
	apply_settings(run);
	if (complaints)
		exit(STATUS_USAGE);
	sentence = preload_find(&run->preload);
	if (sentence)
		refuse("%s", sentence);
	int status = command_find(run->command[0], &run->found, &sentence);

	if (status) {
		complain("%s", sentence);
		exit(status);
	}
	sentence = command_gap(&run->found, &run->preload);
	/* The dynamic linker can read it all the same. */
	if (sentence && run->found.program.kind != PROGRAM_UNREADABLE)
		refuse("%s", sentence);
	if (sentence && !run->quiet)
		complain("%s", sentence);
	free(sentence);
}

int run_main(int argc, char **argv)
{
	static struct run run;
	struct command_line line = {
		.settings = run_settings(NULL, 0),
		.arguments = "-- COMMAND [ARGUMENTS]",
		.doc = "Runs COMMAND with its memory mappings fenced, and sums up what happened.\v"
		       "Exit status: that of COMMAND, 128+n if signal n ended it, 127 if it is not found, "
		       "126 if it cannot be run, and 2, with nothing started, if an option is wrong or "
		       "COMMAND is a program that mmfence has no way into.",
		.least = 1,
		.most = SIZE_MAX,
		.failing = "there is no command to run",
		.in_order = true,
		.help = run_help,
	};

	options_read(&line, argc, argv, &run);
	run.command = line.operands;
	run_settle(&run);
	run_command(&run);
	if (run.quiet)
		log_drop_empty(&run.log);
	else
		summary_print(&run.log, run_was_started(&run), run.signal, stderr);
	return run.status;
}
