/* SPDX-License-Identifier: MIT */
/*
 * What each event adds to the model: one function for each, and their table.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/model.h"
#include "cli/model/entry.h"

const char *const engine_names[] = { "guard", "memory", "spill", "clone", "other", NULL };
const char *const consistency_names[] = { "proven", "verified", "torn-possible", "other", NULL };
const char *const fate_names[] = { "untouched", "preserved", "private", "lost", "other", NULL };

/* The last is for all others. */
static int number_of(const char *const *names, const char *name)
{
	int i = 0;

	while (names[i + 1] && strcmp(names[i], name))
		i++;
	return i;
}

static void take_process_start(struct entry *entry)
{
	entry->process->row.started = true;
	executable_note(entry->model, entry->process->row.executable);
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
	process_retire(entry->model, entry->process);
	entry->process = NULL;
}

/* Call sites. */

static bool refused(const struct entry *entry)
{
	return *scan_text(entry->scan, "mmfence.policy");
}

static void tell_site(const struct entry *entry, struct site_row *site, const struct words *words)
{
	if (!*words->detail)
		return;
	if (*site->detail)
		free(site->detail);
	site->detail = words_of_record(entry->scan, words->detail);
}

static struct site_row *take_site(struct entry *entry, const struct words *words)
{
	const struct scan *scan = entry->scan;
	struct site_row *site =
		site_of(entry->model, scan, words->action, entry->process->row.name);
	const char *error = scan_text(scan, "error.code");

	site->records++;
	note_span(site->first, site->last, entry->time);
	if (!*site->path)
		site->path = keep(scan_text(scan, "file.path"));
	if (*error && !*site->error)
		site->error = keep(error);
	if (!*site->site)
		snprintf(site->site, sizeof(site->site), "%s", scan_text(scan, "mmfence.site"));
	if (!*site->detail)
		tell_site(entry, site, words);
	return site;
}

/* Snapshots. */

static struct held *held_of(struct entry *entry)
{
	struct held *held =
		ROW(entry->process->held, &entry->file, sizeof(entry->file), ANY_NUMBER);

	held->file = entry->file;
	return held;
}

/* So many of them, in mappings of so many bytes: their consistency. */
static int take_snapshots(struct entry *entry, int64_t count, int64_t bytes)
{
	const struct scan *scan = entry->scan;
	struct file_row *row = entry->file;
	int engine = number_of(engine_names, scan_text(scan, "mmfence.snapshot.engine"));
	int consistency =
		number_of(consistency_names, scan_text(scan, "mmfence.snapshot.consistency"));

	sum_add(&row->snapshots, count);
	sum_add(&entry->process->row.snapshots, count);
	sum_add(&row->engines[engine], count);
	sum_add(&row->consistency[consistency], count);
	sum_add(&row->mapped_bytes, bytes);
	sum_add(&row->copied_bytes, scan_number(scan, "mmfence.snapshot.bytes"));
	return consistency;
}

static void take_create(struct entry *entry)
{
	const struct scan *scan = entry->scan;
	int consistency = take_snapshots(entry, 1, scan_number(scan, "mmfence.mapping.length"));

	held_of(entry)->count++;
	sum_take(&entry->file->program_waited, scan_number(scan, "mmfence.snapshot.microseconds"));
	entry->times = consistency == TORN ? 1 : -1;
}

/* Those that are on record only here. */
static void take_repeats(struct entry *entry)
{
	const struct scan *scan = entry->scan;
	int64_t calls = scan_number(scan, "mmfence.total.calls");
	int64_t untouched = scan_number(scan, "mmfence.total.untouched");
	int64_t private = scan_number(scan, "mmfence.total.private");
	int64_t left = calls - untouched - private - scan_number(scan, "mmfence.total.told");

	take_snapshots(entry, calls, scan_number(scan, "mmfence.total.bytes"));
	sum_add(&entry->file->fates[UNTOUCHED], untouched);
	sum_add(&entry->file->fates[PRIVATE], private);
	sum_add(&held_of(entry)->count, left > 0 ? left : 0);
}

/* The first time counts. */
static void note_change(struct entry *entry)
{
	if (!*entry->file->changed)
		copy_time(entry->file->changed, entry->time);
}

/* Only a lease that breaks has a writer behind it. */
static void take_preserve(struct entry *entry)
{
	struct file_row *row = entry->file;
	const char *trigger = scan_text(entry->scan, "mmfence.snapshot.trigger");
	int64_t count = scan_number(entry->scan, "mmfence.snapshot.count");

	sum_add(&row->preserved, count > 0 ? count : 1);
	sum_add(&row->copied_bytes, scan_number(entry->scan, "mmfence.snapshot.bytes"));
	if (!*trigger || !strcmp(trigger, "break"))
		sum_take(&row->writers_waited,
			 scan_number(entry->scan, "mmfence.snapshot.microseconds"));
	note_change(entry);
}

static void take_unprotected(struct entry *entry)
{
	const char *reason = scan_text(entry->scan, "error.message");
	struct file_row *row = entry->file;

	row->unprotected++;
	row->denied += !strcmp(scan_text(entry->scan, "mmfence.snapshot.decision"), "deny");
	reason_count(row->reasons, or_unknown(reason));
}

static void take_lost(struct entry *entry)
{
	struct file_row *row = entry->file;
	int64_t count = scan_number(entry->scan, "mmfence.snapshot.count");

	entry->times = count > 0 ? count : 1;
	sum_add(&row->lost, entry->times);
	reason_count(row->reasons, or_unknown(scan_text(entry->scan, "error.message")));
	note_change(entry);
}

static void take_drift(struct entry *entry)
{
	struct file_row *row = entry->file;
	int64_t pages = scan_number(entry->scan, "mmfence.drift.pages");

	row->drifted++;
	sum_add(&row->drift_pages, pages);
	entry->times = pages ? 1 : -1;
}

static void take_grow(struct entry *entry)
{
	entry->file->grow_refused++;
}

static void take_end(struct entry *entry)
{
	int fate = number_of(fate_names, scan_text(entry->scan, "mmfence.snapshot.fate"));
	struct file_row *row = entry->file;
	struct held *held = held_of(entry);

	row->fates[fate]++;
	/* A child ends what its parent began. A repeated one was not counted yet. */
	held->count -= held->count > 0 && !scan_get(entry->scan, "mmfence.snapshot.repeated");
}

/* A call of the kind that a process counts by site: remap_file_pages, or mmap. How often the
 * finding happened is known at the end of the process. */
static struct use *take_use(struct entry *entry)
{
	struct use *use = ROW(entry->process->uses, &entry->site, sizeof(entry->site), ANY_NUMBER);

	use->site = entry->site;
	entry->times = use->finding ? -1 : 0;
	entry->calls = entry->failures = 0;
	return entry->use = use;
}

static void take_placement(struct entry *entry)
{
	struct use *use = take_use(entry);

	use->refused |= refused(entry);
	use->seen++;
	use->seen_failed += entry->failed;
	if (!entry->failed)
		sum_add(&use->seen_bytes, scan_number(entry->scan, "mmfence.mapping.length"));
}

static void take_total(struct entry *entry)
{
	const struct scan *scan = entry->scan;
	const struct scan_value *total = scan_get(scan, "mmfence.total");
	struct use *use = take_use(entry);
	struct site_row *site = use->site;

	/* The record of a total is no call. */
	site->records--;
	if (!total)
		return;
	sum_add(&use->total, scan_number_of(scan_below(scan, total, "calls")));
	sum_add(&use->total_failed, scan_number_of(scan_below(scan, total, "failed")));
	sum_add(&use->total_bytes, scan_number_of(scan_below(scan, total, "bytes")));
	note_span(site->first, site->last, entry->time);
	tell_site(entry, site, words_of(entry->action));
}

static void take_pressure(struct entry *entry)
{
	int64_t count = scan_number(entry->scan, "mmfence.areas.count");

	tell_site(entry, entry->site, words_of(entry->action));
	if (count <= entry->model->most_areas)
		return;
	entry->model->most_areas = count;
	entry->model->area_limit = scan_number(entry->scan, "mmfence.areas.limit");
}

static void take_open(struct entry *entry)
{
	entry->site->refused += refused(entry);
}

static void take_map(struct entry *entry)
{
	entry->site->refused += entry->failed || refused(entry);
	entry->site->unsynchronised +=
		!entry->failed &&
		!strcmp(scan_text(entry->scan, "mmfence.selfmem.synchronised"), "none");
	sum_add(&entry->site->bytes, scan_number(entry->scan, "mmfence.mapping.length"));
}

static void take_access(struct entry *entry)
{
	const struct scan *scan = entry->scan;

	entry->times = entry->calls = scan_number(scan, "mmfence.selfmem.calls");
	entry->failures = scan_number(scan, "mmfence.selfmem.failed");
	sum_add(&entry->site->bytes, scan_number(scan, "mmfence.selfmem.bytes"));
}

static void take_split(struct entry *entry)
{
	sum_add(&entry->site->bytes, scan_number(entry->scan, "mmfence.selfmem.bytes"));
}

/* Made to fail on purpose, not by policy. A process that was killed has no total; that a rule did
 * something shows all the same. */
static void take_fault(struct entry *entry)
{
	entry->times = 0;
}

static void take_injected(struct entry *entry)
{
	entry->times = scan_number(entry->scan, "mmfence.inject.failed");
}

/* It was no call. */
static void take_sigbus(struct entry *entry)
{
	entry->failures = 0;
}

/* What could not be seen or written. */

static void take_gap(struct entry *entry)
{
	entry->process->row.unseen = true;
}

static void take_dropped(struct entry *entry)
{
	if (entry->process->numbers)
		numbers_excuse(entry->process->numbers);
	sum_add(&entry->model->dropped, scan_number(entry->scan, "mmfence.dropped"));
	reason_count(entry->model->drop_reasons, or_unknown(scan_text(entry->scan, "error.code")));
}

/* Every event of events.def; those without a function here are counted, and nothing more. */
static const struct taker {
	const char *action;
	void (*take)(struct entry *entry);
} takers[] = {
	{ "process.start", take_process_start },
	{ "process.end", take_process_end },
	{ "snapshot.create", take_create },
	{ "snapshot.total", take_repeats },
	{ "snapshot.preserve", take_preserve },
	{ "snapshot.unprotected", take_unprotected },
	{ "snapshot.lost", take_lost },
	{ "snapshot.drift", take_drift },
	{ "snapshot.end", take_end },
	{ "snapshot.grow", take_grow },
	{ "mapping.sigbus", take_sigbus },
	{ "mapping.rescued", take_sigbus },
	{ "nonlinear.remap", take_placement },
	{ "nonlinear.rewire", take_placement },
	{ "nonlinear.pressure", take_pressure },
	{ "nonlinear.total", take_total },
	{ "selfmem.open", take_open },
	{ "selfmem.map", take_map },
	{ "selfmem.access", take_access },
	{ "selfmem.split", take_split },
	{ "inject.fault", take_fault },
	{ "inject.total", take_injected },
	{ "coverage.gap", take_gap },
	{ "log.dropped", take_dropped },
};

/* A total is of the calls at one site. */
static const struct words *words_for(const struct entry *entry)
{
	if (strcmp(entry->action, "nonlinear.total") != 0)
		return words_of(entry->action);
	return words_of(strcmp(scan_text(entry->scan, "mmfence.total.kind"), "rewire")
				? "nonlinear.remap"
				: "nonlinear.rewire");
}

static void take_finding(struct entry *entry, const struct words *words)
{
	const char *cure = scan_text(entry->scan, "mmfence.sigbus.cure");
	char *what = words_of_record(entry->scan, words->finding);
	struct finding *finding = finding_note(entry, words->category, entry->times, what);

	free(what);
	if (finding && *cure && !finding->cure)
		finding->cure = keep(cure);
	if (entry->use)
		entry->use->finding = finding;
}

void take_action(struct entry *entry)
{
	int64_t areas = scan_number(entry->scan, "mmfence.areas.count");
	const struct words *words = words_for(entry);

	event_count(entry->model->actions, entry->action);
	if (areas > entry->process->row.areas)
		entry->process->row.areas = areas;
	if (words && words->detail)
		entry->site = take_site(entry, words);
	if (!strncmp(entry->action, "snapshot.", strlen("snapshot.")))
		entry->file = file_of(entry);
	/* Of what has a snapshot. */
	if (entry->file && strcmp(entry->action, "snapshot.unprotected"))
		note_span(entry->file->first, entry->file->last, entry->time);
	entry->times = entry->calls = 1;
	entry->failures = entry->failed;
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++)
		if (!strcmp(entry->action, takers[i].action))
			takers[i].take(entry);
	if (entry->site) {
		sum_add(&entry->site->calls, entry->calls);
		sum_add(&entry->site->failed, entry->failures);
	}
	if (words && words->finding && entry->times >= 0)
		take_finding(entry, words);
}
