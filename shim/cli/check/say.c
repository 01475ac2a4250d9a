/* SPDX-License-Identifier: MIT */
/*
 * A verdict for people, on standard error: a line for each finding, notes, and what it all
 * comes to.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/check/check.h"
#include "cli/report/report.h"

const struct category_info categories[CATEGORY_COUNT] = {
	{ "sigbus", true, "a page of a file mapping could not be had", "", "", NEEDS_NOTHING },
	{ "nonlinear", true, "remap_file_pages was called", "", "", NEEDS_NONLINEAR },
	{ "rewire", false, "mmap made a nonlinear window", "", "", NEEDS_NONLINEAR },
	{ "pressure", true, "a process came near vm.max_map_count", "", "", NEEDS_NOTHING },
	{ "selfmem", true, "memory was opened or mapped as a file, or a process reached", "", "",
	  NEEDS_NOTHING },
	{ "unprotected", true, "a private mapping got no snapshot", "no snapshot: ", "",
	  NEEDS_SNAPSHOTS },
	{ "torn", true, "a snapshot may be torn", "", "", NEEDS_SNAPSHOTS },
	{ "lost", true, "a snapshot did not last", "snapshot lost: ", "", NEEDS_SNAPSHOTS },
	{ "drift", true, "a file changed under a snapshot", "", "", NEEDS_DRIFT | NEEDS_SNAPSHOTS },
	{ "gap", true, "a program could not be looked into", "not looked into (", ")",
	  NEEDS_NOTHING },
};

char *finding_line(const struct finding *finding)
{
	const struct category_info *info = &categories[finding->category];
	char *line, *visible;
	FILE *out = open_text(&line);

	fprintf(out, "%s%s%s, %lld time%s", info->before, finding->what, info->after,
		(long long)finding->times, plural(finding->times));
	if (*finding->where)
		fprintf(out, ", %s", finding->where);
	if (finding->process)
		fprintf(out, ", pid %lld (%s)", (long long)finding->pid, finding->process);
	if (finding->processes > 1)
		fprintf(out, " and %lld other%s", (long long)finding->processes - 1,
			plural(finding->processes - 1));
	if (finding->frame.offset) {
		json_t *stack = report_stack(&finding->frame, 1);
		char *place = frame_text(json_array_get(stack, 0));

		fprintf(out, ", at %s", place);
		free(place);
		json_decref(stack);
	}
	fclose(out);
	visible = printable(line);
	free(line);
	return visible;
}

static void say_findings(const struct check *check)
{
	const struct model *model = check->run.log.model;

	for (const struct finding *it = model->findings; it; it = it->hh.next) {
		if (it->category >= CATEGORY_COUNT || !check->wanted[it->category])
			continue;
		char *line = finding_line(it);
		complain("%s: %s", categories[it->category].name, line);
		free(line);
	}
	if (model->findings_left_out)
		complain("%lld more than these are not told apart",
			 (long long)model->findings_left_out);
	if (check->doubt)
		complain("log: %s", check->doubt);
}

static const struct finding *injected_by(const struct model *model, const char *rule)
{
	for (const struct finding *it = model->findings; it; it = it->hh.next)
		if (it->category == CATEGORY_INJECTED && !strcmp(it->what, rule))
			return it;
	return NULL;
}

static void say_injected(const struct model *model, const char *list)
{
	for (const char *at = list; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
		char *rule = format_text("%.*s", (int)strcspn(at, ","), at);
		const struct finding *failed = injected_by(model, rule);

		if (!failed)
			complain("injected: %s made no call fail", rule);
		else if (failed->times)
			complain("injected: %s made %lld call%s fail", rule,
				 (long long)failed->times, plural(failed->times));
		else
			complain("injected: %s made calls fail", rule);
		free(rule);
	}
}

/* In a process namespace of its own it has another number out here: the file tells. */
static bool still_runs(const struct process_row *row)
{
	char link[64], path[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/%lld/exe", (long long)row->pid);
	ssize_t length = readlink(link, path, sizeof(path) - 1);

	path[length > 0 ? length : 0] = 0;
	return row->runs_on && *path && !strcmp(path, row->executable);
}

static void say_running(const struct model *model)
{
	for (size_t i = 0; i < model->row_count; i++) {
		const struct process_row *row = &model->rows[i];

		if (still_runs(row))
			complain("note: pid %lld (%s) still runs, and what it does from now on is "
				 "not judged",
				 (long long)row->pid, row->name);
		else if (row->runs_on && !row->unseen)
			complain("note: pid %lld (%s) was killed, or ended by a call that mmfence "
				 "does not see: what it counted is not on record",
				 (long long)row->pid, row->name);
	}
}

static void say_notes(const struct check *check)
{
	int64_t gaps = check->run.log.model->found[CATEGORY_GAP];

	say_injected(check->run.log.model, check->run.policy.process_inject);
	if (check->no_command && !check->run.log.model->records)
		complain("note: no record was there to be judged: a quiet process writes none, and "
			 "so does one without mmfence");
	if (gaps && !check->wanted[CATEGORY_GAP])
		complain("note: %lld program%s that mmfence cannot look into (--fail-on gap)",
			 (long long)gaps, plural(gaps));
	if (check->gaps_allowed)
		complain("note: %lld program%s not looked into, as allowed (--allow-gap)",
			 (long long)check->gaps_allowed, plural(check->gaps_allowed));
	say_running(check->run.log.model);
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (check->hidden[i])
			complain("note: %s was not looked for, because of %s", categories[i].name,
				 check->hidden[i]);
	}
}

bool verdict_failed(const struct check *check)
{
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (check->wanted[i] && check->run.log.model->found[i])
			return true;
	}
	return check->doubt;
}

static void say_ending(const struct check *check, const char *log)
{
	if (verdict_failed(check))
		complain("check failed%s%s; log %s",
			 check->run.status ? ", and the command too: " : "",
			 check->run.status ? check->ending : "", log);
	else if (check->run.status)
		complain("check found nothing, but the command failed: %s; log %s", check->ending,
			 log);
	else
		complain("check passed; log %s", log);
}

void verdict_say(const struct check *check, const char *log)
{
	say_findings(check);
	if (check->run.quiet)
		return;
	say_notes(check);
	say_ending(check, log);
}
