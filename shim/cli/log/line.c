/* SPDX-License-Identifier: MIT */
/*
 * Records for people, a line each. What is said of each event is in model/words.c.
 */
#include <string.h>

#include "cli/log/log.h"

/* Red where something was lost, yellow where something failed or is not as it should be. */
static const char *colour_of(const struct scan *scan, const char *action)
{
	static const struct {
		const char *beginning, *colour;
	} colours[] = {
		{ "snapshot.lost", "\033[1;31m" },
		{ "log.dropped", "\033[1;31m" },
		{ "snapshot.unprotected", "\033[33m" },
		{ "snapshot.grow", "\033[33m" },
		{ "coverage.gap", "\033[33m" },
		{ "nonlinear.pressure", "\033[33m" },
		{ "process.", "\033[2m" },
		{ "snapshot.", "\033[32m" },
		{ "", "\033[36m" },
	};
	size_t i = 0;

	while (strncmp(action, colours[i].beginning, strlen(colours[i].beginning)))
		i++;
	return i > 1 && !strcmp(scan_text(scan, "event.outcome"), "failure") ? "\033[33m"
									     : colours[i].colour;
}

/* "2026-11-21 12:03:17.720" of "2026-11-21T12:03:17.720367Z"; anything else as it is. */
static void put_time(FILE *out, const char *time)
{
	char text[24];

	if (strlen(time) < 23 || time[10] != 'T') {
		put_visible(out, time, 40);
		return;
	}
	snprintf(text, sizeof(text), "%s", time);
	text[10] = ' ';
	put_visible(out, text, 40);
}

void log_words(FILE *out, const struct scan *scan)
{
	const struct words *words = words_of(scan_text(scan, "event.action"));
	const char *line = words ? words->line : "{file.path}";

	words_put(out, scan, line);
	/* What the wording has not said already. */
	words_put(out, scan, "[: {error.code}]");
	if (!strstr(line, "{error.message}"))
		words_put(out, scan, "[; {error.message}]");
	if (!strstr(line, "{mmfence.policy}"))
		words_put(out, scan, "[ (policy: {mmfence.policy})]");
}

void log_line(FILE *out, const struct scan *scan, bool colour)
{
	const char *action = scan_text(scan, "event.action");

	put_time(out, scan_text(scan, "@timestamp"));
	fputs("  ", out);
	put_visible(out, scan_text(scan, "process.name"), 40);
	fprintf(out, "[%lld]  ", (long long)scan_number(scan, "process.pid"));
	if (colour)
		fputs(colour_of(scan, action), out);
	put_visible(out, action, 40);
	fputs(colour ? "\033[0m  " : "  ", out);
	log_words(out, scan);
	fputc('\n', out);
}
