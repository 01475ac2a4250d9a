/* SPDX-License-Identifier: MIT */
/*
 * What a test wants of a run, in words: see runner.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "golden.h"
#include "runner.h"

/* A number, a string, how long an array is; NULL for what is not there. */
static char *text_of(const json_t *value)
{
	char *text = NULL;

	if (json_is_string(value))
		text = strdup(json_string_value(value));
	else if (json_is_integer(value))
		cr_assert(asprintf(&text, "%lld", (long long)json_integer_value(value)) > 0);
	else if (json_is_boolean(value))
		text = strdup(json_is_true(value) ? "true" : "false");
	else if (value)
		cr_assert(asprintf(&text, "%zu", json_array_size(value)) > 0);
	return text;
}

/* "", "=TEXT", "~PART", "<NUMBER" or ">NUMBER". */
static bool answers(const char *text, const char *wanted)
{
	const char *value = wanted + 1;

	switch (wanted[0]) {
	case 0:
		return true;
	case '=':
		return !strcmp(text, value);
	case '~':
		return strstr(text, value) != NULL;
	case '<':
		return atoll(text) < atoll(value);
	default:
		return atoll(text) > atoll(value);
	}
}

static void field_is(const json_t *event, const char *finding, const char *wanted)
{
	bool absent = wanted[0] == '!';
	char name[64];

	wanted += absent;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(wanted, "=~<>"), wanted);
	char *text = text_of(field(event, name));
	if (absent)
		cr_assert_null(text, "%s: it is %s", finding, text);
	else
		cr_assert(text && answers(text, wanted + strlen(name)), "%s: it is %s", finding,
			  text ? text : "not there");
	free(text);
}

static void count_is(const struct run *run, const char *finding, const char *action,
		     const char *wanted)
{
	char text[16];
	size_t count = count_events(run, action);

	snprintf(text, sizeof(text), "%zu", count);
	cr_assert(isdigit(wanted[0]) ? !strcmp(text, wanted) : answers(text, wanted),
		  "%s: there are %zu", finding, count);
}

static void all_fields_are(const json_t *event, const char *finding, const char *wanted)
{
	char *rest = strdup(wanted), *next = rest;

	for (char *one = rest; next; one = next) {
		next = strstr(one, " & ");
		if (next) {
			*next = 0;
			next += 3;
		}
		field_is(event, finding, one);
	}
	free(rest);
}

void run_finds(const struct run *run, const char *finding)
{
	/* Never freed: the invariants remember what was asked for. */
	char *action = strdup(finding), *wanted = action + strcspn(action, " ");
	bool every = strstr(action, "[*] ") != NULL;
	json_t *event;

	if (*wanted)
		*wanted++ = 0;
	char *index = strchr(action, '[');
	if (index)
		*index++ = 0;
	if (isdigit(*wanted) || *wanted == '<' || *wanted == '>') {
		count_is(run, finding, action, wanted);
		return;
	}
	for (size_t i = index && !every ? strtoul(index, NULL, 10) : 0;; i++) {
		event = find_event_number(run, action, i);
		cr_assert(event || every, "%s: there is no such record", finding);
		if (event && *wanted)
			all_fields_are(event, finding, wanted);
		if (!event || !every)
			break;
	}
}

/* The same without the library, which must come to the same end. */
static void run_bare(const struct run *run, struct run *bare)
{
	*bare = *run;
	bare->preload = RUN_BARE;
	bare->log = NULL;
	memset(bare->options, 0, sizeof(bare->options));
	run_helper(bare);
	if (getenv("MMFENCE_USERLAND") && WIFSIGNALED(bare->status) && !run->ends_with)
		cr_skip_test("this libc has not all of these calls");
	if (!run->ends_with || run_exit(bare) == 77)
		run_must_hold(bare);
	else
		cr_assert_eq(run_exit(bare), run->ends_with, "bare: %d: %s", run_exit(bare),
			     bare->output);
}

static void is_as_bare(const struct run *run, struct run *bare)
{
	cr_assert(*bare->output || run->ends_with, "nothing is said");
	cr_assert_eq(run->status, bare->status, "%#x, bare %#x: %s", run->status, bare->status,
		     run->output);
	for (const char *one = bare->output, *two = run->output; *one || *two;) {
		size_t length = strcspn(one, "\n");
		/* The first line that differs, for people. */
		cr_assert(length == strcspn(two, "\n") && !memcmp(one, two, length),
			  "bare   %.*s\nfenced %.*s", (int)length, one, (int)strcspn(two, "\n"),
			  two);
		one += length + (one[length] != 0);
		two += length + (two[length] != 0);
	}
	run_end(bare);
}

static void skip_before(struct run *run)
{
	if (run->otherwise) {
		run_helper(run);
		run_finds(run, run->otherwise);
		run_end(run);
	}
	cr_skip_test("not before Linux %s%s", run->since,
		     run->otherwise ? ", and the record says so" : "");
}

/* --- what it wrote --- */

void run_shows(const struct run *run, const char *part)
{
	cr_assert(strstr(run->output, part), "no \"%s\" in:\n%s%s", part, run->output, run->errors);
}

void run_warns(const struct run *run, const char *part)
{
	cr_assert(strstr(run->errors, part), "no \"%s\" in:\n%s", part, run->errors);
}

size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

bool run_has(const struct run *run, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/work/%s", run->dir, name);
	return !access(path, F_OK);
}

char *run_text(const struct run *run, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/work/%s", run->dir, name);
	return read_whole(path);
}

json_t *run_json(const struct run *run)
{
	json_error_t error;
	json_t *json = json_loads(run->output, JSON_REJECT_DUPLICATES, &error);

	cr_assert(json, "%s: %s%s", error.text, run->output, run->errors);
	return json;
}

static void is_refused(const struct run *run)
{
	cr_assert_str_empty(run->output, "%s", run->output);
	run_warns(run, run->refuses);
	cr_assert(strchr(run->errors, '\n') == run->errors + strlen(run->errors) - 1,
		  "more than one line: %s", run->errors);
	cr_assert(!run_has(run, "started") && !run_has(run, "junit.xml"), "it was started");
	cr_assert(access(run->log_path, F_OK), "there is a log");
}

static void look_at_texts(const struct run *run)
{
	if (run->says)
		cr_assert_str_eq(run->output, run->says, "\n%s\ninstead of\n%s\n%s", run->output,
				 run->says, run->errors);
	if (run->complains)
		cr_assert_str_eq(run->errors, run->complains, "%s", run->errors);
	for (size_t i = 0; i < RUN_PARTS && run->shows[i]; i++)
		run_shows(run, run->shows[i]);
	for (size_t i = 0; i < RUN_PARTS && run->warns[i]; i++)
		run_warns(run, run->warns[i]);
	for (size_t i = 0; i < RUN_PARTS && run->shows_no[i]; i++)
		cr_assert(!strstr(run->output, run->shows_no[i]), "\"%s\" in:\n%s",
			  run->shows_no[i], run->output);
	for (size_t i = 0; i < RUN_PARTS && run->warns_no[i]; i++)
		cr_assert(!strstr(run->errors, run->warns_no[i]), "\"%s\" in:\n%s",
			  run->warns_no[i], run->errors);
	if (run->lines)
		cr_assert_eq(count_lines(run->output), run->lines, "%s", run->output);
	if (run->golden)
		golden_text(run->output, run->golden);
	if (run->refuses)
		is_refused(run);
}

static void look_at_end(struct run *run)
{
	int wanted = run->refuses ? 2 : run->ends_with;

	if (!wanted || run_exit(run) == 77)
		run_must_hold(run);
	else
		cr_assert_eq(run_exit(run), wanted, "%d instead of %d: %s%s", run_exit(run), wanted,
			     run->output, run->errors);
}

void run_and_look(struct run *run)
{
	if (run->as_root)
		skip_unless_root();
	if (run->in_mounts)
		skip_without_mounts();
	if (run->before)
		run->before(run);
	if (run->since && kernel_is_before(run->since))
		skip_before(run);
	struct run bare;
	if (run->as_bare)
		run_bare(run, &bare);
	run_helper(run);
	look_at_end(run);
	if (run->skips)
		run->skips(run);
	if (run->as_bare)
		is_as_bare(run, &bare);
	look_at_texts(run);
	for (size_t i = 0; i < RUN_FINDS && run->finds[i]; i++)
		run_finds(run, run->finds[i]);
	if (run->look)
		run->look(run);
	run_end(run);
}
