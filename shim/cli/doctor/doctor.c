/* SPDX-License-Identifier: MIT */
/*
 * The doctor's front room: who has come, and what is said. See doctor.h.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor/doctor.h"
#include "policy/policy.h"

#define KEY_AS_DATA 0x100

enum subject_kind { SUBJECT_MACHINE, SUBJECT_PROGRAM, SUBJECT_DIRECTORY, SUBJECT_FILE };

static bool broken;

void doctor_say(enum finding finding, const char *what, const char *format, ...)
{
	static const char *const marks[] = { "ok", "no", "--" };
	va_list list;

	broken |= finding == BROKEN;
	printf("%s  %s: ", marks[finding], what);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

long long doctor_number(const char *path)
{
	long long number = -1;
	FILE *in = fopen(path, "re");

	if (!in)
		return -1;
	if (fscanf(in, "%lld", &number) != 1)
		number = -1;
	fclose(in);
	return number;
}

/* What is wrong with them is said elsewhere. */
static void clear_settings(void)
{
	for (size_t i = 0; environ[i];) {
		char *name = format_text("%.*s", (int)strcspn(environ[i], "="), environ[i]);

		/* The next one moves to where this one was. */
		if (strncmp(name, "MMFENCE_", 8) || unsetenv(name))
			i++;
		free(name);
	}
	setenv("MMFENCE_CONFIG", "", 1);
}

/* This command itself with the library in it: what the dynamic linker has to say goes to out. */
static int try_preload(const struct preload *preload, char *out, size_t size)
{
	int pipes[2], status;
	size_t used = 0;
	ssize_t got;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	pid_t pid = fork();
	if (!pid) {
		clear_settings();
		setenv("LD_PRELOAD", preload->name, 1);
		dup2(pipes[1], STDERR_FILENO);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		execl("/proc/self/exe", "mmfence", "--version", NULL);
		_exit(STATUS_NOT_RUNNABLE);
	}
	close(pipes[1]);
	while (pid > 0 && (got = read(pipes[0], out + used, size - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = 0;
	out[strcspn(out, "\n")] = 0;
	close(pipes[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return status || used;
}

void doctor_library(struct preload *preload)
{
	char sentence[3 * PATH_MAX];

	if (preload_find(preload, sentence, sizeof(sentence))) {
		doctor_say(BROKEN, "library", "%s", sentence);
		return;
	}
	doctor_say(WORKS, "library for 64-bit programs", "%s", preload->file64);
	if (preload->file32[0])
		doctor_say(WORKS, "library for 32-bit programs", "%s", preload->file32);
	else
		doctor_say(ABSENT, "library for 32-bit programs",
			   "not installed, and such programs are refused");
	if (try_preload(preload, sentence, sizeof(sentence)))
		doctor_say(BROKEN, "preloading", "%s",
			   *sentence ? sentence : "a program with the library in it fails");
	else
		doctor_say(WORKS, "preloading", "LD_PRELOAD=%s", preload->name);
}

static int bad_settings;

static void complain_of_setting(const char *sentence)
{
	doctor_say(BROKEN, "settings", "%s", sentence);
	bad_settings++;
}

static void doctor_settings(void)
{
	char buffer[64];
	int changed = 0;

	policy_from_sources(&the_policy, NULL, environ, complain_of_setting);
	for (size_t i = 0; i < policy_option_count; i++) {
		if (policy_is_default(&the_policy, i))
			continue;
		doctor_say(WORKS, "settings", "%s=%s", policy_options[i].name,
			   policy_value(&the_policy, i, buffer, sizeof(buffer)));
		changed++;
	}
	if (!changed && !bad_settings)
		doctor_say(WORKS, "settings", "all at their defaults");
}

struct subject {
	const char *name; /* NULL: this machine and this directory */
	bool as_data;	  /* a file that programs map, even if it could be run */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct subject *subject = state->input;

	switch (key) {
	case KEY_AS_DATA:
		subject->as_data = true;
		return 0;
	case ARGP_KEY_ARG:
		if (subject->name)
			argp_error(state, "only one program, directory or file at a time");
		subject->name = argument;
		return 0;
	case ARGP_KEY_END:
		if (subject->as_data && !subject->name)
			argp_error(state, "--as-data is for a file");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A file that cannot be run is a file that somebody maps; what is not there may be in PATH. */
static bool is_program(const char *name)
{
	return access(name, F_OK) || !access(name, X_OK);
}

/* 0, or with a sentence said STATUS_USAGE. */
static int classify(struct subject *subject, struct program *program, enum subject_kind *kind)
{
	char sentence[8192];
	struct stat st;

	*kind = !subject->name ? SUBJECT_MACHINE : SUBJECT_FILE;
	if (!subject->name)
		return 0;
	int error = stat(subject->name, &st) ? errno : 0;
	if (subject->as_data && (error || S_ISDIR(st.st_mode))) {
		complain("%s: %s", subject->name, strerror(error ? error : EISDIR));
		return STATUS_USAGE;
	}
	if (!error && S_ISDIR(st.st_mode)) {
		*kind = SUBJECT_DIRECTORY;
	} else if (!subject->as_data && is_program(subject->name)) {
		*kind = SUBJECT_PROGRAM;
		if (program_find(subject->name, program, sentence, sizeof(sentence))) {
			complain("%s", sentence);
			return STATUS_USAGE;
		}
	}
	return 0;
}

static int examine(struct subject *subject)
{
	struct preload preload;
	struct program program;
	enum subject_kind kind;

	if (classify(subject, &program, &kind))
		return STATUS_USAGE;
	signal(SIGIO, SIG_IGN);	  /* what a lease of ours may send */
	signal(SIGXFSZ, SIG_IGN); /* what a clone past RLIMIT_FSIZE sends */
	doctor_library(&preload);
	doctor_settings();
	doctor_kernel();
	doctor_memory();
	if (kind == SUBJECT_FILE)
		doctor_file(subject->name);
	else
		doctor_directory(kind == SUBJECT_DIRECTORY ? subject->name : ".");
	if (kind == SUBJECT_PROGRAM)
		doctor_program(&program, &preload);
	return broken ? STATUS_BAD : 0;
}

int doctor_main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "as-data", KEY_AS_DATA, NULL, 0,
		  "look at a program as a file that others map, not as one to be run", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "[PROGRAM|DIRECTORY|FILE]",
		.doc = "Tries what mmfence needs on this machine: in the current directory or the one "
		       "given, for a program to be run, or for a file that programs map.\v"
		       "A line begins with `ok', `no' (does not work, and mmfence needs it) or `--' (is "
		       "not there, and mmfence does without). Exit status: 0, 1 if there was a `no', 2 "
		       "for wrong usage.",
	};
	struct subject subject = { NULL, false };

	if (argp_parse(&argp, argc, argv, 0, NULL, &subject))
		return STATUS_USAGE;
	return examine(&subject);
}
