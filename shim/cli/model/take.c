/* SPDX-License-Identifier: MIT */
/*
 * What each event adds to the model: one function for each, and their table.
 */
#include <stdlib.h>
#include <string.h>

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

/* To the file's row, and to the totals. */
#define ADD(entry, member, n)                                \
	do {                                                 \
		int64_t n_ = (n);                            \
                                                             \
		sum_add(&(entry)->file->member, n_);         \
		sum_add(&(entry)->model->totals.member, n_); \
	} while (0)

/* So many of them, in mappings of so many bytes: their consistency. */
static int take_snapshots(struct entry *entry, int64_t count, int64_t bytes)
{
	const struct scan *scan = entry->scan;
	int engine = number_of(engine_names, scan_text(scan, "mmfence.snapshot.engine"));
	int consistency =
		number_of(consistency_names, scan_text(scan, "mmfence.snapshot.consistency"));

	sum_add(&entry->process->row.snapshots, count);
	sum_add(&entry->file->mapped_bytes, bytes);
	ADD(entry, snapshots, count);
	ADD(entry, engines[engine], count);
	ADD(entry, consistency[consistency], count);
	ADD(entry, copied_bytes, scan_number(scan, "mmfence.snapshot.bytes"));
	return consistency;
}

static void take_create(struct entry *entry)
{
	const struct scan *scan = entry->scan;
	int consistency = take_snapshots(entry, 1, scan_number(scan, "mmfence.mapping.length"));

	sum_add(&held_of(entry)->count, 1);
	mark_snapshot(entry, !strcmp(scan_text(scan, "mmfence.snapshot.engine"), "guard"));
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
	int64_t ended = 0;

	sum_add(&ended, untouched);
	sum_add(&ended, private);
	sum_add(&ended, scan_number(scan, "mmfence.total.told"));
	take_snapshots(entry, calls, scan_number(scan, "mmfence.total.bytes"));
	sum_add(&entry->model->marks_seen[PICTURE_LIVES], calls);
	sum_add(&entry->file->fates[UNTOUCHED], untouched);
	sum_add(&entry->file->fates[PRIVATE], private);
	sum_add(&held_of(entry)->count, calls > ended ? calls - ended : 0);
}

/* Only a lease that breaks has a writer behind it. */
static void take_preserve(struct entry *entry)
{
	const char *trigger = scan_text(entry->scan, "mmfence.snapshot.trigger");
	int64_t count = scan_number(entry->scan, "mmfence.snapshot.count");
	int64_t waited = scan_number(entry->scan, "mmfence.snapshot.microseconds");
	struct totals *totals = &entry->model->totals;

	ADD(entry, preserved, count > 0 ? count : 1);
	ADD(entry, copied_bytes, scan_number(entry->scan, "mmfence.snapshot.bytes"));
	mark_turn(entry, NULL, MARK_KEPT);
	if (*trigger && strcmp(trigger, "break"))
		return;
	sum_take(&entry->file->writers_waited, waited);
	totals->waits++;
	totals->longest_wait = waited > totals->longest_wait ? waited : totals->longest_wait;
}

static void take_unprotected(struct entry *entry)
{
	int denied = !strcmp(scan_text(entry->scan, "mmfence.snapshot.decision"), "deny");

	ADD(entry, unprotected, 1);
	ADD(entry, denied, denied);
	entry->refused = denied;
	reason_count(entry->file->reasons, or_unknown(scan_text(entry->scan, "error.message")));
}

static void take_lost(struct entry *entry)
{
	int64_t count = scan_number(entry->scan, "mmfence.snapshot.count");

	entry->times = count > 0 ? count : 1;
	ADD(entry, lost, entry->times);
	reason_count(entry->file->reasons, or_unknown(scan_text(entry->scan, "error.message")));
	mark_turn(entry, NULL, MARK_BAD);
}

/* What could not be compared may have changed. */
static void take_drift(struct entry *entry)
{
	int64_t pages = scan_number(entry->scan, "mmfence.drift.pages");

	entry->file->drifted++;
	ADD(entry, drift_pages, pages);
	entry->times = pages || *scan_text(entry->scan, "error.message") ? 1 : -1;
}

static void take_grow(struct entry *entry)
{
	ADD(entry, grown, 1);
	entry->refused = 1;
}

static void take_end(struct entry *entry)
{
	int fate = number_of(fate_names, scan_text(entry->scan, "mmfence.snapshot.fate"));
	struct held *held = held_of(entry);
	int64_t id = scan_number(entry->scan, "mmfence.snapshot.id");

	entry->file->fates[fate]++;
	mark_turn(entry, &id, MARK_PLAIN);
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

	use->refused |= entry->refused;
	entry->refused = 0;
	use->seen++;
	mark_call(entry);
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
	if (count <= entry->model->totals.most_areas)
		return;
	entry->model->totals.most_areas = count;
	entry->model->totals.area_limit = scan_number(entry->scan, "mmfence.areas.limit");
}

static void take_map(struct entry *entry)
{
	const char *other_threads = scan_text(entry->scan, "mmfence.selfmem.synchronised");

	entry->refused |= entry->failed;
	entry->model->totals.unsynchronised += !entry->failed && !strcmp(other_threads, "none");
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
 * something shows all the same, if not how often. */
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
	sum_add(&entry->model->totals.dropped, scan_number(entry->scan, "mmfence.dropped"));
	reason_count(entry->model->drop_reasons, or_unknown(scan_text(entry->scan, "error.code")));
}

/* Every event of events.def; those without a function here are counted, and nothing more. */
static const struct taker {
	const char *action;
	void (*take)(struct entry *entry);
	size_t total; /* of what did not fail, if it has one */
} takers[] = {
	{ "process.start", take_process_start, 0 },
	{ "process.end", take_process_end, 0 },
	{ "snapshot.create", take_create, 0 },
	{ "snapshot.total", take_repeats, 0 },
	{ "snapshot.preserve", take_preserve, 0 },
	{ "snapshot.unprotected", take_unprotected, 0 },
	{ "snapshot.lost", take_lost, 0 },
	{ "snapshot.drift", take_drift, 0 },
	{ "snapshot.end", take_end, 0 },
	{ "snapshot.grow", take_grow, 0 },
	{ "mapping.sigbus", take_sigbus, offsetof(struct totals, sigbus) },
	{ "mapping.rescued", take_sigbus, offsetof(struct totals, rescued) },
	{ "nonlinear.remap", take_placement, 0 },
	{ "nonlinear.rewire", take_placement, 0 },
	{ "nonlinear.pressure", take_pressure, 0 },
	{ "nonlinear.total", take_total, 0 },
	{ "selfmem.open", NULL, offsetof(struct totals, memory_opened) },
	{ "selfmem.map", take_map, offsetof(struct totals, views) },
	{ "selfmem.access", take_access, offsetof(struct totals, reached) },
	{ "selfmem.split", take_split, 0 },
	{ "inject.fault", take_injected, 0 },
	{ "inject.total", take_injected, 0 },
	{ "coverage.gap", take_gap, 0 },
	{ "log.dropped", take_dropped, 0 },
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

static void take_as(struct entry *entry, const struct taker *taker)
{
	struct totals *totals = &entry->model->totals;
	int64_t done;

	if (taker->take)
		taker->take(entry);
	sum_add(&totals->refused, entry->refused);
	if (taker->total && !__builtin_sub_overflow(entry->calls, entry->failures, &done))
		sum_add((int64_t *)((char *)totals + taker->total), done);
	if (!entry->site)
		return;
	sum_add(&entry->site->calls, entry->calls);
	sum_add(&entry->site->failed, entry->failures);
	sum_add(&entry->site->refused, entry->refused);
}

void take_action(struct entry *entry)
{
	int64_t areas = scan_number(entry->scan, "mmfence.areas.count");
	const struct words *words = words_for(entry);

	event_count(entry->model->actions, entry->action);
	if (areas > entry->process->row.areas)
		entry->process->row.areas = areas;
	mark_areas(entry, areas);
	if (words && words->detail)
		entry->site = take_site(entry, words);
	if (!strncmp(entry->action, "snapshot.", strlen("snapshot.")))
		entry->file = file_of(entry);
	entry->times = entry->calls = 1;
	entry->failures = entry->failed;
	entry->refused = *scan_text(entry->scan, "mmfence.policy") != 0;
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++)
		if (!strcmp(entry->action, takers[i].action))
			take_as(entry, &takers[i]);
	if (words && words->finding && entry->times >= 0)
		take_finding(entry, words);
}
