/* SPDX-License-Identifier: MIT */
/*
 * Adds up records: see tally.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/field.h"
#include "cli/model/tally.h"

static void add(json_t *object, const char *key, json_int_t n)
{
	json_object_set_new(object, key,
			    json_integer(json_integer_value(json_object_get(object, key)) + n));
}

static json_t *entry_of(json_t *table, const char *key)
{
	json_t *entry = json_object_get(table, key);

	if (!entry) {
		entry = json_object();
		json_object_set_new(table, key, entry);
	}
	return entry;
}

static void count_more(json_t *table, const char *key, json_int_t n, const char *example)
{
	json_t *entry = entry_of(table, *key ? key : "unknown");

	add(entry, "number", n);
	if (*example && !*text(entry, "example"))
		json_object_set_new(entry, "example", json_string(example));
}

static void count(json_t *table, const char *key, const char *example)
{
	count_more(table, key, 1, example);
}

static void take_process(struct tally *tally, const json_t *record)
{
	(void)record;
	tally->processes++;
}

static void take_create(struct tally *tally, const json_t *record)
{
	tally->snapshots++;
	tally->copied += number(record, "mmfence.snapshot.bytes");
	count(tally->engines, text(record, "mmfence.snapshot.engine"), "");
	count(tally->consistencies, text(record, "mmfence.snapshot.consistency"), "");
}

static void take_preserve(struct tally *tally, const json_t *record)
{
	json_int_t wait = number(record, "mmfence.snapshot.microseconds");

	tally->preserved++;
	tally->preserved_bytes += number(record, "mmfence.snapshot.bytes");
	if (wait > tally->longest_wait)
		tally->longest_wait = wait;
}

static void take_unprotected(struct tally *tally, const json_t *record)
{
	tally->unprotected++;
	tally->denied += !strcmp(text(record, "mmfence.snapshot.decision"), "deny");
	count(tally->reasons, text(record, "error.message"), text(record, "file.path"));
}

static void take_lost(struct tally *tally, const json_t *record)
{
	count(tally->lost, text(record, "error.message"), text(record, "file.path"));
}

static void take_drift(struct tally *tally, const json_t *record)
{
	tally->drifted++;
	tally->drift_pages += number(record, "mmfence.drift.pages");
}

static void take_grow(struct tally *tally, const json_t *record)
{
	(void)record;
	tally->grown++;
}

static int failed(const json_t *record)
{
	return !strcmp(text(record, "event.outcome"), "failure");
}

/* By process, since each writes its own totals: these count the calls that were recorded too. */
static json_t *calls_of(struct tally *tally, const json_t *record)
{
	const char *site = text(record, "mmfence.site");
	char *key = format_text("%lld %s", (long long)number(record, "process.pid"), site);
	json_t *entry = entry_of(tally->calls, key);

	if (*site)
		json_object_set_new(tally->sites, site, json_true());
	free(key);
	return entry;
}

static void take_remap(struct tally *tally, const json_t *record)
{
	json_t *entry = calls_of(tally, record);

	add(entry, "seen", 1);
	add(entry, "seen_failed", failed(record));
	if (*text(record, "mmfence.policy"))
		json_object_set_new(entry, "refused", json_string(text(record, "file.path")));
}

/* Windows made by mmap are counted in the same way, apart. */
static json_t *rewires_of(struct tally *tally, const json_t *record)
{
	char *key = format_text("%lld %s rewire", (long long)number(record, "process.pid"),
				text(record, "mmfence.site"));
	json_t *entry = entry_of(tally->calls, key);

	free(key);
	return entry;
}

static void take_total(struct tally *tally, const json_t *record)
{
	json_t *entry;

	if (!strcmp(text(record, "mmfence.total.kind"), "rewire")) {
		add(rewires_of(tally, record), "rewired_total",
		    number(record, "mmfence.total.calls"));
		return;
	}
	entry = calls_of(tally, record);
	add(entry, "total", number(record, "mmfence.total.calls"));
	add(entry, "total_failed", number(record, "mmfence.total.failed"));
}

static void take_rewire(struct tally *tally, const json_t *record)
{
	add(rewires_of(tally, record), "rewired_seen", 1);
}

static void take_pressure(struct tally *tally, const json_t *record)
{
	json_int_t areas = number(record, "mmfence.areas.count");

	if (areas <= tally->areas)
		return;
	tally->areas = areas;
	tally->area_limit = number(record, "mmfence.areas.limit");
}

static void take_open(struct tally *tally, const json_t *record)
{
	const char *path = text(record, "file.path");

	if (*text(record, "mmfence.policy"))
		count(tally->refused, "open of memory", path);
	else
		count(tally->opened, text(record, "mmfence.selfmem.kind"), path);
}

static void take_map(struct tally *tally, const json_t *record)
{
	if (failed(record)) {
		count(tally->refused, "mapping of memory", text(record, "file.path"));
		return;
	}
	tally->views++;
	tally->unsynchronised += !strcmp(text(record, "mmfence.selfmem.synchronised"), "none");
}

static void take_gap(struct tally *tally, const json_t *record)
{
	count(tally->gaps, text(record, "mmfence.gap.reason"), text(record, "file.path"));
}

static void take_dropped(struct tally *tally, const json_t *record)
{
	tally->dropped += number(record, "mmfence.dropped");
}

static void take_end(struct tally *tally, const json_t *record)
{
	tally->dropped_at_end += number(record, "mmfence.dropped");
}

static const struct taker {
	const char *action;
	void (*take)(struct tally *tally, const json_t *record);
} takers[] = {
	{ "process.start", take_process },
	{ "snapshot.create", take_create },
	{ "snapshot.preserve", take_preserve },
	{ "snapshot.unprotected", take_unprotected },
	{ "snapshot.lost", take_lost },
	{ "snapshot.drift", take_drift },
	{ "snapshot.grow", take_grow },
	{ "nonlinear.remap", take_remap },
	{ "nonlinear.total", take_total },
	{ "nonlinear.rewire", take_rewire },
	{ "nonlinear.pressure", take_pressure },
	{ "selfmem.open", take_open },
	{ "selfmem.map", take_map },
	{ "coverage.gap", take_gap },
	{ "log.dropped", take_dropped },
	{ "process.end", take_end },
};

void tally_line(const char *line, size_t length, bool fresh, void *context)
{
	(void)fresh;
	struct tally *tally = context;

	/* What was cut short before is ended by an empty line. */
	if (length == 1)
		return;
	json_t *record = json_loadb(line, length, 0, NULL);
	const char *action = text(record, "event.action");

	if (*action)
		tally->records++;
	else
		tally->damaged++;
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
		if (!strcmp(action, takers[i].action))
			takers[i].take(tally, record);
	}
	json_decref(record);
}

static json_t **const *tables_of(struct tally *tally)
{
	static json_t **tables[9];

	tables[0] = &tally->engines;
	tables[1] = &tally->consistencies;
	tables[2] = &tally->reasons;
	tables[3] = &tally->lost;
	tables[4] = &tally->refused;
	tables[5] = &tally->opened;
	tables[6] = &tally->calls;
	tables[7] = &tally->sites;
	tables[8] = &tally->gaps;
	return tables;
}

void tally_init(struct tally *tally)
{
	json_t **const *tables = tables_of(tally);

	memset(tally, 0, sizeof(*tally));
	for (int i = 0; i < 9; i++)
		*tables[i] = json_object();
}

void tally_free(struct tally *tally)
{
	json_t **const *tables = tables_of(tally);

	for (int i = 0; i < 9; i++)
		json_decref(*tables[i]);
}

static json_int_t larger(const json_t *entry, const char *a, const char *b)
{
	return number(entry, a) > number(entry, b) ? number(entry, a) : number(entry, b);
}

json_int_t tally_calls(const struct tally *tally, json_int_t *failures)
{
	json_int_t calls = 0;
	const char *key;
	json_t *entry;

	*failures = 0;
	json_object_foreach(tally->calls, key, entry)
	{
		calls += larger(entry, "total", "seen");
		*failures += larger(entry, "total_failed", "seen_failed");
	}
	return calls;
}

void tally_finish(struct tally *tally)
{
	const char *key;
	json_t *entry;

	if (tally->dropped < tally->dropped_at_end)
		tally->dropped = tally->dropped_at_end;
	json_object_foreach(tally->calls, key, entry)
	{
		const char *path = json_string_value(json_object_get(entry, "refused"));

		tally->rewired += larger(entry, "rewired_total", "rewired_seen");
		if (path)
			count_more(tally->refused, "remap_file_pages",
				   larger(entry, "total", "seen"), path);
	}
}

size_t tally_top(json_t *table, struct tally_entry *entries, size_t room)
{
	size_t used = 0;
	const char *key;
	json_t *value;

	json_object_foreach(table, key, value)
	{
		struct tally_entry entry = { key, text(value, "example"), number(value, "number") };
		size_t at = used;

		while (at > 0 && entries[at - 1].number < entry.number)
			at--;
		if (at == room)
			continue;
		if (used < room)
			used++;
		memmove(entries + at + 1, entries + at, (used - at - 1) * sizeof(*entries));
		entries[at] = entry;
	}
	return used;
}

json_int_t tally_sum(json_t *table)
{
	json_int_t sum = 0;
	const char *key;
	json_t *value;

	json_object_foreach(table, key, value) sum += number(value, "number");
	return sum;
}
