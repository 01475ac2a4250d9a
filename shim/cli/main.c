/* SPDX-License-Identifier: MIT */
/*
 * The command's front door: picks the subcommand. Knows nothing of what these do.
 */
#include <argp.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "policy/value.h"

static const struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *arguments;
	const char *help;
} commands[] = {
	{ "run", run_main, "[OPTIONS] -- COMMAND...", "run a command fenced, and sum up" },
	{ "check", check_main, "[OPTIONS] -- COMMAND...",
	  "run it, and fail if something happened" },
	{ "log", log_main, "[-f] FILE...", "events for people" },
	{ "report", report_main, "FILE...", "what a log comes to" },
	{ "pages", pages_main, "[OPTIONS] PID", "page census of a process" },
	{ "doctor", doctor_main, "[PROGRAM|DIR|FILE]", "what works on this machine" },
};

static char help_flag[] = "--help";

#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

const char *argp_program_version = "mmfence " MMFENCE_VERSION;

static char *help_text(int key, const char *text, void *input)
{
	char *help = NULL;
	size_t size;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	FILE *out = open_memstream(&help, &size);
	if (!out)
		return NULL;
	fprintf(out, "Commands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-7s %-26s%s\n", commands[i].name, commands[i].arguments,
			commands[i].help);
	fprintf(out, "\nTo begin: mmfence run -- COMMAND; mmfence help run tells more.\n");
	fclose(out);
	return help;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	(void)argument;
	switch (key) {
	case ARGP_KEY_ARG:
		/* The rest is the subcommand's. */
		*(int *)state->input = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *command_word(size_t index)
{
	return index < COMMAND_COUNT ? commands[index].name : NULL;
}

static bool command_known(const char *word)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i].name, word))
			return true;
	return false;
}

static int refuse(const char *word)
{
	const char *nearest = suggest_nearest(word, command_word);

	complain("there is no command \"%s\"%s%s%s mmfence help lists them", word,
		 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : ";");
	return STATUS_USAGE;
}

static int dispatch(int argc, char **argv)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[0], commands[i].name))
			continue;
		if (argc > 1 && !strcmp(argv[1], "-h"))
			argv[1] = help_flag;
		argv[0] = format_text("mmfence %s", commands[i].name);
		return commands[i].main(argc, argv);
	}
	return refuse(argv[0]);
}

/* Opens the manual page, if there is one and a `man' to show it. */
static void show_page(const char *word)
{
	char *page = format_text("mmfence-%s", word);
	char *find = format_text("man -w '%s' >/dev/null 2>&1", page);

	if (command_known(word) && !system(find))
		execlp("man", "man", page, NULL);
	free(find);
	free(page);
}

/* `help COMMAND' is the manual page or `COMMAND --help', and `help' alone and `-h' are `--help'. */
static int translate(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "help") && strcmp(argv[2], "help")) {
		show_page(argv[2]);
		argv[1] = argv[2];
		argv[2] = help_flag;
		return 3;
	}
	if (argc > 1 && (!strcmp(argv[1], "help") || !strcmp(argv[1], "-h")))
		argv[1] = help_flag;
	return argc;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "COMMAND [ARGUMENTS]",
		.doc = "Keeps private file mappings private, and tells what a program does with its "
		       "memory mappings.\v ",
		.help_filter = help_text,
	};
	int first = 0;

	argp_err_exit_status = STATUS_USAGE;
	/* What is written is UTF-8, and tables must know how wide it is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	argc = translate(argc, argv);
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &first))
		return STATUS_USAGE;
	return dispatch(argc - first, argv + first);
}
