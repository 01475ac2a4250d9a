/* SPDX-License-Identifier: MIT */
/*
 * From records to findings: see finding.h. Knows event names and fields (events.def), and
 * takes lines that are no records, or lack fields, calmly.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/field.h"
#include "cli/check/finding.h"
#include "cli/text/printable.h"

static const char *no_snapshots(const struct policy *policy)
{
	return policy->snapshot_mode == SNAPSHOT_OFF ? "snapshot.mode=off" : NULL;
}

static const char *no_drift(const struct policy *policy)
{
	return policy->audit_drift == AUDIT_DRIFT_OFF ? "audit.drift=off" : no_snapshots(policy);
}

static const char *no_nonlinear(const struct policy *policy)
{
	return policy->audit_nonlinear == AUDIT_NONLINEAR_OFF ? "audit.nonlinear=off" : NULL;
}

const struct category_info categories[CATEGORY_COUNT] = {
	{ "nonlinear", true, "remap_file_pages was called", no_nonlinear },
	{ "rewire", false, "mmap made a nonlinear window", no_nonlinear },
	{ "pressure", true, "a process came near vm.max_map_count", NULL },
	{ "selfmem", true, "memory was opened or mapped as a file", NULL },
	{ "unprotected", true, "a private mapping got no snapshot", no_snapshots },
	{ "torn", true, "a snapshot may be torn", no_snapshots },
	{ "lost", true, "a snapshot did not last", no_snapshots },
	{ "drift", true, "a file changed under a snapshot", no_drift },
	{ "gap", false, "a program could not be looked into", NULL },
};

/* The first frame, which is the program's call, as an address in its module. */
static char *site_of(const json_t *record)
{
	const json_t *modules = field(record, "mmfence.modules"), *best = NULL;
	const char *frame = json_string_value(json_array_get(field(record, "mmfence.stack"), 0));
	unsigned long long address = frame ? strtoull(frame, NULL, 16) : 0, start = 0;
	size_t i;
	json_t *module;

	json_array_foreach(modules, i, module)
	{
		unsigned long long from = strtoull(text(module, "start"), NULL, 16);

		if (from > address || from < start)
			continue;
		best = module;
		start = from;
	}
	if (!address || !best)
		return format_text("%s", frame ? frame : "");
	const char *path = text(best, "path"), *slash = strrchr(path, '/');

	return format_text("%s+0x%llx", slash ? slash + 1 : path,
			   address - strtoull(text(best, "bias"), NULL, 16));
}

static struct finding *find(struct findings *findings, const char *key)
{
	json_t *place = json_object_get(findings->index, key);

	return place ? &findings->list[json_integer_value(place)] : NULL;
}

static struct finding *add_finding(struct findings *findings, const char *key)
{
	size_t room = (findings->count + 1) * sizeof(*findings->list);

	findings->list = realloc(findings->list, room);
	if (!findings->list) {
		complain("out of memory");
		exit(STATUS_BAD);
	}
	json_object_set_new(findings->index, key, json_integer((json_int_t)findings->count));
	return &findings->list[findings->count++];
}

/* The finding that this record belongs to, new or not. Takes what. */
static struct finding *place(struct findings *findings, enum category category,
			     const json_t *record, char *what)
{
	const char *where = text(record, "file.path");
	char *site = site_of(record);
	char *key = format_text("%d\n%s\n%s\n%s", (int)category, what, where, site);
	char *pid = format_text("%lld", (long long)number(record, "process.pid"));
	struct finding *finding = find(findings, key);

	if (!finding) {
		finding = add_finding(findings, key);
		*finding = (struct finding){
			.category = category,
			.what = printable(what),
			.where = printable(where),
			.site = printable(site),
			.pid = number(record, "process.pid"),
			.process = printable(text(record, "process.name")),
			.processes = json_object(),
		};
		findings->of[category]++;
	}
	json_object_set_new(finding->processes, pid, json_true());
	free(what);
	free(site);
	free(key);
	free(pid);
	return finding;
}

/* One event, one time. */
static void happened(struct findings *findings, enum category category, const json_t *record,
		     char *what)
{
	place(findings, category, record, what)->times++;
}

static void add(json_t *object, const char *key, json_int_t n)
{
	json_object_set_new(object, key,
			    json_integer(json_integer_value(json_object_get(object, key)) + n));
}

/* Calls are recorded once a site, and counted in the totals; a process that was killed has none,
 * and one whose first record was dropped has only these. */
static void take_calls(struct findings *findings, const json_t *record, enum category category,
		       const char *what)
{
	bool total = field(record, "mmfence.total");
	char *key = format_text("%d %lld %s", category, (long long)number(record, "process.pid"),
				text(record, "mmfence.site"));
	json_t *entry = json_object_get(findings->calls, key);

	if (!entry) {
		struct finding *finding =
			place(findings, category, record, format_text("%s", what));

		entry = json_object();
		add(entry, "finding", finding - findings->list);
		json_object_set_new(findings->calls, key, entry);
	}
	add(entry, total ? "total" : "seen", total ? number(record, "mmfence.total.calls") : 1);
	free(key);
}

static void take_rewire(struct findings *findings, const json_t *record)
{
	take_calls(findings, record, CATEGORY_REWIRE, "nonlinear window made by mmap");
}

/* Totals are of either kind. */
static void take_remap(struct findings *findings, const json_t *record)
{
	if (!strcmp(text(record, "mmfence.total.kind"), "rewire"))
		take_rewire(findings, record);
	else
		take_calls(findings, record, CATEGORY_NONLINEAR, "remap_file_pages");
}

static void take_pressure(struct findings *findings, const json_t *record)
{
	const char *error = text(record, "error.code");

	happened(findings, CATEGORY_PRESSURE, record,
		 format_text("%lld of %lld areas%s%s",
			     (long long)number(record, "mmfence.areas.count"),
			     (long long)number(record, "mmfence.areas.limit"),
			     *error ? ", and a call failed with " : "", error));
}

static void take_open(struct findings *findings, const json_t *record)
{
	const char *error = text(record, "error.code");

	happened(findings, CATEGORY_SELFMEM, record,
		 format_text("%s memory opened as a file (%s)%s%s",
			     text(record, "mmfence.selfmem.kind"),
			     text(record, "mmfence.selfmem.mode"), *error ? ": " : "", error));
}

static void take_map(struct findings *findings, const json_t *record)
{
	const char *error = text(record, "error.code");

	happened(findings, CATEGORY_SELFMEM, record,
		 format_text("%s memory mapped as a file (%s)%s%s",
			     text(record, "mmfence.selfmem.kind"),
			     text(record, "mmfence.mapping.protection"), *error ? ": " : "",
			     error));
}

static void take_unprotected(struct findings *findings, const json_t *record)
{
	happened(findings, CATEGORY_UNPROTECTED, record,
		 format_text("no snapshot: %s", text(record, "error.message")));
}

static void take_create(struct findings *findings, const json_t *record)
{
	const char *reason = text(record, "mmfence.snapshot.reason");

	if (!strcmp(text(record, "mmfence.snapshot.consistency"), "torn-possible"))
		happened(findings, CATEGORY_TORN, record,
			 format_text("the snapshot may be torn%s%s", *reason ? ": " : "", reason));
}

static void take_lost(struct findings *findings, const json_t *record)
{
	happened(findings, CATEGORY_LOST, record,
		 format_text("snapshot lost: %s", text(record, "error.message")));
}

static void take_drift(struct findings *findings, const json_t *record)
{
	json_int_t pages = number(record, "mmfence.drift.pages");

	if (pages)
		happened(findings, CATEGORY_DRIFT, record,
			 format_text("%lld page%s would have changed under the program",
				     (long long)pages, pages == 1 ? "" : "s"));
}

static void take_gap(struct findings *findings, const json_t *record)
{
	happened(findings, CATEGORY_GAP, record,
		 format_text("not looked into (%s)", text(record, "mmfence.gap.reason")));
}

/* A process that was killed has no totals; that a rule did something shows all the same. */
static void take_fault(struct findings *findings, const json_t *record)
{
	add(findings->injected, text(record, "mmfence.inject.rule"), 0);
}

static void take_injected(struct findings *findings, const json_t *record)
{
	add(findings->injected, text(record, "mmfence.inject.rule"),
	    number(record, "mmfence.inject.failed"));
}

static void take_dropped(struct findings *findings, const json_t *record)
{
	findings->dropped += number(record, "mmfence.dropped");
}

static void take_end(struct findings *findings, const json_t *record)
{
	findings->dropped_at_end += number(record, "mmfence.dropped");
}

static const struct {
	const char *action;
	void (*take)(struct findings *findings, const json_t *record);
} takers[] = {
	{ "nonlinear.remap", take_remap },
	{ "nonlinear.total", take_remap },
	{ "nonlinear.rewire", take_rewire },
	{ "nonlinear.pressure", take_pressure },
	{ "selfmem.open", take_open },
	{ "selfmem.map", take_map },
	{ "snapshot.unprotected", take_unprotected },
	{ "snapshot.create", take_create },
	{ "snapshot.lost", take_lost },
	{ "snapshot.drift", take_drift },
	{ "coverage.gap", take_gap },
	{ "inject.fault", take_fault },
	{ "inject.total", take_injected },
	{ "log.dropped", take_dropped },
	{ "process.end", take_end },
};

/* In a file that its first process made, every process's records follow its process.start. */
static void note_begun(struct findings *findings, const json_t *record, const char *action)
{
	char *pid = format_text("%lld", (long long)number(record, "process.pid"));

	if (!strcmp(action, "process.start"))
		json_object_set_new(findings->begun, pid, json_true());
	else if (!json_object_get(findings->begun, pid))
		json_object_set_new(findings->begun, pid, json_false());
	free(pid);
}

static void take_line(const char *line, size_t length, bool fresh, void *context)
{
	struct findings *findings = context;

	/* What was cut short before is ended by an empty line. */
	if (length == 1)
		return;
	json_t *record = json_loadb(line, length, 0, NULL);
	const char *action = text(record, "event.action");

	if (*action)
		findings->records++;
	else
		findings->damaged++;
	if (*action && fresh)
		note_begun(findings, record, action);
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
		if (!strcmp(action, takers[i].action))
			takers[i].take(findings, record);
	}
	json_decref(record);
}

void findings_read(struct findings *findings, const struct log *log)
{
	const char *key;
	json_t *entry;

	*findings = (struct findings){
		.index = json_object(),
		.calls = json_object(),
		.injected = json_object(),
		.begun = json_object(),
	};
	findings->unreadable = !log_read(log, take_line, findings);
	findings->cut = log_is_cut(log);
	findings->refused = log_refuses(log);
	json_object_foreach(findings->begun, key, entry)
	{
		findings->cut |= json_is_false(entry);
	}
	json_object_foreach(findings->calls, key, entry)
	{
		json_int_t total = number(entry, "total"), seen = number(entry, "seen");

		findings->list[number(entry, "finding")].times += total > seen ? total : seen;
	}
}

void findings_free(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->list[i].what);
		free(findings->list[i].where);
		free(findings->list[i].site);
		free(findings->list[i].process);
		json_decref(findings->list[i].processes);
	}
	free(findings->list);
	json_decref(findings->index);
	json_decref(findings->calls);
	json_decref(findings->injected);
	json_decref(findings->begun);
}

char *finding_line(const struct finding *finding)
{
	size_t others = json_object_size(finding->processes) - 1;
	char *more = others ? format_text(" and %zu other%s", others, others == 1 ? "" : "s")
			    : format_text("%s", "");
	char *line =
		format_text("%s, %lld time%s%s%s, pid %lld (%s)%s%s%s", finding->what,
			    (long long)finding->times, finding->times == 1 ? "" : "s",
			    *finding->where ? ", " : "", finding->where, (long long)finding->pid,
			    finding->process, more, *finding->site ? ", at " : "", finding->site);

	free(more);
	return line;
}

/* Only what there is: one of them may be none. */
static char *missing_text(json_int_t dropped, json_int_t damaged)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_text(&text, &size);

	if (dropped)
		fprintf(out, "%lld record%s could not be written", (long long)dropped,
			dropped == 1 ? "" : "s");
	if (damaged)
		fprintf(out, "%s%lld line%s %s be read", dropped ? " and " : "", (long long)damaged,
			damaged == 1 ? "" : "s", dropped ? "not" : "could not");
	fputs(", so that what else happened is not known", out);
	fclose(out);
	return text;
}

char *findings_doubt(const struct findings *findings)
{
	json_int_t dropped = findings->dropped > findings->dropped_at_end
				     ? findings->dropped
				     : findings->dropped_at_end;

	if (findings->unreadable)
		return format_text("the log is gone, so that what happened is not known");
	if (findings->cut)
		return format_text("the log was emptied, cut or replaced while the command ran, so "
				   "that what else happened is not known");
	if (!dropped && !findings->damaged && findings->refused)
		return format_text("no record can be written to it: %s, so that what else happened "
				   "is not known",
				   strerror(findings->refused));
	if (!dropped && !findings->damaged)
		return NULL;
	return missing_text(dropped, findings->damaged);
}
