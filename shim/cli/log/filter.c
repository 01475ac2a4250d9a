/* SPDX-License-Identifier: MIT */
/*
 * Which records `mmfence log' shows.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cli/log/log.h"

/* A pattern that no event there is can match is a slip. */
static bool is_event(const char *pattern)
{
	for (size_t i = 0; i < event_kinds; i++)
		if (!fnmatch(pattern, event_names[i], 0))
			return true;
	return false;
}

static bool is_pid(const char *text)
{
	char *end;
	long long pid = strtoll(text, &end, 10);

	return *text >= '1' && *text <= '9' && !*end && pid <= INT32_MAX;
}

/* The list with what was given before it, as fnmatch has its alternatives. */
static char *longer(const char *list, const char *more, bool (*fits)(const char *part),
		    const char *complaint)
{
	char *all = format_text("%s%s%s", list ? list : "", list ? "," : "", more);
	char *copy = keep(more), *rest = copy, *part;

	while ((part = strsep(&rest, ",")))
		if (!fits(part))
			refuse("%s \"%s\"", complaint, part);
	free(copy);
	for (char *at = strchr(all, ','); at; at = strchr(at + 1, ','))
		*at = '|';
	return all;
}

void filter_actions(void *filter, const char *list)
{
	struct log_filter *it = filter;

	it->actions = longer(it->actions, list, is_event, "--action: there is no event");
}

void filter_pids(void *filter, const char *list)
{
	struct log_filter *it = filter;

	it->pids = longer(it->pids, list, is_pid, "--pid: there can be no process");
}

/* "10m": seconds, or -1. */
static long long relative(const char *text)
{
	static const char units[] = "smhdw";
	static const long seconds[] = { 1, 60, 3600, 86400, 604800 };
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	long long count = strtoll(text, &end, 10);
	const char *unit = *end && !end[1] ? strchr(units, *end) : NULL;
	/* So long ago there were no logs. */
	if (!unit || count > (1LL << 36) / seconds[unit - units])
		return -1;
	return count * seconds[unit - units];
}

/* Times of one form, and of one zone, compare as texts, once each number has all its digits: a
 * beginning of one is enough. */
static bool absolute(const char *text, char since[TIME_BYTES])
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
	char given[TIME_BYTES], *space;

	snprintf(given, sizeof(given), "%s", text);
	space = strchr(given, ' ');
	if (space)
		*space = 'T';
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct tm tm = { 0 };
		const char *rest = strptime(given, forms[i], &tm);
		size_t length = rest ? strftime(since, TIME_BYTES, forms[i], &tm) : 0;
		bool fraction = rest && i == 0 && (*rest == '.' || *rest == 'Z');

		if (!rest || rest[fraction ? strspn(rest, ".0123456789Z") : 0])
			continue;
		snprintf(since + length, TIME_BYTES - length, "%s", rest);
		return since[4] == '-';
	}
	return false;
}

void filter_since(void *filter, const char *text)
{
	struct log_filter *it = filter;
	long long before = relative(text);
	struct timespec when = { .tv_sec = time(NULL) - before };

	if (when.tv_sec < 0)
		when.tv_sec = 0;
	if (before < 0 && !absolute(text, it->since))
		refuse("--since: \"%s\" is no time (2026-11-21T12:00:00Z, or how long ago: 90s, "
		       "10m, 2h, 3d, 1w)",
		       text);
	if (before >= 0)
		time_text(&when, it->since);
	/* A fraction sorts before the letter. */
	it->since[strcspn(it->since, "Z")] = 0;
}

static bool is_one_of(const char *list, const char *text)
{
	char *pattern = list ? format_text("@(%s)", list) : NULL;
	bool is = !pattern || !fnmatch(pattern, text, FNM_EXTMATCH);

	free(pattern);
	return is;
}

bool filter_wants(const struct log_filter *filter, const struct scan *scan)
{
	char pid[24];

	snprintf(pid, sizeof(pid), "%lld", (long long)scan_number(scan, "process.pid"));
	return is_one_of(filter->actions, scan_text(scan, "event.action")) &&
	       is_one_of(filter->pids, pid) &&
	       strcmp(scan_text(scan, "@timestamp"), filter->since) >= 0;
}
