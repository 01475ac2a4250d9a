/* SPDX-License-Identifier: MIT */
/*
 * Records for people, a line each. What is said of each event is in model/words.c.
 */
#include <stdlib.h>
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
	bool known = strlen(time) >= 23 && time[10] == 'T';
	char *text = known ? format_text("%.10s %.12s", time, time + 11) : keep(time);

	put_visible(out, text, 40);
	free(text);
}

/* And what the wording has not said already. */
char *log_words(const struct scan *scan)
{
	const struct words *words = words_of(scan_text(scan, "event.action"));
	const char *line = words ? words->line : "{file.path}";
	char *all = format_text("%s[: {error.code}]%s%s", line,
				strstr(line, "{error.message}") ? "" : "[; {error.message}]",
				strstr(line, "{mmfence.policy}") ? ""
								 : "[ (policy: {mmfence.policy})]");
	char *text = words_of_record(scan, all);

	free(all);
	return text;
}

void log_line(FILE *out, const struct scan *scan, bool colour)
{
	const char *action = scan_text(scan, "event.action");
	char *words = log_words(scan);

	put_time(out, scan_text(scan, "@timestamp"));
	fputs("  ", out);
	put_visible(out, scan_text(scan, "process.name"), 40);
	fprintf(out, "[%lld]  ", (long long)scan_number(scan, "process.pid"));
	if (colour)
		fputs(colour_of(scan, action), out);
	put_visible(out, action, 40);
	fprintf(out, "%s  %s\n", colour ? "\033[0m" : "", words);
	free(words);
}
