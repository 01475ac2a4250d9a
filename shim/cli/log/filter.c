/* SPDX-License-Identifier: MIT */
/*
 * Filters: see filter.h.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/log/filter.h"
#include "cli/model/model.h"

/* A pattern that no event there is can match is a slip. */
static bool known(const char *pattern)
{
	for (size_t i = 0; i < event_kinds; i++)
		if (!fnmatch(pattern, event_names[i], 0))
			return true;
	return false;
}

static int add_action(struct log_filter *filter, const char *pattern)
{
	if (!known(pattern)) {
		complain("--action: there is no event `%s'", pattern);
		return -1;
	}
	if (filter->action_count == FILTER_MOST) {
		complain("--action: more than %d patterns", FILTER_MOST);
		return -1;
	}
	filter->actions[filter->action_count++] = format_text("%s", pattern);
	return 0;
}

static int add_pid(struct log_filter *filter, const char *text)
{
	char *end;

	errno = 0;
	long pid = strtol(text, &end, 10);
	if (*end || end == text || pid <= 0 || errno) {
		complain("--pid: `%s' is no process id", text);
		return -1;
	}
	if (filter->pid_count == FILTER_MOST) {
		complain("--pid: more than %d processes", FILTER_MOST);
		return -1;
	}
	filter->pids[filter->pid_count++] = pid;
	return 0;
}

static int each(struct log_filter *filter, const char *list,
		int (*add)(struct log_filter *filter, const char *part))
{
	char *copy = format_text("%s", list), *rest = copy, *part;
	int r = 0;

	while (!r && (part = strsep(&rest, ",")))
		r = add(filter, part);
	free(copy);
	return r;
}

int filter_actions(struct log_filter *filter, const char *list)
{
	return each(filter, list, add_action);
}

int filter_pids(struct log_filter *filter, const char *list)
{
	return each(filter, list, add_pid);
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
	if (!unit || count > (1LL << 40))
		return -1;
	return count * seconds[unit - units];
}

/* "Z", "+02:00" or "-0530" behind a time: seconds east of Greenwich. */
static bool zone(const char *text, long *east)
{
	int hours, minutes, used = 0;

	if (!strcmp(text, "Z")) {
		*east = 0;
		return true;
	}
	/* scanf takes spaces and signs for part of a number. */
	if ((*text != '+' && *text != '-') || text[1 + strspn(text + 1, "0123456789:")] ||
	    (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
	     sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) != 2) ||
	    text[1 + used] || hours > 23 || minutes > 59)
		return false;
	*east = (hours * 3600L + minutes * 60L) * (*text == '-' ? -1 : 1);
	return true;
}

/* Fractions of a second as they stand, so that they compare with those of the records. */
static const char *fraction(const char *rest, char *digits, size_t size)
{
	size_t length;

	snprintf(digits, size, "000000");
	if ((*rest != '.' && *rest != ',') || rest[1] < '0' || rest[1] > '9')
		return rest;
	length = strspn(++rest, "0123456789");
	for (size_t i = 0; i < length && i < 6; i++)
		digits[i] = rest[i];
	return rest + length;
}

/* strptime knows months of 31 days only, and mktime makes the 3rd of March of a 31st of February.
 * A leap second is one. */
static bool is_on_the_calendar(const char *text, const struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = tm->tm_year + 1900;
	bool leap = (!(year % 4) && year % 100) || !(year % 400);

	return strspn(text, "0123456789") == 4 && tm->tm_sec <= 60 &&
	       tm->tm_mday <= days[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

static bool absolute(const char *text, time_t *when, char *digits, size_t size)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					     "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *rest = strptime(text, forms[i], &tm);
		long east;

		if (!rest || !is_on_the_calendar(text, &tm))
			continue;
		/* Only a second has fractions. */
		if (i < 2)
			rest = fraction(rest, digits, size);
		if (!*rest) {
			*when = mktime(&tm);
			return true;
		}
		if (zone(rest, &east)) {
			*when = timegm(&tm) - east;
			return true;
		}
	}
	return false;
}

int filter_since(struct log_filter *filter, const char *text, time_t now)
{
	long long before = relative(text);
	char digits[8] = "000000";
	time_t when = now - before;
	struct tm tm;

	if (before < 0 && !absolute(text, &when, digits, sizeof(digits))) {
		complain("--since: `%s' is no time (2026-11-21T12:00:00Z, or how long ago: 90s, "
			 "10m, 2h, 3d, 1w)",
			 text);
		return -1;
	}
	if (!gmtime_r(&when, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
		complain("--since: `%s' is out of all time", text);
		return -1;
	}
	snprintf(filter->since, sizeof(filter->since), "%04d-%02d-%02dT%02d:%02d:%02d.%sZ",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 digits);
	return 0;
}

static bool wants_action(const struct log_filter *filter, const char *action)
{
	for (size_t i = 0; i < filter->action_count; i++)
		if (!fnmatch(filter->actions[i], action, 0))
			return true;
	return !filter->action_count;
}

static bool wants_pid(const struct log_filter *filter, int64_t pid)
{
	for (size_t i = 0; i < filter->pid_count; i++)
		if (filter->pids[i] == pid)
			return true;
	return !filter->pid_count;
}

bool filter_wants(const struct log_filter *filter, const struct scan *scan)
{
	return wants_action(filter, scan_text(scan, "event.action")) &&
	       wants_pid(filter, scan_number(scan, "process.pid")) &&
	       (!*filter->since || strcmp(scan_text(scan, "@timestamp"), filter->since) >= 0);
}
