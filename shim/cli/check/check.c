/* SPDX-License-Identifier: MIT */
/*
 * `mmfence check': a run that fails when something happened in it that must not. What
 * cannot be known to be absent is not taken to be absent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/check/check.h"
#include "cli/report/report.h"
#include "policy/value.h"
#include "support/sys.h"

static const char *category_word(size_t index)
{
	return index < CATEGORY_COUNT ? categories[index].name : NULL;
}

/* "nonlinear", all or none. */
static void add_category(struct check *check, const char *word)
{
	bool all = !strcmp(word, "all"), known = all || !strcmp(word, "none");

	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (!all && strcmp(word, categories[i].name))
			continue;
		check->wanted[i] = true;
		check->named[i] |= !all;
		known = true;
	}
	if (known)
		return;
	const char *nearest = suggest_nearest(word, category_word);

	refuse("--fail-on: \"%s\" is none of the things to look for%s%s%s", word,
	       nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static void add_categories(void *input, const char *list)
{
	char *copy = keep(list), *rest = copy, *word;
	struct check *check = input;

	check->listed = true;
	while ((word = strsep(&rest, ",")))
		add_category(check, word);
	free(copy);
}

static void default_categories(struct check *check)
{
	for (size_t i = 0; !check->listed && i < CATEGORY_COUNT; i++)
		check->wanted[i] = categories[i].by_default;
}

static void allow_gap(void *input, const char *patterns)
{
	struct check *check = input;
	size_t length;
	const char *futile = glob_list_futile(patterns, &length);

	if (futile)
		refuse("--allow-gap: \"%.*s\" can match no file: begin it with / or **/",
		       (int)length, futile);
	check->allowed = check->allowed ? format_text("%s:%s", check->allowed, patterns) : patterns;
}

static char *fail_on_help(void)
{
	char *text = NULL;
	FILE *out = open_text(&text);

	fputs("what must not happen, separated by commas: all, none, or of", out);
	for (size_t i = 0; i < CATEGORY_COUNT; i++)
		fprintf(out, "%s %s (%s)", i ? "," : "", categories[i].name, categories[i].help);
	fputs(" [all but rewire]", out);
	fclose(out);
	return text;
}

static const char *hidden_by(const struct policy *policy, unsigned int needs)
{
	if (needs & NEEDS_DRIFT && policy->audit_drift == AUDIT_DRIFT_OFF)
		return "audit.drift=off";
	if (needs & NEEDS_SNAPSHOTS && policy->snapshot_mode == SNAPSHOT_OFF)
		return "snapshot.mode=off";
	if (needs & NEEDS_NONLINEAR && policy->audit_nonlinear == AUDIT_NONLINEAR_OFF)
		return "audit.nonlinear=off";
	return NULL;
}

/* What a setting hides cannot be said not to have happened: asked for by name, that is a
 * contradiction. */
static void find_hidden(struct check *check)
{
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		const char *by = hidden_by(&check->run.policy, categories[i].needs);

		if (!by || !check->wanted[i])
			continue;
		check->hidden[i] = by;
		if (check->named[i])
			refuse("--fail-on %s cannot be seen with %s", categories[i].name, by);
	}
}

/* The log is read back at the end. */
static void refuse_log(const char *name)
{
	struct stat st;

	if (*name && (destination_is_elsewhere(name) || (!stat(name, &st) && !S_ISREG(st.st_mode))))
		refuse("the log must be a file, because check reads it: %s is none", name);
}

/* Where nothing was started, nothing is left behind. */
static const char *new_junit;

static void forget_junit(void)
{
	if (new_junit)
		unlink(new_junit);
}

/* A file that was there keeps what is in it until there is something new; a log keeps it for ever.
 */
static void open_junit(struct check *check, char *const *logs)
{
	struct stat report, log;

	if (!check->junit)
		return;
	new_junit = access(check->junit, F_OK) ? check->junit : NULL;
	check->junit_out = fopen(check->junit, "ae");
	if (!check->junit_out)
		refuse("--junit %s: %m", check->junit);
	atexit(forget_junit);
	for (; *logs; logs++)
		if (!fstat(fileno(check->junit_out), &report) && !stat(*logs, &log) &&
		    same_file(&report, &log))
			refuse("--junit %s: it is the log", check->junit);
}

/* 0, or -1 with a sentence said. A pipe or a device has no length. */
static int write_junit(const struct check *check)
{
	FILE *out = check->junit_out;

	new_junit = NULL;
	if (!out)
		return 0;
	if (ftruncate(fileno(out), 0) && errno != EINVAL)
		complain("--junit %s: %m", check->junit);
	junit_print(check, out);
	if (!fflush(out) && !ferror(out))
		return 0;
	complain("--junit %s: %m", check->junit);
	return -1;
}

/* The wait status is gone by now; as in a shell, 128+n is most likely signal n. */
static char *ending_of(int status)
{
	const char *signal = status > 128 ? sigabbrev_np(status - 128) : NULL;

	if (signal)
		return format_text("exit status %d (SIG%s)", status, signal);
	return format_text("exit status %d", status);
}

static char *join(char *const *words)
{
	char *line, *visible;
	FILE *out = open_text(&line);

	for (size_t i = 0; words[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", words[i]);
	fclose(out);
	visible = printable(line);
	free(line);
	return visible;
}

static void run(struct check *check)
{
	int64_t start = sys_clock(CLOCK_MONOTONIC);

	check->command = join(check->run.command);
	check->run.mark = true;
	clock_gettime(CLOCK_REALTIME, &check->start);
	run_command(&check->run);
	check->seconds = (double)(sys_clock(CLOCK_MONOTONIC) - start) / 1e9;
	check->ending = ending_of(check->run.status);
}

/* Whose they are, as far as that is known. */
static const char *first_missing(const struct missing *missing)
{
	const struct missing_row *row = missing->rows;

	if (!row || !row->first)
		return "";
	return format_text(" (number %lld of %s[%lld]%s)", (long long)row->first,
			   printable(row->name), (long long)row->pid,
			   missing->records > 1 ? ", and others" : "");
}

/* Why the log cannot say that nothing happened, or NULL when it can. To be freed. */
static char *doubt_of(const struct check *check)
{
	bool started = !check->no_command && run_was_started(&check->run);
	char *doubt = log_doubt(&check->run.log, started), *missing;

	if (doubt)
		return doubt;
	missing =
		story_part(&check->run.log.model->totals,
			   "[{have:dropped} record{many:dropped} could not be written][, "
			   "{have:damaged} line{many:damaged} could not be read][, {have:missing} "
			   "record{many:missing} of {holed} process{eses:holed} missing]");
	return *missing ? format_text("%s%s, so that what else happened is not known", missing,
				      first_missing(&check->run.log.model->missing))
			: NULL;
}

/* The command's, and those of every process that has a record. What calls a command makes that is
 * not to be read nobody knows, nor whether it is static. */
static void look_for_own_calls(const struct check *check, struct model *model)
{
	const struct member *executable;
	char *path = realpath(command_binary(&check->run.found), NULL);

	if (path && check->run.found.program.kind == PROGRAM_UNREADABLE)
		model_note_gap(model, path, "unreadable");
	else if (path)
		executable_note(model, path);
	free(path);
	for (executable = model->executables; executable; executable = executable->hh.next)
		if (program_own_calls(executable->key))
			model_note_gap(model, executable->key, "own-calls");
}

static int judge(struct check *check, const char *log)
{
	symbols_open(NULL);
	struct model *model = check->run.log.model;

	if (!check->no_command)
		look_for_own_calls(check, model);
	check->gaps_allowed = model_allow_gaps(model, check->allowed);
	check->doubt = doubt_of(check);
	int status = verdict_failed(check) ? STATUS_FOUND : check->run.status;

	verdict_say(check, log);
	if (!check->no_command)
		log_drop_empty(&check->run.log);
	int unwritten = write_junit(check);
	return status || !unwritten ? status : STATUS_BAD;
}

/* The logs that --log names. What else could be set is for a command. */
static int judge_there(struct check *check)
{
	const struct run *run = &check->run;
	char **names = take((run->setting_count + 1) * sizeof(*names));
	char error[1024];
	const char *other = run->preset ? "--preset" : run->config ? "--config" : NULL;
	size_t count = 0;

	for (size_t i = 0; i < run->setting_count; i += 2)
		if (strcmp(run->settings[i], "audit.log"))
			other = run->settings[i];
		else
			names[count++] = run->settings[i + 1];
	if (other || !count)
		refuse("there is no command to run%s%s",
		       other ? ", but "
			     : "; --log FILE alone "
			       "looks into a log that is there",
		       other ? other : "");
	policy_defaults(&check->run.policy);
	for (size_t i = 0; i < count; i++) {
		if (policy_set(&check->run.policy, "audit.log", names[i], error, sizeof(error)))
			refuse("%s", error);
		refuse_log(names[i]);
	}
	check->no_command = true;
	check->command = join(names);
	clock_gettime(CLOCK_REALTIME, &check->start);
	default_categories(check);
	open_junit(check, names);
	log_read_there(&check->run.log, names, count);
	return judge(check, check->command);
}

int check_main(int argc, char **argv)
{
	static struct check check;
	const struct setting own[] = {
		{ "fail-on", 0, "LIST", fail_on_help(), 0, add_categories },
		{ "allow-gap", 0, "GLOB", "programs that need not be looked into; may be repeated",
		  0, allow_gap },
		{ "junit", 0, "FILE", "write a report as JUnit's", offsetof(struct check, junit),
		  NULL },
	};
	struct command_line line = {
		.settings = run_settings(own, sizeof(own) / sizeof(*own)),
		.arguments = "-- COMMAND [ARGUMENTS]",
		.doc = "Runs COMMAND fenced and looks in its log for what must not happen; without a "
		       "COMMAND, looks in the logs that --log names.\v"
		       "Exit status: 86 if something on the list happened, or if the log is not whole; "
		       "otherwise that of COMMAND, as of mmfence run; 2, with nothing started, if an "
		       "option is wrong, the log cannot be written or COMMAND is a program that "
		       "mmfence has no way into; 1 if all is well but a report could not be written.",
		.most = SIZE_MAX,
		.in_order = true,
		.help = run_help,
	};

	options_read(&line, argc, argv, &check);
	check.run.command = line.operands;
	if (!check.run.command)
		return judge_there(&check);

	check.run.drift = true;
	default_categories(&check);
	run_settle(&check.run);
	find_hidden(&check);
	refuse_log(check.run.policy.audit_log);
	open_junit(&check, (char *[]){ (char *)check.run.policy.audit_log, NULL });
	run(&check);
	log_read(&check.run.log);
	return judge(&check, log_shown(&check.run.log));
}
