/* SPDX-License-Identifier: MIT */
/*
 * The command's front door: picks the subcommand. Knows nothing of what these do.
 */
#include <argp.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "policy/value.h"

static const struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run", run_main, "run a command fenced, and sum up" },
	{ "check", check_main, "run a command, and fail if something happened" },
	{ "log", log_main, "events for people" },
	{ "report", report_main, "what a log comes to" },
	{ "pages", pages_main, "page census of a process" },
	{ "doctor", doctor_main, "what works on this machine" },
};

static char help_flag[] = "--help";

#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

const char *argp_program_version = "mmfence " MMFENCE_VERSION;

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

static const struct command *command_of(const char *word)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i].name, word))
			return &commands[i];
	return NULL;
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
	const struct command *command = command_of(argv[0]);

	if (!command)
		return refuse(argv[0]);
	if (argc > 1 && !strcmp(argv[1], "-h"))
		argv[1] = help_flag;
	argv[0] = format_text("mmfence %s", command->name);
	return command->main(argc, argv);
}

/* Opens the manual page, if there is one and a `man' to show it. */
static void show_page(const char *word)
{
	char *page = format_text("mmfence-%s", word);
	char *find = format_text("man -w '%s' >/dev/null 2>&1", page);

	if (command_of(word) && !system(find)) {
		signals_restore();
		execlp("man", "man", page, NULL);
	}
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

/* What this command opens must not become its standard error. These numbers are as good as closed,
 * and are so for what it starts. */
static void reserve_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_PATH | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

int main(int argc, char **argv)
{
	struct argp_option options[COMMAND_COUNT + 2] = { { .doc = "Commands:" } };
	struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "COMMAND [ARGUMENTS]",
		.doc = "Keeps private file mappings private, and tells what a program does with its "
		       "memory mappings.\vTo begin: mmfence run -- COMMAND; mmfence help run tells more.",
	};
	int first = 0;

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		options[i + 1] = (struct argp_option){ .name = commands[i].name,
						       .key = (int)i + 0x100,
						       .flags = OPTION_DOC,
						       .doc = commands[i].help };
	reserve_descriptors();
	signals_settle();
	atexit(finish_output);
	argp_err_exit_status = STATUS_USAGE;
	/* What is written is UTF-8, and tables must know how wide it is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	argc = translate(argc, argv);
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &first))
		return STATUS_USAGE;
	return dispatch(argc - first, argv + first);
}
