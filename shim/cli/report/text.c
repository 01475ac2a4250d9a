/* SPDX-License-Identifier: MIT */
/*
 * The report for people at a terminal: the verdict, then what stands behind it. Long
 * tables end with how many rows were left out; the JSON has them all.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/report/document.h"
#include "cli/report/report.h"
#include "cli/text/show.h"
#include "cli/text/table.h"

#define ROWS	 40
#define SITES	 12
#define PATH_END 60

static void put_verdict(const json_t *document, FILE *out)
{
	static const char *const states[][2] = {
		{ "kept", "everything that mmfence promises was kept" },
		{ "incomplete", "kept, as far as mmfence could look" },
		{ "lost", "NOT KEPT" },
		{ "nothing", "nothing was recorded" },
	};
	const char *state = get_text(document, "verdict.state");
	const json_t *sentence;
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strcmp(state, states[i][0]))
			fprintf(out, "Verdict: %s\n", states[i][1]);
	json_array_foreach(get(document, "verdict.sentences"), i, sentence) fprintf(
		out, "  %-10s %s\n", get_text(sentence, "kind"), get_text(sentence, "text"));
}

static void put_head(const json_t *document, FILE *out)
{
	json_int_t records = get_number(document, "records");
	json_int_t processes = get_number(document, "processes.count");
	size_t logs = json_array_size(get(document, "logs"));

	fprintf(out, "%lld record%s of %lld process%s in %zu log%s", (long long)records,
		plural(records), (long long)processes, processes == 1 ? "" : "es", logs,
		plural((int64_t)logs));
	if (*get_text(document, "first")) {
		fputs(", ", out);
		put_visible(out, get_text(document, "first"), TIME_BYTES);
		fputs(" to ", out);
		put_visible(out, get_text(document, "last"), TIME_BYTES);
	}
	fputs("\n\n", out);
}

static void put_left_out(FILE *out, size_t all, size_t shown)
{
	if (all > shown)
		fprintf(out, "  … and %zu more (--json has all)\n", all - shown);
}

/* "2 guard, 1 memory" */
static char *words_of(const json_t *counts)
{
	char *text = format_text("%s", "");
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)counts, key, value)
	{
		char *longer = format_text("%s%s%lld %s", text, *text ? ", " : "",
					   (long long)json_integer_value(value), key);

		free(text);
		text = longer;
	}
	return text;
}

static void put_reasons(const json_t *row, FILE *out)
{
	const json_t *reason;
	size_t i;

	json_array_foreach(get(row, "reasons"), i, reason)
	{
		fprintf(out, "      %lld × ", (long long)get_number(reason, "count"));
		put_visible(out, get_text(reason, "reason"), 100);
		fputc('\n', out);
	}
}

static char *wait_of(const json_t *row, const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const json_t *sum = get(row, name);

	if (!get_number(sum, "count")) {
		fputs("-", out);
	} else {
		fprintf(out, "%lld × ≤ ", (long long)get_number(sum, "count"));
		put_duration(out, get_number(sum, "longest"));
	}
	fclose(out);
	return text;
}

static char *fate_of(const json_t *row)
{
	char *ended = words_of(get(row, "fates"));
	json_int_t open = get_number(row, "open"), with = get_number(row, "ended_with_process");
	json_int_t preserved = get_number(row, "preserved");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs(ended, out);
	if (with)
		fprintf(out, "%s%lld to the end", *ended ? ", " : "", (long long)with);
	if (open)
		fprintf(out, "%s%lld open", *ended || with ? ", " : "", (long long)open);
	/* Those that never ended have no fate on record. */
	if ((open || with) && preserved)
		fprintf(out, ", %lld preserved", (long long)preserved);
	fclose(out);
	free(ended);
	return text;
}

static void add_file(struct table *table, const json_t *row, bool hosts)
{
	table_number(table, get_number(row, "snapshots"));
	table_take(table, words_of(get(row, "engines")));
	table_take(table, words_of(get(row, "consistency")));
	table_take(table, fate_of(row));
	table_size(table, get_number(row, "mapped_bytes"));
	table_size(table, get_number(row, "copied_bytes"));
	table_take(table, wait_of(row, "program_waited"));
	table_take(table, wait_of(row, "writers_waited"));
	table_number(table, get_number(row, "unprotected"));
	table_number(table, get_number(row, "lost"));
	table_path(table, get_text(row, "path"), hosts ? get_text(row, "host") : "");
}

static void put_files(const json_t *document, FILE *out)
{
	static const char *const heads[] = { "snapshots", "engine", "consistency", "fate",
					     "mapped",	  "copied", "program",	   "writers",
					     "plain",	  "lost",   "file" };
	const json_t *files = get(document, "snapshots"), *row;
	struct table table;
	size_t i;

	if (!json_array_size(files))
		return;
	fputs("\nSnapshots by file (program, writers: how often they waited, and how long at most; "
	      "plain: mappings that got none)\n",
	      out);
	table_begin(&table, heads, 11);
	json_array_foreach(files, i, row)
	{
		if (i < ROWS)
			add_file(&table, row, json_array_size(get(document, "hosts")) > 1);
	}
	table_end(&table, out);
	put_left_out(out, json_array_size(files), ROWS);
	json_array_foreach(files, i, row)
	{
		if (i >= ROWS || !json_array_size(get(row, "reasons")))
			continue;
		fputs("    ", out);
		put_visible(out, get_text(row, "path"), PATH_END);
		fputc('\n', out);
		put_reasons(row, out);
	}
}

static void put_frame(const json_t *frame, FILE *out)
{
	const char *function = get_text(frame, "function"), *file = get_text(frame, "file");
	const char *module = get_text(frame, "module");

	fputs("      ", out);
	if (*function)
		put_visible(out, function, 200);
	if (*file) {
		fputs(*function ? " (" : "(", out);
		put_visible(out, file, PATH_END);
		fprintf(out, ":%lld)", (long long)get_number(frame, "line"));
	} else {
		if (*function)
			fprintf(out, "+0x%llx in ",
				(long long)get_number(frame, "offset_in_function"));
		put_visible(out, *module ? module : "", PATH_END);
		if (!*function)
			fprintf(out, *module ? "+%s" : "%s",
				get_text(frame, *module ? "offset" : "address"));
	}
	if (json_is_true(get(frame, "inlined")))
		fputs(" inlined", out);
	if (*get_text(frame, "note"))
		fprintf(out, " [%s]", get_text(frame, "note"));
	fputc('\n', out);
}

static void put_stack(const json_t *site, FILE *out)
{
	const json_t *frame;
	size_t i;

	json_array_foreach(get(site, "stack"), i, frame) put_frame(frame, out);
}

/* Whatever else the library counted there. */
static void put_more(const json_t *site, FILE *out)
{
	static const char *const shown[] = { "records", "calls",   "failed",
					     "bytes",	"refused", "areas" };
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)site, key, value)
	{
		bool known = !json_is_integer(value);

		for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
			known |= !strcmp(key, shown[i]);
		if (!known)
			fprintf(out, ", %s %lld", key, (long long)json_integer_value(value));
	}
}

/* The nearest that a process which called from here came to vm.max_map_count. */
static json_int_t limit_of(const json_t *document)
{
	const json_t *series;
	json_int_t limit = 0;
	size_t i;

	json_array_foreach(get(document, "nonlinear.areas"), i, series)
	{
		if (get_number(series, "limit") > limit)
			limit = get_number(series, "limit");
	}
	return limit;
}

static void put_site(const json_t *document, const json_t *site, FILE *out)
{
	json_int_t calls = get_number(site, "calls"), areas = get_number(site, "areas");
	json_int_t limit = limit_of(document);

	fputs("  ", out);
	put_visible(out, get_text(site, "program"), 40);
	fprintf(out, ": %s, %lld time%s", get_text(site, "action"), (long long)calls,
		plural(calls));
	if (get_number(site, "failed"))
		fprintf(out, ", %lld failed (%s)", (long long)get_number(site, "failed"),
			get_text(site, "error"));
	if (get_number(site, "refused"))
		fprintf(out, ", %lld refused", (long long)get_number(site, "refused"));
	if (get_number(site, "bytes")) {
		fputs(", ", out);
		put_size(out, get_number(site, "bytes"));
	}
	if (areas)
		fprintf(out, ", %lld areas", (long long)areas);
	if (areas && limit > areas)
		fprintf(out, " (headroom %lld of %lld)", (long long)(limit - areas),
			(long long)limit);
	put_more(site, out);
	if (*get_text(site, "detail"))
		fprintf(out, " (%s)", get_text(site, "detail"));
	if (*get_text(site, "path")) {
		fputs(", ", out);
		put_visible(out, get_text(site, "path"), PATH_END);
	}
	fputc('\n', out);
	put_stack(site, out);
}

static void put_sites(const json_t *document, const char *name, const char *heading, FILE *out)
{
	const json_t *sites = get(document, name), *site;
	size_t i;

	if (!json_array_size(sites))
		return;
	fprintf(out, "\n%s\n", heading);
	json_array_foreach(sites, i, site)
	{
		if (i < SITES)
			put_site(document, site, out);
	}
	put_left_out(out, json_array_size(sites), SITES);
}

/* Where the mappings came from that got no snapshot. */
static void put_unprotected(const json_t *document, FILE *out)
{
	const json_t *site;
	size_t i, shown = 0;

	json_array_foreach(get(document, "snapshot_sites"), i, site)
	{
		if (strcmp(get_text(site, "action"), "snapshot.unprotected") || shown == SITES)
			continue;
		fputs(shown++ ? "" : "\nMappings without a snapshot, by call site\n", out);
		put_site(document, site, out);
	}
}

static void put_areas(const json_t *document, FILE *out)
{
	const json_t *series;
	size_t i;

	json_array_foreach(get(document, "nonlinear.areas"), i, series)
	{
		json_int_t most = get_number(series, "most"), limit = get_number(series, "limit");

		fputs(i ? "  " : "\nAreas\n  ", out);
		put_visible(out, get_text(series, "program"), 40);
		fprintf(out, "[%lld] came to %lld areas", (long long)get_number(series, "pid"),
			(long long)most);
		if (limit)
			fprintf(out, " of %lld (vm.max_map_count), %.0f %%", (long long)limit,
				(double)most * 100 / (double)limit);
		fputc('\n', out);
	}
}

static void add_census(struct table *table, const json_t *row)
{
	static const char *const counts[] = { "pages.resident_file",   "pages.resident_private",
					      "pages.resident_shared", "pages.swapped",
					      "pages.never_allocated", "pages.unknown" };
	const char *path = get_text(row, "path");

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		table_number(table, get_number(row, counts[i]));
	char *what = format_text("%s[%lld]%s%s", get_text(row, "program"),
				 (long long)get_number(row, "pid"), *path ? " " : "", path);
	table_path(table, what, "");
	free(what);
}

static void put_census(const json_t *document, FILE *out)
{
	static const char *const heads[] = { "file",	"private", "shared", "swapped",
					     "nowhere", "unknown", "program" };
	const json_t *census = get(document, "census"), *row;
	struct table table;
	size_t i;

	if (!json_array_size(census))
		return;
	fputs("\nPages at the last census (file: private pages that still show what others write; "
	      "by file: only the eight mappings that show most are recorded)\n",
	      out);
	table_begin(&table, heads, 7);
	json_array_foreach(census, i, row)
	{
		if (i < ROWS)
			add_census(&table, row);
	}
	table_end(&table, out);
	put_left_out(out, json_array_size(census), ROWS);
}

static void put_gaps(const json_t *document, FILE *out)
{
	const json_t *gaps = get(document, "gaps"), *row;
	size_t i;

	json_array_foreach(gaps, i, row)
	{
		if (i == ROWS)
			break;
		fputs(i ? "  " : "\nNot looked into\n  ", out);
		fprintf(out, "%lld × ", (long long)get_number(row, "count"));
		put_visible(out, get_text(row, "reason"), 40);
		fputs(": ", out);
		put_visible(out, get_text(row, "path"), PATH_END);
		fputs(", started by ", out);
		put_visible(out, get_text(row, "program"), 40);
		fputc('\n', out);
	}
	put_left_out(out, json_array_size(gaps), ROWS);
}

/* "viewer[100] on alpha" */
static void put_missing(const json_t *document, FILE *out)
{
	const json_t *row;
	size_t i;

	if (!get_number(document, "missing.records"))
		return;
	fprintf(out, "\nRecords that are missing (event.sequence skips them): %lld\n",
		(long long)get_number(document, "missing.records"));
	json_array_foreach(get(document, "missing.rows"), i, row)
	{
		if (i == ROWS)
			break;
		fprintf(out, "      %lld of ", (long long)get_number(row, "records"));
		put_visible(out, get_text(row, "name"), 40);
		fprintf(out, "[%lld]", (long long)get_number(row, "pid"));
		if (*get_text(row, "host")) {
			fputs(" on ", out);
			put_visible(out, get_text(row, "host"), 64);
		}
		fputc('\n', out);
	}
	if (get_number(document, "missing.processes") > (json_int_t)i)
		fprintf(out, "      … and %lld processes more\n",
			(long long)get_number(document, "missing.processes") - (long long)i);
}

static void put_losses(const json_t *document, FILE *out)
{
	json_int_t dropped = get_number(document, "dropped.records");
	json_int_t damaged = get_number(document, "damaged");
	const json_t *log;
	size_t i;

	if (dropped) {
		fprintf(out, "\nRecords that could not be written: %lld\n", (long long)dropped);
		put_reasons(get(document, "dropped"), out);
	}
	if (!damaged)
		return;
	fprintf(out, "\nLines that could not be read: %lld\n", (long long)damaged);
	json_array_foreach(get(document, "logs"), i, log)
	{
		if (!get_number(log, "damaged"))
			continue;
		fprintf(out, "      %lld in ", (long long)get_number(log, "damaged"));
		put_visible(out, get_text(log, "path"), PATH_END);
		fputc('\n', out);
	}
}

void report_text(const json_t *document, FILE *out)
{
	put_head(document, out);
	put_verdict(document, out);
	put_sites(document, "sigbus", "SIGBUS in file mappings by call site", out);
	put_files(document, out);
	put_unprotected(document, out);
	put_sites(document, "nonlinear.sites", "Nonlinear mappings by call site", out);
	put_areas(document, out);
	put_sites(document, "selfmem", "Memory opened or mapped as a file", out);
	put_sites(document, "injected", "Calls that were made to fail", out);
	put_census(document, out);
	put_gaps(document, out);
	put_missing(document, out);
	put_losses(document, out);
}
