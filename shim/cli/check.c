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
#include "cli/destination.h"
#include "cli/run.h"
#include "cli/verdict.h"
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
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		complain("out of memory");
		exit(STATUS_USAGE);
	}
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

/* For people, on standard error. */

static void say_findings(const struct check *check)
{
	const struct findings *findings = check->verdict.findings;

	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->list[i];

		if (!check->verdict.wanted[finding->category])
			continue;
		char *line = finding_line(finding);
		complain("%s: %s", categories[finding->category].name, line);
		free(line);
	}
	if (check->verdict.doubt)
		complain("log: %s", check->verdict.doubt);
}

static void say_injected(const struct findings *findings, const char *list)
{
	for (const char *at = list; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
		char *rule = format_text("%.*s", (int)strcspn(at, ","), at);
		const json_t *failed = json_object_get(findings->injected, rule);
		json_int_t times = json_integer_value(failed);

		if (!failed)
			complain("injected: %s made no call fail", rule);
		else if (times)
			complain("injected: %s made %lld call%s fail", rule, (long long)times,
				 times == 1 ? "" : "s");
		else
			complain("injected: %s made calls fail", rule);
		free(rule);
	}
}

static void say_notes(const struct check *check)
{
	const struct verdict *verdict = &check->verdict;
	size_t gaps = verdict->findings->of[CATEGORY_GAP];

	say_injected(verdict->findings, check->run.policy.process_inject);
	if (gaps && !verdict->wanted[CATEGORY_GAP])
		complain("note: %zu program%s that mmfence cannot look into (--fail-on gap)", gaps,
			 gaps == 1 ? "" : "s");
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (verdict->hidden[i])
			complain("note: %s was not looked for, because of %s", categories[i].name,
				 verdict->hidden[i]);
	}
}

static bool has_failed(const struct verdict *verdict)
{
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (verdict->wanted[i] && verdict->findings->of[i])
			return true;
	}
	return verdict->doubt;
}

static void say_verdict(const struct check *check)
{
	const struct verdict *verdict = &check->verdict;
	char *log = log_shown(&check->run.log), *visible = printable(log);

	say_notes(check);
	if (has_failed(verdict))
		complain("check failed%s%s; log %s",
			 verdict->status ? ", and the command too: " : "",
			 verdict->status ? verdict->ending : "", visible);
	else if (verdict->status)
		complain("check found nothing, but the command failed: %s; log %s", verdict->ending,
			 visible);
	else
		complain("check passed; log %s", visible);
	free(log);
	free(visible);
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
	FILE *out = open_memstream(&line, &size);

	if (!out) {
		complain("out of memory");
		exit(STATUS_BAD);
	}
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

/* 0, or -1 when nothing was started. */
static int run(struct check *check)
{
	struct timespec start, end;

	clock_gettime(CLOCK_REALTIME, &check->verdict.start);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (run_command(&check->run))
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	check->verdict.seconds = seconds_between(&start, &end);
	check->verdict.status = check->run.status;
	check->verdict.ending = ending_of(check->run.status);
	check->verdict.command = join(check->run.command);
	return 0;
}

static int judge(struct check *check)
{
	struct findings findings;

	findings_read(&findings, &check->run.log);
	/* Every process has a log from its start, but a command that could not be started has none.
	 */
	if (!check->run.log.known &&
	    (check->run.status == STATUS_NOT_FOUND || check->run.status == STATUS_NOT_RUNNABLE))
		findings.unreadable = false;
	check->verdict.findings = &findings;
	check->verdict.doubt = findings_doubt(&findings);
	int status = has_failed(&check->verdict) ? STATUS_FOUND : check->verdict.status;

	say_findings(check);
	if (!check->run.quiet)
		say_verdict(check);
	int unwritten = write_junit(check) | write_tap(check);
	findings_free(&findings);
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
		       "option is wrong or COMMAND is a program that mmfence has no way into; 1 if "
		       "all is well but a report could not be written.",
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
