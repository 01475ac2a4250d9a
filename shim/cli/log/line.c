/* SPDX-License-Identifier: MIT */
/*
 * Records for people: see line.h. What is said of each event is one line of a
 * table, so that no event needs a function of its own.
 */
#include <string.h>

#include "cli/log/line.h"
#include "cli/text/show.h"

#define LONGEST 200

/* {name}: a field as it is; {size:name}, {time:name}: bytes, microseconds. What stands between
 * brackets is left out when a field in it is not there, or is empty. */
static const struct wording {
	const char *action, *text;
} wordings[] = {
	{ "process.start", "{process.command_line}[, on {host.hostname}]" },
	{ "process.end", "[exit status {process.exit_code}, ]{mmfence.snapshots} snapshots, "
			 "{size:mmfence.snapshot_bytes} copied, {mmfence.unprotected} mappings "
			 "without one[, {mmfence.dropped} records dropped]" },
	{ "snapshot.create", "{file.path}: {mmfence.snapshot.engine}, "
			     "{mmfence.snapshot.consistency}[ ({mmfence.snapshot.reason})], "
			     "{size:mmfence.mapping.length} {mmfence.mapping.protection} at "
			     "{mmfence.mapping.address}, {size:mmfence.snapshot.bytes} copied in "
			     "{time:mmfence.snapshot.microseconds}" },
	{ "snapshot.preserve", "{file.path}: [{mmfence.snapshot.count} ]preserved, "
			       "{size:mmfence.snapshot.bytes} copied "
			       "({mmfence.snapshot.engine}) in "
			       "{time:mmfence.snapshot.microseconds}[, because of a "
			       "{mmfence.snapshot.trigger}]" },
	{ "snapshot.unprotected", "{file.path}: [{mmfence.snapshot.decision}, ]"
				  "{error.message}[ ({size:mmfence.mapping.length})]" },
	{ "snapshot.lost", "{file.path}: {error.message}" },
	{ "snapshot.drift",
	  "{file.path}: {mmfence.drift.pages} pages differ now[, at {mmfence.drift.ranges}]" },
	{ "snapshot.end", "{file.path}: {mmfence.snapshot.fate}" },
	{ "snapshot.grow", "{file.path}: {error.message}" },
	{ "mapping.sigbus",
	  "[{file.path}: ]SIGBUS, {error.message} ({mmfence.sigbus.access}"
	  "[ at {mmfence.sigbus.offset}][ of {file.size}][, {mmfence.mapping.protection}])"
	  "[, open for writing in {mmfence.sigbus.writer_name} ({mmfence.sigbus.writer})]"
	  "[; cure: {mmfence.sigbus.cure}]" },
	{ "mapping.rescued", "{file.path}: {error.message}, {size:mmfence.rescue.length} at "
			     "{mmfence.rescue.address} ({mmfence.mapping.protection})" },
	{ "nonlinear.remap", "[{file.path}: ]{size:mmfence.mapping.length} at "
			     "{mmfence.mapping.address} show page {mmfence.mapping.page_offset} of "
			     "the file[, before page {mmfence.mapping.linear_page_offset}]"
			     "[, emulated ({mmfence.emulated})][, site {mmfence.site}]" },
	{ "nonlinear.rewire",
	  "[{file.path}: ]{size:mmfence.mapping.length} at "
	  "{mmfence.mapping.address} show page {mmfence.mapping.page_offset} of "
	  "the file[, site {mmfence.site}]" },
	{ "nonlinear.pressure", "{mmfence.areas.count} of {mmfence.areas.limit} areas[, at this "
				"rate full in {mmfence.areas.calls_left} calls]" },
	{ "nonlinear.total", "[{mmfence.total.kind}: ]{mmfence.total.calls} calls, "
			     "{mmfence.total.failed} failed, {size:mmfence.total.bytes}"
			     "[, site {mmfence.site}]" },
	{ "selfmem.open", "{file.path}: {mmfence.selfmem.kind} memory opened "
			  "({mmfence.selfmem.mode})[, {mmfence.policy}]" },
	{ "selfmem.map", "{file.path}: {size:mmfence.mapping.length} "
			 "{mmfence.mapping.protection}[, given as {mmfence.selfmem.view}]" },
	{ "coverage.gap", "{file.path}: {error.message}" },
	{ "check.start", "{process.command_line}[, must not have {mmfence.check.fail_on}]" },
	{ "log.dropped", "{mmfence.dropped} records could not be written" },
	{ "pages.census",
	  "{mmfence.pages.resident_file} pages still show the files, "
	  "{mmfence.pages.resident_private} are copies, "
	  "{mmfence.pages.resident_shared} shared, {mmfence.pages.swapped} swapped, "
	  "{mmfence.pages.never_allocated} never allocated" },
	{ "pages.mapping", "{file.path}: {mmfence.pages.resident_file} pages still show the file, "
			   "{mmfence.pages.resident_private} are copies" },
};

/* A field's name, and what it is measured in. */
struct part {
	const char *kind;
	const struct scan_value *value;
};

static struct part part_of(const struct scan *scan, const char *at, size_t length)
{
	static const char *const kinds[] = { "size:", "time:" };
	struct part part = { "", NULL };
	char name[64];

	for (int i = 0; i < 2; i++) {
		if (strncmp(at, kinds[i], 5))
			continue;
		part.kind = kinds[i];
		at += 5;
		length -= 5;
	}
	snprintf(name, sizeof(name), "%.*s", (int)length, at);
	part.value = scan_get(scan, name);
	return part;
}

static bool is_there(const struct scan_value *value)
{
	if (!value || value->type >= SCAN_ARRAY || value->type == SCAN_NULL)
		return false;
	return value->type != SCAN_STRING || value->length;
}

static void put_value(FILE *out, const struct scan_value *value)
{
	static const char *const words[] = { "", "no", "yes" };

	if (!is_there(value))
		fputc('?', out);
	else if (value->type == SCAN_STRING)
		put_visible(out, value->text, LONGEST);
	else if (value->type == SCAN_INTEGER)
		fprintf(out, "%lld", (long long)value->integer);
	else if (value->type <= SCAN_TRUE)
		fputs(words[value->type], out);
}

static void put_part(FILE *out, const struct part *part)
{
	if (*part->kind == 's' && is_there(part->value))
		put_size(out, scan_number_of(part->value));
	else if (*part->kind == 't' && is_there(part->value))
		put_duration(out, scan_number_of(part->value));
	else
		put_value(out, part->value);
}

/* Whether every field up to the closing bracket is there. */
static bool whole(const struct scan *scan, const char *at)
{
	for (; *at && *at != ']'; at++) {
		if (*at != '{')
			continue;
		size_t length = strcspn(++at, "}");
		struct part part = part_of(scan, at, length);

		if (!is_there(part.value))
			return false;
		at += length;
	}
	return true;
}

static void put_wording(FILE *out, const struct scan *scan, const char *at)
{
	for (; *at; at++) {
		if (*at == '[' && !whole(scan, at)) {
			at = strchr(at, ']');
		} else if (*at == '{') {
			size_t length = strcspn(++at, "}");
			struct part part = part_of(scan, at, length);

			put_part(out, &part);
			at += length;
		} else if (*at != '[' && *at != ']') {
			fputc(*at, out);
		}
	}
}

/* An event without a wording: everything of its own, by name. */
static void put_all(FILE *out, const struct scan *scan, const struct scan_value *object,
		    const char *prefix)
{
	for (const struct scan_value *key = scan_first(scan, object); key;
	     key = scan_next(scan, object, key + 1)) {
		char name[96];

		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key->text);
		if (key[1].type == SCAN_OBJECT && strcmp(key->text, "raw"))
			put_all(out, scan, key + 1, name);
		if (!is_there(key + 1))
			continue;
		fputc(' ', out);
		put_visible(out, name, 80);
		fputc('=', out);
		put_value(out, key + 1);
	}
}

static void put_other(FILE *out, const struct scan *scan)
{
	const struct scan_value *extra = scan_get(scan, "mmfence");
	const char *path = scan_text(scan, "file.path");

	put_visible(out, path, LONGEST);
	if (extra)
		put_all(out, scan, extra, "");
}

/* What a wording has not said already. */
static void put_error(FILE *out, const struct scan *scan, const char *wording)
{
	const char *code = scan_text(scan, "error.code"), *text = scan_text(scan, "error.message");
	const char *policy = scan_text(scan, "mmfence.policy");

	if (*code) {
		fputs(": ", out);
		put_visible(out, code, 40);
	}
	if (*text && !strstr(wording, "{error.message}")) {
		fputs(*code ? ", " : ": ", out);
		put_visible(out, text, LONGEST);
	}
	if (*policy && !strstr(wording, "{mmfence.policy}")) {
		fputs(" (policy: ", out);
		put_visible(out, policy, 40);
		fputc(')', out);
	}
}

static const char *colour_of(const struct scan *scan, const char *action)
{
	static const char *const alarms[] = { "snapshot.lost", "log.dropped" };
	static const char *const warnings[] = { "snapshot.unprotected", "snapshot.grow",
						"coverage.gap", "nonlinear.pressure" };

	for (size_t i = 0; i < sizeof(alarms) / sizeof(*alarms); i++)
		if (!strcmp(action, alarms[i]))
			return "\033[1;31m";
	for (size_t i = 0; i < sizeof(warnings) / sizeof(*warnings); i++)
		if (!strcmp(action, warnings[i]))
			return "\033[33m";
	if (!strcmp(scan_text(scan, "event.outcome"), "failure"))
		return "\033[33m";
	if (!strncmp(action, "process.", 8))
		return "\033[2m";
	return strncmp(action, "snapshot.", 9) ? "\033[36m" : "\033[32m";
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

void log_line(FILE *out, const struct scan *scan, bool colour)
{
	const char *action = scan_text(scan, "event.action"), *wording = "";

	put_time(out, scan_text(scan, "@timestamp"));
	fputs("  ", out);
	put_visible(out, scan_text(scan, "process.name"), 40);
	fprintf(out, "[%lld]  ", (long long)scan_number(scan, "process.pid"));
	if (colour)
		fputs(colour_of(scan, action), out);
	put_visible(out, action, 40);
	fputs(colour ? "\033[0m  " : "  ", out);
	for (size_t i = 0; i < sizeof(wordings) / sizeof(*wordings); i++)
		if (!strcmp(action, wordings[i].action))
			wording = wordings[i].text;
	if (*wording)
		put_wording(out, scan, wording);
	else
		put_other(out, scan);
	put_error(out, scan, wording);
	fputc('\n', out);
}
