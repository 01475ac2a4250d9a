/* SPDX-License-Identifier: MIT */
/*
 * What is said of each event, as templates: {name} is a field as it is; {size:name},
 * {time:name} are bytes and microseconds; {many:name} is the plural's s, {eses:name} its es. What
 * stands between brackets is left out when a field in it is not there or is empty, or when a
 * {have:name} is 0.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/model/model.h"

#define LONGEST 200

static const struct words all[] = {
	{ "process.start", "{process.command_line}[, on {host.hostname}]", CATEGORIES, NULL, NULL },
	{ "process.end",
	  "[exit status {process.exit_code}, ]{mmfence.snapshots} "
	  "snapshot{many:mmfence.snapshots}, {size:mmfence.snapshot_bytes} copied, "
	  "{mmfence.unprotected} mapping{many:mmfence.unprotected} without one[, {mmfence.dropped} "
	  "record{many:mmfence.dropped} dropped]",
	  CATEGORIES, NULL, NULL },
	{ "snapshot.create",
	  "{file.path}: {mmfence.snapshot.engine}, {mmfence.snapshot.consistency}[ "
	  "({mmfence.snapshot.reason})], {size:mmfence.mapping.length} "
	  "{mmfence.mapping.protection} at {mmfence.mapping.address}, "
	  "{size:mmfence.snapshot.bytes} copied in {time:mmfence.snapshot.microseconds}",
	  CATEGORY_TORN, "the snapshot may be torn[: {mmfence.snapshot.reason}]", "" },
	{ "snapshot.preserve",
	  "{file.path}: [{mmfence.snapshot.count} ]preserved, {size:mmfence.snapshot.bytes} copied "
	  "({mmfence.snapshot.engine}) in {time:mmfence.snapshot.microseconds}[, because of a "
	  "{mmfence.snapshot.trigger}]",
	  CATEGORIES, NULL, NULL },
	{ "snapshot.unprotected",
	  "{file.path}: [{mmfence.snapshot.decision}, ]{error.message}[ "
	  "({size:mmfence.mapping.length})]",
	  CATEGORY_UNPROTECTED, "[{error.message}]", "" },
	{ "snapshot.lost", "{file.path}: {error.message}", CATEGORY_LOST, "[{error.message}]",
	  NULL },
	{ "snapshot.drift",
	  "{file.path}:[ {mmfence.drift.pages} page{many:mmfence.drift.pages} changed][, at "
	  "{mmfence.drift.ranges}][ what changed is not known: {error.message}]",
	  CATEGORY_DRIFT,
	  "[{mmfence.drift.pages} page{many:mmfence.drift.pages} would have changed under the "
	  "program][what changed is not known: {error.message}]",
	  NULL },
	{ "snapshot.end", "{file.path}: {mmfence.snapshot.fate}", CATEGORIES, NULL, NULL },
	{ "snapshot.grow", "{file.path}: {error.message}", CATEGORIES, NULL, NULL },
	{ "mapping.sigbus",
	  "[{file.path}: ]SIGBUS, {error.message} ({mmfence.sigbus.access}[ at "
	  "{mmfence.sigbus.offset}][ of {file.size}][, {mmfence.mapping.protection}])[, open for "
	  "writing in {mmfence.sigbus.writer_name} ({mmfence.sigbus.writer})][; cure: "
	  "{mmfence.sigbus.cure}]",
	  CATEGORY_SIGBUS, "{error.message}", "{error.message}" },
	{ "mapping.rescued",
	  "{file.path}: {error.message}, {size:mmfence.rescue.length} at {mmfence.rescue.address} "
	  "({mmfence.mapping.protection})",
	  CATEGORY_SIGBUS, "{error.message}", "{error.message}" },
	{ "nonlinear.remap",
	  "[{file.path}: ]{size:mmfence.mapping.length} at {mmfence.mapping.address} show page "
	  "{mmfence.mapping.page_offset} of the file[, before page "
	  "{mmfence.mapping.linear_page_offset}][, emulated ({mmfence.emulated})][, site "
	  "{mmfence.site}]",
	  CATEGORY_NONLINEAR, "remap_file_pages", "" },
	{ "snapshot.total",
	  "{file.path}: {mmfence.total.calls} more, {mmfence.snapshot.engine}, "
	  "{mmfence.snapshot.consistency}, {size:mmfence.total.bytes}[, site {mmfence.site}]",
	  CATEGORIES, NULL, NULL },
	{ "nonlinear.rewire",
	  "[{file.path}: ]{size:mmfence.mapping.length} at {mmfence.mapping.address} show page "
	  "{mmfence.mapping.page_offset} of the file[, site {mmfence.site}]",
	  CATEGORY_REWIRE, "nonlinear window made by mmap", "" },
	{ "nonlinear.pressure",
	  "{mmfence.areas.count} of {mmfence.areas.limit} areas[, at this rate full in "
	  "{mmfence.areas.calls_left} calls]",
	  CATEGORY_PRESSURE,
	  "{mmfence.areas.count} of {mmfence.areas.limit} areas[, and a call failed with "
	  "{error.code}]",
	  "{mmfence.areas.count} of {mmfence.areas.limit} areas[, {mmfence.areas.calls_left} calls "
	  "left]" },
	{ "nonlinear.total",
	  "[{mmfence.total.kind}: ]{mmfence.total.calls} "
	  "call{many:mmfence.total.calls}, {mmfence.total.failed} failed, "
	  "{size:mmfence.total.bytes}[, site {mmfence.site}]",
	  CATEGORIES, NULL,
	  "[{have:mmfence.total.sequential} in sequence, ][steps of {mmfence.total.smallest_step} "
	  "to {mmfence.total.largest_step} pages]" },
	{ "selfmem.open",
	  "{file.path}: {mmfence.selfmem.kind} memory opened ({mmfence.selfmem.mode})[, "
	  "{mmfence.policy}]",
	  CATEGORY_SELFMEM,
	  "{mmfence.selfmem.kind} memory opened as a file ({mmfence.selfmem.mode})[: {error.code}]",
	  "{mmfence.selfmem.kind}, {mmfence.selfmem.mode}" },
	{ "selfmem.map",
	  "{file.path}: {size:mmfence.mapping.length} {mmfence.mapping.protection}[, given as "
	  "{mmfence.selfmem.view}]",
	  CATEGORY_SELFMEM,
	  "{mmfence.selfmem.kind} memory mapped as a file ({mmfence.mapping.protection})[: "
	  "{error.code}]",
	  "{mmfence.selfmem.kind}, {mmfence.mapping.protection}[; given as "
	  "{mmfence.selfmem.view}][; other threads: {mmfence.selfmem.synchronised}]" },
	{ "selfmem.access",
	  "{mmfence.call}[ of process {mmfence.selfmem.owner}], {mmfence.selfmem.calls} "
	  "call{many:mmfence.selfmem.calls}[, "
	  "{size:mmfence.selfmem.bytes}]",
	  CATEGORY_SELFMEM, "{mmfence.call} of a process", "{mmfence.call}" },
	{ "coverage.gap", "{file.path}: {error.message}", CATEGORY_GAP, "[{mmfence.gap.reason}]",
	  NULL },
	{ "check.start", "mmfence check", CATEGORIES, NULL, NULL },
	{ "log.dropped", "{mmfence.dropped} record{many:mmfence.dropped} could not be written",
	  CATEGORIES, NULL, NULL },
	{ "pages.census",
	  "{mmfence.pages.resident_file} pages still show the files, "
	  "{mmfence.pages.resident_private} are copies, {mmfence.pages.resident_shared} shared, "
	  "{mmfence.pages.swapped} swapped, {mmfence.pages.never_allocated} never allocated",
	  CATEGORIES, NULL, NULL },
	{ "pages.mapping",
	  "{file.path}: {mmfence.pages.resident_file} pages still show the file, "
	  "{mmfence.pages.resident_private} are copies",
	  CATEGORIES, NULL, NULL },
	{ "selfmem.split", "{size:mmfence.selfmem.bytes} of views were split by a fork", CATEGORIES,
	  NULL, "" },
	{ "inject.fault", "{mmfence.inject.rule}", CATEGORY_INJECTED, "{mmfence.inject.rule}",
	  "{mmfence.inject.rule}" },
	{ "inject.total",
	  "{mmfence.inject.rule}: {mmfence.inject.failed} "
	  "call{many:mmfence.inject.failed} failed",
	  CATEGORY_INJECTED, "{mmfence.inject.rule}", NULL },
};

const struct words *words_of(const char *action)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!strcmp(action, all[i].action))
			return &all[i];
	return NULL;
}

/* A field's name, and what it is measured in. */
struct measure {
	const char *kind;
	const struct scan_value *value;
};

static struct measure part_of(const char *at, size_t length, words_find *find, const void *context)
{
	static const char *const kinds[] = { "size:", "time:", "many:", "eses:", "have:" };
	struct measure part = { "", NULL };
	char name[64];

	for (int i = 0; i < 5; i++) {
		if (strncmp(at, kinds[i], 5))
			continue;
		part.kind = kinds[i];
		at += 5;
		length -= 5;
	}
	snprintf(name, sizeof(name), "%.*s", (int)length, at);
	part.value = find(context, name);
	return part;
}

/* Whether there is something to say of it. */
static bool has(const struct scan_value *value)
{
	if (!value || value->type >= SCAN_ARRAY || value->type == SCAN_NULL)
		return false;
	return value->type != SCAN_STRING || value->length;
}

static void put_value(FILE *out, const struct scan_value *value)
{
	static const char *const words[] = { "", "no", "yes" };

	if (!has(value))
		fputc('?', out);
	else if (value->type == SCAN_STRING)
		put_visible(out, value->text, LONGEST);
	else if (value->type == SCAN_INTEGER)
		fprintf(out, "%lld", (long long)value->integer);
	else if (value->type <= SCAN_TRUE)
		fputs(words[value->type], out);
}

static void put_part(FILE *out, const struct measure *part)
{
	if (*part->kind == 's' && has(part->value))
		put_size(out, scan_number_of(part->value));
	else if (*part->kind == 't' && has(part->value))
		put_duration(out, scan_number_of(part->value));
	else if (*part->kind == 'm')
		fputs(plural(scan_number_of(part->value)), out);
	else if (*part->kind == 'e')
		fputs(scan_number_of(part->value) == 1 ? "" : "es", out);
	else
		put_value(out, part->value);
}

/* Whether every field up to the closing bracket is there. */
static bool whole(const char *at, words_find *find, const void *context)
{
	for (; *at && *at != ']'; at++) {
		if (*at != '{')
			continue;
		size_t length = strcspn(++at, "}");
		struct measure part = part_of(at, length, find, context);

		if (!has(part.value) || (*part.kind == 'h' && !scan_number_of(part.value)))
			return false;
		at += length;
	}
	return true;
}

char *words_fill(const char *at, words_find *find, const void *context)
{
	char *text;
	FILE *out = open_text(&text);

	for (; *at; at++) {
		if (*at == '[' && !whole(at, find, context)) {
			at = strchr(at, ']');
		} else if (*at == '{') {
			size_t length = strcspn(++at, "}");
			struct measure part = part_of(at, length, find, context);

			put_part(out, &part);
			at += length;
		} else if (*at != '[' && *at != ']') {
			fputc(*at, out);
		}
	}
	fclose(out);
	return text;
}

static const struct scan_value *find_field(const void *scan, const char *name)
{
	return scan_get(scan, name);
}

char *words_of_record(const struct scan *scan, const char *words)
{
	return words_fill(words, find_field, scan);
}
