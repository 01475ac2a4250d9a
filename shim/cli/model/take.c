/* SPDX-License-Identifier: MIT */
/*
 * What each event adds to the model: one function for each, and their table. See
 * entry.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/model.h"
#include "cli/model/entry.h"
#include "cli/text/show.h"

const char *const engine_names[ENGINES] = { "guard", "memory", "spill", "clone", "other" };
const char *const consistency_names[CONSISTENCIES] = { "proven", "verified", "torn-possible",
						       "other" };
const char *const fate_names[FATES] = { "untouched", "preserved", "private", "lost", "other" };

static int number_of(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count - 1; i++)
		if (!strcmp(names[i], name))
			return i;
	return count - 1;
}

static void take_process_start(struct entry *entry)
{
	entry->process->row.started = true;
}

static void take_process_end(struct entry *entry)
{
	struct process_row *row = &entry->process->row;
	const struct scan_value *code = scan_get(entry->scan, "process.exit_code");

	row->ended = true;
	sum_add(&entry->model->dropped_at_end, scan_number(entry->scan, "mmfence.dropped"));
	if (entry->process->numbers && entry->process->numbers->pid == row->pid)
		numbers_end(entry->process->numbers, scan_number(entry->scan, "event.sequence"),
			    scan_number(entry->scan, "mmfence.unfinished"));
	if (code)
		row->exit_code = scan_number_of(code);
	entry->model->ended_count++;
	process_retire(entry->model, entry->process, entry->now);
	entry->process = NULL;
}

/* Call sites. */

static bool refused(const struct entry *entry)
{
	return *scan_text(entry->scan, "mmfence.policy");
}

static struct site *take_site(struct entry *entry, const char *group)
{
	const struct scan *scan = entry->scan;
	struct site *site = site_of(entry->model, scan, group, entry->process->row.name);
	const char *error = scan_text(scan, "error.code");

	site->records++;
	site->failed_records += entry->failed;
	note_span(site->first, site->last, entry->time);
	if (!*site->path)
		site->path = keep(scan_text(scan, "file.path"));
	if (*error && !*site->error)
		site->error = keep(error);
	if (!*site->hash)
		snprintf(site->hash, sizeof(site->hash), "%s", scan_text(scan, "mmfence.site"));
	return site;
}

/* Snapshots. */

static struct file_row *file_of(struct entry *entry)
{
	const char *path = or_unknown(scan_text(entry->scan, "file.path"));
	const char *host = entry->process->row.host;
	char *key = format_text("%s %s", host, path);
	struct file_row *row;

	HASH_FIND_STR(entry->model->files, key, row);
	if (row) {
		free(key);
		return row;
	}
	row = take(sizeof(*row));
	row->key = key;
	row->path = key + strlen(host) + 1;
	row->host = keep(host);
	HASH_ADD_KEYPTR(hh, entry->model->files, key, strlen(key), row);
	return row;
}

static struct held *held_of(struct entry *entry, struct file_row *file)
{
	struct held *held;

	for (held = entry->process->held; held; held = held->next)
		if (held->file == file)
			return held;
	held = take(sizeof(*held));
	held->file = file;
	held->next = entry->process->held;
	return entry->process->held = held;
}

static void take_create(struct entry *entry)
{
	const struct scan_value *it = scan_get(entry->scan, "mmfence.snapshot");
	const struct scan *scan = entry->scan;
	struct file_row *row = file_of(entry);
	int engine = number_of(engine_names, ENGINES,
			       scan_text_of(it ? scan_below(scan, it, "engine") : NULL));
	int consistency = number_of(consistency_names, CONSISTENCIES,
				    scan_text_of(it ? scan_below(scan, it, "consistency") : NULL));

	row->snapshots++;
	held_of(entry, row)->count++;
	entry->process->row.snapshots++;
	row->engines[engine]++;
	row->consistencies[consistency]++;
	sum_add(&row->mapped, scan_number(scan, "mmfence.mapping.length"));
	sum_add(&row->copied, scan_number(scan, "mmfence.snapshot.bytes"));
	sum_take(&row->took, scan_number(scan, "mmfence.snapshot.microseconds"));
	life_begin(entry->model, entry->process, row, scan, (enum engine)engine, entry->now);
	take_site(entry, "snapshot.create");
	if (consistency == TORN) {
		const char *reason = scan_text(scan, "mmfence.snapshot.reason");

		finding_note(entry, CATEGORY_TORN, 1, "the snapshot may be torn%s%s",
			     *reason ? ": " : "", reason);
	}
}

/* Only a lease that breaks has a writer behind it. */
static void take_preserve(struct entry *entry)
{
	struct file_row *row = file_of(entry);
	const char *trigger = scan_text(entry->scan, "mmfence.snapshot.trigger");
	int64_t count = scan_number(entry->scan, "mmfence.snapshot.count");
	int64_t microseconds = scan_number(entry->scan, "mmfence.snapshot.microseconds");

	sum_add(&row->preserved, count > 0 ? count : 1);
	sum_add(&row->copied, scan_number(entry->scan, "mmfence.snapshot.bytes"));
	if (!*trigger || !strcmp(trigger, "break"))
		sum_take(&row->waits, microseconds);
	life_change(entry->model, entry->process, row, PRESERVED, entry->now);
}

static void take_unprotected(struct entry *entry)
{
	struct file_row *row = file_of(entry);

	row->unprotected++;
	row->denied += !strcmp(scan_text(entry->scan, "mmfence.snapshot.decision"), "deny");
	reason_count(row->reasons, or_unknown(scan_text(entry->scan, "error.message")));
	take_site(entry, "snapshot.unprotected");
	finding_note(entry, CATEGORY_UNPROTECTED, 1, "%s", scan_text(entry->scan, "error.message"));
}

static void take_lost(struct entry *entry)
{
	struct file_row *row = file_of(entry);
	int64_t count = scan_number(entry->scan, "mmfence.snapshot.count");

	sum_add(&row->lost, count > 0 ? count : 1);
	reason_count(row->reasons, or_unknown(scan_text(entry->scan, "error.message")));
	life_change(entry->model, entry->process, row, LOST, entry->now);
	finding_note(entry, CATEGORY_LOST, count > 0 ? count : 1, "%s",
		     scan_text(entry->scan, "error.message"));
}

static void take_drift(struct entry *entry)
{
	struct file_row *row = file_of(entry);

	int64_t pages = scan_number(entry->scan, "mmfence.drift.pages");

	row->drifts++;
	sum_add(&row->drift_pages, pages);
	if (pages)
		finding_note(entry, CATEGORY_DRIFT, 1,
			     "%lld page%s would have changed under the program", (long long)pages,
			     plural(pages));
}

static void take_grow(struct entry *entry)
{
	file_of(entry)->grown++;
}

static void take_end(struct entry *entry)
{
	int fate = number_of(fate_names, FATES, scan_text(entry->scan, "mmfence.snapshot.fate"));

	struct file_row *row = file_of(entry);
	struct held *held = held_of(entry, row);

	row->fates[fate]++;
	/* A child ends what its parent began. */
	held->count -= held->count > 0;
	life_end(entry->model, entry->process, scan_number(entry->scan, "mmfence.snapshot.id"),
		 (enum fate)fate, entry->now);
}

static struct use *use_of(struct entry *entry, struct site *site)
{
	struct use **list = &entry->process->uses, *use;

	for (use = *list; use; use = use->next)
		if (use->site == site)
			return use;
	use = take(sizeof(*use));
	use->site = site;
	use->next = *list;
	return *list = use;
}

/* A call of the kind that a process counts by site: remap_file_pages, or mmap. How often the
 * finding happened is known at the end of the process. */
static struct use *take_use(struct entry *entry, bool rewire)
{
	struct site *site = take_site(entry, rewire ? "nonlinear.rewire" : "nonlinear.remap");
	struct use *use = use_of(entry, site);

	if (!use->finding)
		use->finding =
			finding_note(entry, rewire ? CATEGORY_REWIRE : CATEGORY_NONLINEAR, 0, "%s",
				     rewire ? "nonlinear window made by mmap" : "remap_file_pages");
	return use;
}

static void take_placement(struct entry *entry, bool rewire)
{
	struct use *use = take_use(entry, rewire);
	int window;

	use->refused |= refused(entry);
	use->seen++;
	use->seen_failed += entry->failed;
	if (!entry->failed)
		sum_add(&use->seen_bytes, scan_number(entry->scan, "mmfence.mapping.length"));
	window = window_point(entry->model, entry->process, entry->scan, entry->failed);
	if (window >= 0)
		use->windows |= 1u << window;
}

static void take_remap(struct entry *entry)
{
	take_placement(entry, false);
}

static void take_rewire(struct entry *entry)
{
	take_placement(entry, true);
}

static enum fold fold_of(const char *name)
{
	static const struct {
		const char *name;
		enum fold fold;
	} folds[] = { { "sequential", FOLD_SUM },
		      { "smallest_step", FOLD_LEAST },
		      { "calls_left", FOLD_LEAST } };

	for (size_t i = 0; i < sizeof(folds) / sizeof(*folds); i++)
		if (!strcmp(folds[i].name, name))
			return folds[i].fold;
	return FOLD_MOST;
}

/* What is in an object beside what has a place of its own is shown by its name. */
static void take_more(struct entry *entry, struct site *site, const struct scan_value *object)
{
	static const char *const known[] = { "calls", "failed", "bytes", "areas" };

	for (const struct scan_value *key = scan_first(entry->scan, object); key;
	     key = scan_next(entry->scan, object, key + 1)) {
		bool shown = key[1].type != SCAN_INTEGER;

		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			shown |= !strcmp(key->text, known[i]);
		if (!shown)
			more_take(site->more, key->text, key[1].integer, fold_of(key->text));
	}
}

static void take_total(struct entry *entry)
{
	const struct scan *scan = entry->scan;
	const struct scan_value *total = scan_get(scan, "mmfence.total");
	struct use *use = take_use(entry, !strcmp(scan_text(scan, "mmfence.total.kind"), "rewire"));
	struct site *site = use->site;

	/* The record of a total is no call. */
	site->records--;
	if (!total)
		return;
	sum_add(&use->total, scan_number_of(scan_below(scan, total, "calls")));
	sum_add(&use->total_failed, scan_number_of(scan_below(scan, total, "failed")));
	sum_add(&use->total_bytes, scan_number_of(scan_below(scan, total, "bytes")));
	note_span(site->first, site->last, entry->time);
	take_more(entry, site, total);
}

static void take_areas(struct entry *entry, const struct scan_value *areas)
{
	int64_t count = scan_number_of(scan_below(entry->scan, areas, "count"));
	int64_t limit = scan_number_of(scan_below(entry->scan, areas, "limit"));

	if (count > entry->process->row.areas)
		entry->process->row.areas = count;
	if (count > 0)
		pressure_point(entry->model, entry->process, count, limit, entry->now);
}

static void take_pressure(struct entry *entry)
{
	const struct scan_value *areas = scan_get(entry->scan, "mmfence.areas");
	struct site *site = take_site(entry, "nonlinear.pressure");

	const char *error = scan_text(entry->scan, "error.code");
	int64_t count = scan_number(entry->scan, "mmfence.areas.count");
	int64_t limit = scan_number(entry->scan, "mmfence.areas.limit");

	if (areas)
		take_more(entry, site, areas);
	finding_note(entry, CATEGORY_PRESSURE, 1, "%lld of %lld areas%s%s", (long long)count,
		     (long long)limit, *error ? ", and a call failed with " : "", error);
	if (count <= entry->model->most_areas)
		return;
	entry->model->most_areas = count;
	entry->model->area_limit = limit;
}

static void take_open(struct entry *entry)
{
	struct site *site = take_site(entry, "selfmem.open");
	const char *error = scan_text(entry->scan, "error.code");

	site->refused += refused(entry);
	finding_note(entry, CATEGORY_SELFMEM, 1, "%s memory opened as a file (%s)%s%s",
		     scan_text(entry->scan, "mmfence.selfmem.kind"),
		     scan_text(entry->scan, "mmfence.selfmem.mode"), *error ? ": " : "", error);
	if (!*site->detail)
		site->detail = format_text(
			"%s, %s", or_unknown(scan_text(entry->scan, "mmfence.selfmem.kind")),
			or_unknown(scan_text(entry->scan, "mmfence.selfmem.mode")));
}

static char *describe_map(const struct scan *scan)
{
	const struct scan_value *shared = scan_get(scan, "mmfence.mapping.shared");
	const char *view = scan_text(scan, "mmfence.selfmem.view");
	const char *synchronised = scan_text(scan, "mmfence.selfmem.synchronised");

	return format_text("%s, %s, %s%s%s%s%s",
			   or_unknown(scan_text(scan, "mmfence.selfmem.kind")),
			   or_unknown(scan_text(scan, "mmfence.mapping.protection")),
			   shared && shared->type == SCAN_TRUE ? "shared" : "private",
			   *view ? "; given as " : "", view,
			   *synchronised ? "; other threads: " : "", synchronised);
}

static void take_map(struct entry *entry)
{
	struct site *site = take_site(entry, "selfmem.map");
	const char *error = scan_text(entry->scan, "error.code");

	site->refused += entry->failed || refused(entry);
	site->unsynchronised +=
		!entry->failed &&
		!strcmp(scan_text(entry->scan, "mmfence.selfmem.synchronised"), "none");
	finding_note(entry, CATEGORY_SELFMEM, 1, "%s memory mapped as a file (%s)%s%s",
		     scan_text(entry->scan, "mmfence.selfmem.kind"),
		     scan_text(entry->scan, "mmfence.mapping.protection"), *error ? ": " : "",
		     error);
	sum_add(&site->bytes, scan_number(entry->scan, "mmfence.mapping.length"));
	if (!*site->detail)
		site->detail = describe_map(entry->scan);
}

static void take_split(struct entry *entry)
{
	struct site *site = take_site(entry, "selfmem.split");

	sum_add(&site->bytes, scan_number(entry->scan, "mmfence.selfmem.bytes"));
}

/* Made to fail on purpose, not by policy. */
static void take_fault(struct entry *entry)
{
	struct site *site = take_site(entry, "inject.fault");
	const char *rule = scan_text(entry->scan, "mmfence.inject.rule");

	if (!*site->detail)
		site->detail = keep(rule);
	/* A process that was killed has no total; that a rule did something shows all the same. */
	finding_note(entry, CATEGORY_INJECTED, 0, "%s", rule);
}

static void take_injected(struct entry *entry)
{
	finding_note(entry, CATEGORY_INJECTED, scan_number(entry->scan, "mmfence.inject.failed"),
		     "%s", scan_text(entry->scan, "mmfence.inject.rule"));
}

/* SIGBUS. */

static struct finding *take_touch(struct entry *entry, const char *group)
{
	struct site *site = take_site(entry, group);
	const char *reason = or_unknown(scan_text(entry->scan, "error.message"));

	site->failed_records -= entry->failed; /* it was no call */
	if (!*site->detail)
		site->detail = keep(reason);
	return finding_note(entry, CATEGORY_SIGBUS, 1, "%s", reason);
}

static void take_sigbus(struct entry *entry)
{
	struct finding *finding = take_touch(entry, "mapping.sigbus");

	if (finding && !finding->cure)
		finding->cure = keep(scan_text(entry->scan, "mmfence.sigbus.cure"));
}

static void take_rescued(struct entry *entry)
{
	take_touch(entry, "mapping.rescued");
}

/* What could not be seen or written. */

static void take_gap(struct entry *entry)
{
	const char *reason = or_unknown(scan_text(entry->scan, "mmfence.gap.reason"));
	char *key = format_text("%s %s", reason, scan_text(entry->scan, "file.path"));
	struct gap_row *row;

	HASH_FIND_STR(entry->model->gaps, key, row);
	if (!row) {
		row = take(sizeof(*row));
		row->key = keep(key);
		row->reason = keep(reason);
		row->path = row->key + strlen(reason) + 1;
		row->program = keep(entry->process->row.name);
		row->message = keep(scan_text(entry->scan, "error.message"));
		HASH_ADD_KEYPTR(hh, entry->model->gaps, row->key, strlen(row->key), row);
	}
	row->count++;
	free(key);
	finding_note(entry, CATEGORY_GAP, 1, "%s", scan_text(entry->scan, "mmfence.gap.reason"));
}

static void take_dropped(struct entry *entry)
{
	if (entry->process->numbers)
		numbers_excuse(entry->process->numbers);
	sum_add(&entry->model->dropped, scan_number(entry->scan, "mmfence.dropped"));
	reason_count(entry->model->drop_reasons, or_unknown(scan_text(entry->scan, "error.code")));
}

/* The census: by program, and below it by file; the last census counts. */
static struct census *census_of(struct entry *entry, const char *path)
{
	struct model *model = entry->model;
	char *key = format_text("%s\n%s", entry->process->row.name, path);
	struct census *census;

	HASH_FIND_STR(model->census, key, census);
	if (census) {
		free(key);
		return census;
	}
	census = take(sizeof(*census));
	census->key = key;
	census->program = keep(entry->process->row.name);
	census->path = keep(path);
	HASH_ADD_KEYPTR(hh, model->census, census->key, strlen(census->key), census);
	return census;
}

/* A file may have several mappings, each with a record of its own: they are one row. */
static void take_pages(struct entry *entry, const char *path)
{
	const struct scan_value *pages = scan_get(entry->scan, "mmfence.pages");
	struct census *census = census_of(entry, path);

	census->pid = entry->process->row.pid;
	copy_time(census->time, entry->time);
	if (census->number != entry->process->census)
		memset(census->more, 0, sizeof(census->more));
	census->number = entry->process->census;
	for (const struct scan_value *key = pages ? scan_first(entry->scan, pages) : NULL; key;
	     key = scan_next(entry->scan, pages, key + 1))
		if (key[1].type == SCAN_INTEGER)
			more_take(census->more, key->text, key[1].integer, FOLD_SUM);
}

/* The files of a process's census before this one: they may not be in it again. */
static void forget_mappings(struct model *model, int64_t number)
{
	struct census *census, *next;

	HASH_ITER (hh, model->census, census, next) {
		if (census->number != number || !*census->path)
			continue;
		HASH_DEL(model->census, census);
		free(census->key);
		free(census->program);
		free(census->path);
		free(census);
	}
}

static void take_census(struct entry *entry)
{
	if (entry->process->census)
		forget_mappings(entry->model, entry->process->census);
	entry->process->census = ++entry->model->census_count;
	take_pages(entry, "");
}

static void take_mapping(struct entry *entry)
{
	/* The log's beginning may be gone. */
	if (!entry->process->census)
		entry->process->census = ++entry->model->census_count;
	take_pages(entry, or_unknown(scan_text(entry->scan, "file.path")));
}

/* Every event of events.def; those without a function here are counted, and nothing more. */
static const struct taker {
	const char *action;
	void (*take)(struct entry *entry);
} takers[] = {
	{ "process.start", take_process_start },
	{ "process.end", take_process_end },
	{ "snapshot.create", take_create },
	{ "snapshot.preserve", take_preserve },
	{ "snapshot.unprotected", take_unprotected },
	{ "snapshot.lost", take_lost },
	{ "snapshot.drift", take_drift },
	{ "snapshot.end", take_end },
	{ "snapshot.grow", take_grow },
	{ "mapping.sigbus", take_sigbus },
	{ "mapping.rescued", take_rescued },
	{ "nonlinear.remap", take_remap },
	{ "nonlinear.rewire", take_rewire },
	{ "nonlinear.pressure", take_pressure },
	{ "nonlinear.total", take_total },
	{ "selfmem.open", take_open },
	{ "selfmem.map", take_map },
	{ "selfmem.split", take_split },
	{ "inject.fault", take_fault },
	{ "inject.total", take_injected },
	{ "pages.census", take_census },
	{ "pages.mapping", take_mapping },
	{ "coverage.gap", take_gap },
	{ "log.dropped", take_dropped },
};

void take_action(struct entry *entry)
{
	const struct scan_value *areas = scan_get(entry->scan, "mmfence.areas");

	event_count(entry->model->actions, entry->action);
	if (areas)
		take_areas(entry, areas);
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
		if (!strcmp(entry->action, takers[i].action)) {
			takers[i].take(entry);
			return;
		}
	}
}
