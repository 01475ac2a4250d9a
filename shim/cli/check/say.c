/* SPDX-License-Identifier: MIT */
/*
 * A verdict for people, on standard error: a line for each finding, notes, and what it all
 * comes to.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text/printable.h"
#include "cli/text/show.h"
#include "cli/check/verdict.h"

static void say_findings(const struct verdict *verdict)
{
	const struct model *model = verdict->model;

	for (const struct finding *it = model->findings; it; it = it->hh.next) {
		if (it->category >= CATEGORY_COUNT || !verdict->wanted[it->category])
			continue;
		char *line = finding_line(it);
		complain("%s: %s", categories[it->category].name, line);
		free(line);
	}
	if (model->findings_left_out)
		complain("%lld more than these are not told apart",
			 (long long)model->findings_left_out);
	if (verdict->doubt)
		complain("log: %s", verdict->doubt);
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

static void say_notes(const struct verdict *verdict, const char *injected)
{
	int64_t gaps = verdict->model->found[CATEGORY_GAP];

	say_injected(verdict->model, injected);
	if (gaps && !verdict->wanted[CATEGORY_GAP])
		complain("note: %lld program%s that mmfence cannot look into (--fail-on gap)",
			 (long long)gaps, plural(gaps));
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (verdict->hidden[i])
			complain("note: %s was not looked for, because of %s", categories[i].name,
				 verdict->hidden[i]);
	}
}

bool verdict_failed(const struct verdict *verdict)
{
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (verdict->wanted[i] && verdict->model->found[i])
			return true;
	}
	return verdict->doubt;
}

static void say_ending(const struct verdict *verdict, const char *log)
{
	char *visible = printable(log);

	if (verdict_failed(verdict))
		complain("check failed%s%s; log %s",
			 verdict->status ? ", and the command too: " : "",
			 verdict->status ? verdict->ending : "", visible);
	else if (verdict->status)
		complain("check found nothing, but the command failed: %s; log %s", verdict->ending,
			 visible);
	else
		complain("check passed; log %s", visible);
	free(visible);
}

void verdict_say(const struct verdict *verdict, const char *injected, const char *log, bool quiet)
{
	say_findings(verdict);
	if (quiet)
		return;
	say_notes(verdict, injected);
	say_ending(verdict, log);
}
