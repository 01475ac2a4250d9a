/* SPDX-License-Identifier: MIT */
/*
 * `mmfence run': settles every option before anything is started, and hands the
 * result to the library by environment alone, so that no configuration file is
 * read a second time in a process that may not be able to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/launch.h"
#include "cli/run/run.h"
#include "cli/run/summary.h"

#define KEY_CONFIG 0x100
#define KEY_FLAG   0x200 /* and the option's index */

/* The options: flags, then for --help what -o takes. */

static const struct argp_option own_options[] = {
	{ NULL, 'o', "SECTION.KEY=VALUE", 0, "set any option; may be repeated", 1 },
	{ "config", KEY_CONFIG, "FILE", 0,
	  "configuration file instead of MMFENCE_CONFIG or " POLICY_FILE, 1 },
	{ "quiet", 'q', NULL, 0, "no summary at the end", 1 },
	{ NULL, 0, NULL, 0, "What -o can set, and [what holds otherwise]:", 2 },
};

static struct argp_option flag_option(size_t index)
{
	const struct policy_option *option = &policy_options[index];

	return (struct argp_option){ option->flag,
				     KEY_FLAG + (int)index,
				     option->argument,
				     0,
				     format_text("-o %s=%s", option->name, option->argument),
				     1 };
}

/* "on, off" of "on|off". */
static void put_values(FILE *out, const char *values)
{
	for (; *values; values++)
		if (*values == '|')
			fputs(", ", out);
		else
			fputc(*values, out);
}

/* "when …: auto, never [auto]". */
static char *documentation(const struct policy_option *option)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_text(&text, &size);

	fputs(option->help, out);
	if (option->type == POLICY_TYPE_CHOICE) {
		fputs(": ", out);
		put_values(out, option->values);
	}
	if (*option->initial)
		fprintf(out, " [%s]", option->initial);
	fclose(out);
	return text;
}

static void add_documentation(struct argp_option *options, size_t *used,
			      const struct policy_option *option)
{
	char *text = documentation(option);

	if (!text)
		return;
	options[(*used)++] = (struct argp_option){
		.name = format_text("%s=%s", option->name, option->argument),
		.flags = OPTION_DOC | OPTION_NO_USAGE,
		.doc = text,
		.group = 2,
	};
}

static struct argp_option *make_options(void)
{
	size_t own = sizeof(own_options) / sizeof(*own_options);
	struct argp_option *options = calloc(own + 2 * policy_option_count + 1, sizeof(*options));
	size_t used = own;

	if (!options) {
		complain("out of memory");
		exit(STATUS_USAGE);
	}
	memcpy(options, own_options, sizeof(own_options));
	for (size_t i = 0; i < policy_option_count; i++) {
		if (policy_options[i].flag)
			options[used++] = flag_option(i);
		add_documentation(options, &used, &policy_options[i]);
	}
	return options;
}

static void keep_setting(struct run *run, const char *name, const char *value)
{
	size_t room = (run->setting_count + 2) * sizeof(*run->settings);

	run->settings = realloc(run->settings, room);
	if (!run->settings) {
		complain("out of memory");
		exit(STATUS_USAGE);
	}
	run->settings[run->setting_count++] = (char *)name;
	run->settings[run->setting_count++] = (char *)value;
}

static error_t parse_setting(struct run *run, char *setting)
{
	char *equals = strchr(setting, '=');

	if (!equals) {
		complain("-o %s: there is no value (-o section.key=value)", setting);
		exit(STATUS_USAGE);
	}
	*equals = 0;
	keep_setting(run, setting, equals + 1);
	return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct run *run = state->input;

	if (key >= KEY_FLAG && key < KEY_FLAG + (int)policy_option_count) {
		keep_setting(run, policy_options[key - KEY_FLAG].name, argument);
		return 0;
	}
	switch (key) {
	case 'o':
		return parse_setting(run, argument);
	case 'q':
		run->quiet = true;
		return 0;
	case KEY_CONFIG:
		run->config = argument;
		return 0;
	case ARGP_KEY_ARG:
		run->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "there is no command to run");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
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

/* In the child, whose process id is in the log's name. */
static void export_settings(void *context)
{
	struct run *run = context;
	struct log log;
	char buffer[64];

	for (size_t i = 0; i < policy_option_count; i++) {
		const char *value = policy_value(&run->policy, i, buffer, sizeof(buffer));

		if (policy_is_default(&run->policy, i))
			unsetenv(policy_options[i].variable);
		else
			setenv(policy_options[i].variable, value, 1);
	}
	if (!log_name(&log, run->policy.audit_log, run->command[0], getpid()))
		setenv("MMFENCE_AUDIT_LOG", log.template, 1);
	setenv("MMFENCE_CONFIG", "", 1);
	preload_export(&run->preload);
	if (run->no_output)
		dup2(STDERR_FILENO, STDOUT_FILENO);
}

static int find_library(struct run *run)
{
	char sentence[3 * PATH_MAX];
	int result = preload_find(&run->preload, sentence, sizeof(sentence));

	if (result)
		complain("%s", sentence);
	return result;
}

static int find_program(struct run *run)
{
	char sentence[8192];
	int status = program_find(run->command[0], &run->program, sentence, sizeof(sentence));

	if (!status && program_gap(&run->program, &run->preload, sentence, sizeof(sentence)))
		status = STATUS_USAGE;
	if (status)
		complain("%s", sentence);
	return status;
}

static int put_mark(struct run *run)
{
	if (!run->mark.line || !run->log.known)
		return 0;
	char *name = log_shown(&run->log);
	int error = mark_put(&run->mark, name);

	if (error)
		complain("the log %s cannot be written: %s", name, strerror(-error));
	free(name);
	return error;
}

int run_command(struct run *run)
{
	struct launch launch;

	if (launch_begin(&launch, &run->program, run->command, export_settings, run))
		return -1;
	if (log_name(&run->log, run->policy.audit_log, run->command[0], launch.pid) ||
	    log_prepare(&run->log) || put_mark(run)) {
		launch_cancel(&launch);
		return -1;
	}
	run->status = launch_finish(&launch, run->command[0]);
	return 0;
}

bool run_was_started(const struct run *run)
{
	return run->status != STATUS_NOT_FOUND && run->status != STATUS_NOT_RUNNABLE;
}

int run_settle(struct run *run)
{
	policy_defaults(&run->policy);
	run->policy.audit_drift = run->drift ? AUDIT_DRIFT_ON : AUDIT_DRIFT_OFF;
	policy_add_sources(&run->policy, run->config, environ, complain_of_setting);
	apply_settings(run);
	if (complaints || find_library(run))
		return STATUS_USAGE;
	return find_program(run);
}

const struct argp *run_argp(void)
{
	static struct argp argp = { .parser = parse, .args_doc = "-- COMMAND [ARGUMENTS]" };

	if (!argp.options)
		argp.options = make_options();
	return &argp;
}

int run_main(int argc, char **argv)
{
	static struct run run;
	struct argp argp = *run_argp();

	argp.doc =
		"Runs COMMAND with its memory mappings fenced, and sums up what happened.\v"
		"Exit status: that of COMMAND, 128+n if signal n ended it, 127 if it is not found, "
		"126 if it cannot be run, and 2, with nothing started, if an option is wrong or "
		"COMMAND is a program that mmfence has no way into.";
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &run))
		return STATUS_USAGE;
	int status = run_settle(&run);
	if (status)
		return status;
	if (run_command(&run))
		return STATUS_USAGE;
	if (!run.quiet)
		summary_print(&run.log, run_was_started(&run), run.status, stderr);
	return run.status;
}
