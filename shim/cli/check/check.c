/* SPDX-License-Identifier: MIT */
/*
 * `mmfence check': a run that fails when something happened in it that must not. What
 * cannot be known to be absent is not taken to be absent.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/destination.h"
#include "cli/text/printable.h"
#include "cli/text/show.h"
#include "cli/run/run.h"
#include "cli/check/verdict.h"
#include "policy/suggest.h"

#define KEY_FAIL_ON 0x1000
#define KEY_JUNIT   0x1001
#define KEY_TAP	    0x1002

struct check {
	struct run run;
	struct verdict verdict;
	bool named[CATEGORY_COUNT]; /* by the user, and not by default */
	bool listed;
	const char *junit;
	int junit_fd;
	bool junit_is_new;
	bool tap;
};

/* "nonlinear,lost"; all and none. */

static const char *category_word(size_t index)
{
	return index < CATEGORY_COUNT ? categories[index].name : NULL;
}

static void add_category(struct check *check, const char *word)
{
	bool all = !strcmp(word, "all"), known = all || !strcmp(word, "none");

	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (!all && strcmp(word, categories[i].name))
			continue;
		check->verdict.wanted[i] = true;
		check->named[i] |= !all;
		known = true;
	}
	if (known)
		return;
	const char *nearest = suggest_nearest(word, category_word);
	char *visible = printable(word);

	complain("--fail-on: \"%s\" is none of the things to look for%s%s%s", visible,
		 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	exit(STATUS_USAGE);
}

static void add_categories(struct check *check, const char *list)
{
	check->listed = true;
	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		char *word = format_text("%.*s", (int)strcspn(at, ","), at);

		add_category(check, word);
		free(word);
	}
}

static void default_categories(struct check *check)
{
	for (size_t i = 0; !check->listed && i < CATEGORY_COUNT; i++)
		check->verdict.wanted[i] = categories[i].by_default;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct check *check = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &check->run;
		return 0;
	case KEY_FAIL_ON:
		add_categories(check, argument);
		return 0;
	case KEY_JUNIT:
		check->junit = argument;
		return 0;
	case KEY_TAP:
		check->tap = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static char *fail_on_help(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_text(&text, &size);

	fputs("what must not happen, separated by commas: all, none, or of", out);
	for (size_t i = 0; i < CATEGORY_COUNT; i++)
		fprintf(out, "%s %s (%s)", i ? "," : "", categories[i].name, categories[i].help);
	fputs(" [all but rewire and gap]", out);
	fclose(out);
	return text;
}

/* What a setting hides cannot be said not to have happened: asked for by name, that is a
 * contradiction. */
static int find_hidden(struct check *check)
{
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		const char *by = categories[i].hidden_by
					 ? categories[i].hidden_by(&check->run.policy)
					 : NULL;

		if (!by || !check->verdict.wanted[i])
			continue;
		check->verdict.hidden[i] = by;
		if (!check->named[i])
			continue;
		complain("--fail-on %s cannot be seen with %s", categories[i].name, by);
		return -1;
	}
	return 0;
}

/* The log is read back at the end. */
static int refuse_log(const struct check *check)
{
	const char *name = check->run.policy.audit_log;
	struct stat st;

	if (!*name || (!destination_is_elsewhere(name) && (stat(name, &st) || S_ISREG(st.st_mode))))
		return 0;
	complain("the log must be a file, because check reads it: %s is none", name);
	return -1;
}

static int open_junit(struct check *check)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;

	if (!check->junit)
		return 0;
	check->junit_fd = open(check->junit, flags | O_EXCL, 0666);
	check->junit_is_new = check->junit_fd >= 0;
	if (check->junit_fd < 0 && errno == EEXIST)
		check->junit_fd = open(check->junit, flags, 0666);
	if (check->junit_fd >= 0)
		return 0;
	complain("--junit %s: %s", check->junit, strerror(errno));
	return -1;
}

/* Nothing was started, so nothing is left behind. */
static void forget_junit(struct check *check)
{
	if (check->junit_is_new)
		unlink(check->junit);
}

/* 0, or -1 with a sentence said. */
static int write_junit(struct check *check)
{
	if (!check->junit)
		return 0;
	FILE *out = fdopen(check->junit_fd, "w");

	if (!out) {
		complain("--junit %s: %s", check->junit, strerror(errno));
		return -1;
	}
	/* A pipe or a device has no length. */
	if (ftruncate(check->junit_fd, 0) && errno != EINVAL)
		complain("--junit %s: %s", check->junit, strerror(errno));
	junit_print(&check->verdict, out);
	bool failed = ferror(out);
	if (!fclose(out) && !failed)
		return 0;
	complain("--junit %s: %s", check->junit, strerror(errno));
	return -1;
}

static int write_tap(struct check *check)
{
	if (!check->tap)
		return 0;
	tap_print(&check->verdict, stdout);
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	complain("--tap: %s", strerror(errno));
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
	char *line = NULL, *visible;
	size_t size;
	FILE *out = open_text(&line, &size);

	for (size_t i = 0; words[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", words[i]);
	fclose(out);
	visible = printable(line);
	free(line);
	return visible;
}

static double seconds_between(const struct timespec *start, const struct timespec *end)
{
	return (double)(end->tv_sec - start->tv_sec) +
	       (double)(end->tv_nsec - start->tv_nsec) / 1e9;
}

static char *wanted_list(const struct verdict *verdict)
{
	char *list = format_text("%s", "");

	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (!verdict->wanted[i])
			continue;
		char *longer = format_text("%s%s%s", list, *list ? "," : "", categories[i].name);
		free(list);
		list = longer;
	}
	return list;
}

/* 0, or -1 when nothing was started. */
static int run(struct check *check)
{
	struct timespec start, end;
	char *list = wanted_list(&check->verdict);

	check->verdict.command = join(check->run.command);
	check->run.mark.line = mark_line(list, check->verdict.command);
	free(list);
	clock_gettime(CLOCK_REALTIME, &check->verdict.start);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (run_command(&check->run))
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	check->verdict.seconds = seconds_between(&start, &end);
	check->verdict.status = check->run.status;
	check->verdict.ending = ending_of(check->run.status);
	return 0;
}

/* Only what there is: one of them may be none. */
static char *missing_text(int64_t dropped, int64_t damaged)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_text(&text, &size);

	if (dropped)
		fprintf(out, "%lld record%s could not be written", (long long)dropped,
			plural(dropped));
	if (damaged)
		fprintf(out, "%s%lld line%s %s be read", dropped ? " and " : "", (long long)damaged,
			plural(damaged), dropped ? "not" : "could not");
	fputs(", so that what else happened is not known", out);
	fclose(out);
	return text;
}

/* Every process has a log from its start, but a command that could not be started has none. */
static bool log_is_missing(const struct check *check, size_t files)
{
	return !files && (check->run.log.known || run_was_started(&check->run));
}

/* Why the log cannot say that nothing happened, or NULL when it can. To be freed. */
static char *doubt_of(const struct check *check, const struct model *model, size_t files,
		      const char *log)
{
	int refused = log_refuses(&check->run.log);

	if (log_is_missing(check, files))
		return format_text("the log is gone, so that what happened is not known");
	if (model->beginning_gone || log_is_cut(&check->run.log) ||
	    (check->run.mark.placed && !mark_is_there(&check->run.mark, log)))
		return format_text("the log was emptied, cut or replaced while the command ran, so "
				   "that what else happened is not known");
	if (model->dropped || model->damaged)
		return missing_text(model->dropped, model->damaged);
	if (refused)
		return format_text("no record can be written to it: %s, so that what else happened "
				   "is not known",
				   strerror(refused));
	if (model->missing.records)
		return format_text("%lld record%s of %lld process%s %s missing, so that what else "
				   "happened is not known",
				   (long long)model->missing.records,
				   plural(model->missing.records),
				   (long long)model->missing.processes,
				   model->missing.processes == 1 ? "" : "es",
				   model->missing.records == 1 ? "is" : "are");
	return NULL;
}

static int judge(struct check *check)
{
	char *log = log_shown(&check->run.log);
	size_t files;
	const struct model *model = log_read(&check->run.log, &files);

	check->verdict.model = model;
	check->verdict.doubt = doubt_of(check, model, files, log);
	int status = verdict_failed(&check->verdict) ? STATUS_FOUND : check->verdict.status;

	verdict_say(&check->verdict, check->run.policy.process_inject, log, check->run.quiet);
	int unwritten = write_junit(check) | write_tap(check);
	free(log);
	return status || !unwritten ? status : STATUS_BAD;
}

static int settle(struct check *check)
{
	check->run.drift = true;
	check->run.no_output = check->tap;
	default_categories(check);
	int status = run_settle(&check->run);

	if (!status && (find_hidden(check) || refuse_log(check) || open_junit(check)))
		status = STATUS_USAGE;
	return status;
}

int check_main(int argc, char **argv)
{
	static struct check check;
	const struct argp_option options[] = {
		{ "fail-on", KEY_FAIL_ON, "LIST", 0, fail_on_help(), 1 },
		{ "junit", KEY_JUNIT, "FILE", 0, "write a report as JUnit's", 1 },
		{ "tap", KEY_TAP, NULL, 0,
		  "write TAP on standard output; the command's goes to standard error", 1 },
		{ NULL, 0, NULL, 0, NULL, 0 },
	};
	const struct argp_child children[] = { { run_argp(), 0, NULL, 0 }, { NULL, 0, NULL, 0 } };
	const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Runs COMMAND fenced and looks in its log for what must not happen.\v"
		       "Exit status: 86 if something on the list happened, or if the log is not whole; "
		       "otherwise that of COMMAND, as of `mmfence run'; 2, with nothing started, if an "
		       "option is wrong, the log cannot be written or COMMAND is a program that "
		       "mmfence has no way into; 1 if all is well but a report could not be written.",
		.children = children,
	};

	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &check))
		return STATUS_USAGE;
	int status = settle(&check);
	if (status)
		return status;
	if (run(&check)) {
		forget_junit(&check);
		return STATUS_USAGE;
	}
	return judge(&check);
}
