/* SPDX-License-Identifier: MIT */
/*
 * A verdict for people, on standard error: a line for each finding, notes, and what it all
 * comes to.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text/printable.h"
#include "cli/check/verdict.h"

static void say_findings(const struct verdict *verdict)
{
	const struct findings *findings = verdict->findings;

	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->list[i];

		if (!verdict->wanted[finding->category])
			continue;
		char *line = finding_line(finding);
		complain("%s: %s", categories[finding->category].name, line);
		free(line);
	}
	if (verdict->doubt)
		complain("log: %s", verdict->doubt);
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

static void say_notes(const struct verdict *verdict, const char *injected)
{
	size_t gaps = verdict->findings->of[CATEGORY_GAP];

	say_injected(verdict->findings, injected);
	if (gaps && !verdict->wanted[CATEGORY_GAP])
		complain("note: %zu program%s that mmfence cannot look into (--fail-on gap)", gaps,
			 gaps == 1 ? "" : "s");
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (verdict->hidden[i])
			complain("note: %s was not looked for, because of %s", categories[i].name,
				 verdict->hidden[i]);
	}
}

bool verdict_failed(const struct verdict *verdict)
{
	for (size_t i = 0; i < CATEGORY_COUNT; i++) {
		if (verdict->wanted[i] && verdict->findings->of[i])
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
