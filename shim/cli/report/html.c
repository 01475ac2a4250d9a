/* SPDX-License-Identifier: MIT */
/*
 * The report as one page: no scripts, nothing from elsewhere, and a policy in its head
 * that lets no browser fetch anything. Each row says which row of the JSON document it
 * shows (data-row).
 */
#include <stdlib.h>
#include <string.h>

#include "cli/report/document.h"
#include "cli/report/page.h"
#include "cli/report/report.h"
#include "cli/text/show.h"

void page_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		char c = *text;
		size_t control = c == '\n' || c == '\t' ? 0 : control_length(text);

		if (c == '&')
			fputs("&amp;", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else if (c == '\'')
			fputs("&#39;", out);
		else if (control)
			fputs("\xef\xbf\xbd", out);
		else
			fputc(c, out);
		if (control)
			text += control - 1;
	}
}

/* Cells. */

static void row_begin(FILE *out, const char *table, size_t number)
{
	fprintf(out, "<tr data-row=\"%s/%zu\">", table, number);
}

static void row_end(FILE *out)
{
	fputs("</tr>\n", out);
}

static void cell(FILE *out, const char *kind, const char *text)
{
	fprintf(out, *kind ? "<td class=\"%s\">" : "<td>", kind);
	page_text(out, text);
	fputs("</td>", out);
}

static void cell_number(FILE *out, json_int_t n)
{
	if (n)
		fprintf(out, "<td class=\"n\">%lld</td>", (long long)n);
	else
		fputs("<td class=\"n soft\">–</td>", out);
}

/* A number that should be 0. */
static void cell_bad(FILE *out, json_int_t n)
{
	if (n)
		fprintf(out, "<td class=\"n bad\">%lld</td>", (long long)n);
	else
		cell_number(out, 0);
}

static void cell_size(FILE *out, json_int_t bytes)
{
	fputs("<td class=\"n\">", out);
	if (bytes)
		put_size(out, bytes);
	else
		fputs("–", out);
	fputs("</td>", out);
}

static void cell_wait(FILE *out, const json_t *sum)
{
	fputs("<td class=\"n\">", out);
	if (get_number(sum, "count")) {
		fprintf(out, "%lld × ≤ ", (long long)get_number(sum, "count"));
		put_duration(out, get_number(sum, "longest"));
	} else {
		fputs("–", out);
	}
	fputs("</td>", out);
}

static const char *put_counts(FILE *out, const json_t *counts)
{
	const char *key, *comma = "";
	json_t *value;

	json_object_foreach((json_t *)counts, key, value)
	{
		fprintf(out, "%s%lld\xc2\xa0", comma, (long long)json_integer_value(value));
		page_text(out, key);
		comma = ", ";
	}
	return comma;
}

/* What never ended has no fate on record. */
static void put_fates(FILE *out, const json_t *row)
{
	json_int_t open = get_number(row, "open"), with = get_number(row, "ended_with_process");
	const char *comma = put_counts(out, get(row, "fates"));

	if (with)
		fprintf(out, "%s%lld\xc2\xa0to the end", comma, (long long)with);
	if (open)
		fprintf(out, "%s%lld\xc2\xa0open", *comma || with ? ", " : "", (long long)open);
}

/* "A|B|#C": a sharp before a heading for numbers, on the right. */
static void table_head(FILE *out, const char *title, const char *headings)
{
	fprintf(out, "<h2>%s</h2>\n<div class=\"scroll\"><table><thead><tr>", title);
	while (*headings) {
		size_t length = strcspn(headings, "|");
		bool number = *headings == '#';

		fprintf(out, "<th%s>%.*s</th>", number ? " class=\"n\"" : "", (int)length - number,
			headings + number);
		headings += length + (headings[length] == '|');
	}
	fputs("</tr></thead><tbody>\n", out);
}

static void table_tail(FILE *out)
{
	fputs("</tbody></table></div>\n", out);
}

/* The parts. */

static void put_head(const json_t *document, FILE *out)
{
	json_int_t records = get_number(document, "records");
	json_int_t processes = get_number(document, "processes.count");
	size_t hosts = json_array_size(get(document, "hosts"));

	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
	      "<meta name=\"referrer\" content=\"no-referrer\">"
	      "<link rel=\"icon\" href=\"data:,\">"
	      "<title>mmfence report</title><style>",
	      out);
	fputs(page_style, out);
	fprintf(out,
		"</style></head><body><main>\n<h1>mmfence report</h1>"
		"<p class=\"soft\">%lld record%s of %lld process%s",
		(long long)records, plural(records), (long long)processes,
		processes == 1 ? "" : "es");
	if (hosts > 1)
		fprintf(out, " on %zu hosts", hosts);
	if (*get_text(document, "first")) {
		fputs(", ", out);
		page_text(out, get_text(document, "first"));
		fputs(" to ", out);
		page_text(out, get_text(document, "last"));
	}
	fputs("</p>\n", out);
}

static void put_verdict(const json_t *document, FILE *out)
{
	static const char *const states[][3] = {
		{ "kept", "✓", "Everything that mmfence promises was kept." },
		{ "incomplete", "!", "Kept, as far as mmfence could look." },
		{ "lost", "✗", "Not kept." },
		{ "nothing", "–", "Nothing was recorded." },
	};
	const char *state = get_text(document, "verdict.state");
	const json_t *sentence;
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strcmp(state, states[i][0]))
			fprintf(out,
				"<div class=\"verdict %s\"><span>%s</span><span>%s</span></div>\n",
				states[i][0], states[i][1], states[i][2]);
	fputs("<div class=\"cards\">\n", out);
	json_array_foreach(get(document, "verdict.sentences"), i, sentence)
	{
		bool alarm = !strcmp(get_text(sentence, "kind"), "lost") && !strcmp(state, "lost");

		fprintf(out, "<div class=\"card%s\"><h3>", alarm ? " alarm" : "");
		page_text(out, get_text(sentence, "kind"));
		fputs("</h3><p>", out);
		page_text(out, get_text(sentence, "text"));
		fputs("</p></div>\n", out);
	}
	fputs("</div>\n", out);
}

static void put_reasons(FILE *out, const json_t *reasons)
{
	const json_t *reason;
	size_t i;

	json_array_foreach(reasons, i, reason)
	{
		fprintf(out, "<div class=\"soft\">%lld × ", (long long)get_number(reason, "count"));
		page_text(out, get_text(reason, "reason"));
		fputs("</div>", out);
	}
}

static void put_file(FILE *out, const json_t *row, bool hosts)
{
	fputs("<td class=\"path\">", out);
	page_text(out, get_text(row, "path"));
	if (hosts && *get_text(row, "host")) {
		fputs(" <span class=\"tag\">", out);
		page_text(out, get_text(row, "host"));
		fputs("</span>", out);
	}
	put_reasons(out, get(row, "reasons"));
	fputs("</td>", out);
	cell_number(out, get_number(row, "snapshots"));
	cell_bad(out, get_number(row, "lost"));
	cell_bad(out, get_number(row, "unprotected"));
	fputs("<td>", out);
	put_counts(out, get(row, "engines"));
	fputs("<div class=\"soft\">", out);
	put_counts(out, get(row, "consistency"));
	fputs("</div></td><td class=\"fate\">", out);
	put_fates(out, row);
	fputs("</td>", out);
	cell_number(out, get_number(row, "preserved"));
	cell_number(out, get_number(row, "drift_pages"));
	cell_size(out, get_number(row, "mapped_bytes"));
	cell_size(out, get_number(row, "copied_bytes"));
	cell_wait(out, get(row, "program_waited"));
	cell_wait(out, get(row, "writers_waited"));
}

static void put_files(const json_t *document, FILE *out)
{
	const json_t *files = get(document, "snapshots"), *row;
	bool hosts = json_array_size(get(document, "hosts")) > 1;
	size_t i;

	if (!json_array_size(files))
		return;
	table_head(out, "Snapshots by file",
		   "File|#Snapshots|#Lost|#Unprotected|Engine, consistency|Fate|#Pre"
		   "served|#Drifted pages|#Mapped|#Copied|#Program waited|#Writers waited");
	json_array_foreach(files, i, row)
	{
		row_begin(out, "snapshots", i);
		put_file(out, row, hosts);
		row_end(out);
	}
	table_tail(out);
	fputs("<p class=\"soft\">To the end: of the process. Open: it has not ended, or nobody "
	      "wrote down that it did.</p>\n",
	      out);
}

/* What the function's name does not say: where it stands, or in which file and how far in. */
static void put_place(FILE *out, const json_t *frame)
{
	const char *function = get_text(frame, "function"), *file = get_text(frame, "file");
	const char *module = get_text(frame, "module");

	fputs(" <span class=\"soft\">", out);
	if (*file) {
		page_text(out, file);
		fprintf(out, ":%lld", (long long)get_number(frame, "line"));
	} else {
		page_text(out, module);
		if (*module && !*function)
			fprintf(out, "+%s", get_text(frame, "offset"));
	}
	if (json_is_true(get(frame, "inlined")))
		fputs(" inlined", out);
	if (*get_text(frame, "note")) {
		fputs(" — ", out);
		page_text(out, get_text(frame, "note"));
	}
	fputs("</span>", out);
}

static void put_stack(FILE *out, const json_t *stack)
{
	const json_t *frame;
	size_t i;

	fputs("<td><ol class=\"stack\">", out);
	json_array_foreach(stack, i, frame)
	{
		const char *function = get_text(frame, "function");

		fputs("<li>", out);
		page_text(out, *function ? function : "?");
		put_place(out, frame);
		fputs("</li>", out);
	}
	fputs("</ol></td>", out);
}

/* What the library counted beside the columns. */
static void put_notes(FILE *out, const json_t *site)
{
	static const char *const shown[] = { "records", "calls",   "failed",
					     "bytes",	"refused", "areas" };
	const char *key;
	json_t *value;

	fputs("<td class=\"path\">", out);
	page_text(out, get_text(site, "path"));
	if (*get_text(site, "detail")) {
		fputs("<div class=\"soft\">", out);
		page_text(out, get_text(site, "detail"));
		fputs("</div>", out);
	}
	json_object_foreach((json_t *)site, key, value)
	{
		bool known = !json_is_integer(value);

		for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
			known |= !strcmp(key, shown[i]);
		if (known)
			continue;
		fputs("<div class=\"soft\">", out);
		page_text(out, key);
		fprintf(out, " %lld</div>", (long long)json_integer_value(value));
	}
	fputs("</td>", out);
}

static void put_sites(const json_t *document, const char *name, const char *title, FILE *out)
{
	const json_t *sites = get(document, name), *site;
	size_t i;

	if (!json_array_size(sites))
		return;
	table_head(out, title,
		   "Program|Event|#Calls|#Failed|#Refused|#Areas|#Bytes|File|Call stack, innermost "
		   "first");
	json_array_foreach(sites, i, site)
	{
		row_begin(out, name, i);
		cell(out, "", get_text(site, "program"));
		cell(out, "", get_text(site, "action"));
		cell_number(out, get_number(site, "calls"));
		cell_number(out, get_number(site, "failed"));
		cell_number(out, get_number(site, "refused"));
		cell_number(out, get_number(site, "areas"));
		cell_size(out, get_number(site, "bytes"));
		put_notes(out, site);
		put_stack(out, get(site, "stack"));
		row_end(out);
	}
	table_tail(out);
}

static void put_census(const json_t *document, FILE *out)
{
	static const char *const counts[] = { "pages.resident_file",   "pages.resident_private",
					      "pages.resident_shared", "pages.swapped",
					      "pages.never_allocated", "pages.unknown" };
	const json_t *census = get(document, "census"), *row;
	size_t i;

	if (!json_array_size(census))
		return;
	table_head(out, "Pages at the last census",
		   "Program|#PID|File|#Still the file's|#Private copies|#Shared|#Swapped|#Never "
		   "allocated|#Unknown");
	json_array_foreach(census, i, row)
	{
		row_begin(out, "census", i);
		cell(out, "", get_text(row, "program"));
		cell_number(out, get_number(row, "pid"));
		cell(out, "path", *get_text(row, "path") ? get_text(row, "path") : "all mappings");
		for (size_t j = 0; j < sizeof(counts) / sizeof(*counts); j++)
			cell_number(out, get_number(row, counts[j]));
		row_end(out);
	}
	table_tail(out);
	fputs("<p class=\"soft\">By file: only the eight mappings of a process that show most of "
	      "what others write are recorded.</p>\n",
	      out);
}

static void put_gaps(const json_t *document, FILE *out)
{
	const json_t *gaps = get(document, "gaps"), *row;
	size_t i;

	if (!json_array_size(gaps))
		return;
	table_head(out, "Not looked into", "Program|Reason|Started by|#Times|What it means");
	json_array_foreach(gaps, i, row)
	{
		row_begin(out, "gaps", i);
		cell(out, "path", get_text(row, "path"));
		cell(out, "", get_text(row, "reason"));
		cell(out, "", get_text(row, "program"));
		cell_number(out, get_number(row, "count"));
		cell(out, "", get_text(row, "message"));
		row_end(out);
	}
	table_tail(out);
}

static void put_missing(const json_t *document, FILE *out)
{
	const json_t *rows = get(document, "missing.rows"), *row;
	json_int_t count = get_number(document, "missing.processes");
	size_t i;

	if (!json_array_size(rows))
		return;
	table_head(out, "Missing records", "Process|#PID|Host|#Numbers that nobody wrote");
	json_array_foreach(rows, i, row)
	{
		row_begin(out, "missing", i);
		cell(out, "", get_text(row, "name"));
		cell_number(out, get_number(row, "pid"));
		cell(out, "", get_text(row, "host"));
		cell_bad(out, get_number(row, "records"));
		row_end(out);
	}
	table_tail(out);
	fprintf(out,
		"<p class=\"soft\">%lld of %lld process%s: their <code>event.sequence</code> skips "
		"them.</p>\n",
		(long long)get_number(document, "missing.records"), (long long)count,
		count == 1 ? "" : "es");
}

static void put_processes(const json_t *document, FILE *out)
{
	const json_t *rows = get(document, "processes.rows"), *row;
	json_int_t count = get_number(document, "processes.count");
	size_t i;

	if (!json_array_size(rows))
		return;
	table_head(out, "Processes",
		   "Name|#PID|Host|First record|Last record|End|#Records|#Snapshots|#Areas|Command "
		   "line");
	json_array_foreach(rows, i, row)
	{
		row_begin(out, "processes", i);
		cell(out, "", get_text(row, "name"));
		cell_number(out, get_number(row, "pid"));
		cell(out, "", get_text(row, "host"));
		cell(out, "", get_text(row, "first"));
		cell(out, "", get_text(row, "last"));
		if (get(row, "exit_code"))
			fprintf(out, "<td>exit %lld</td>", (long long)get_number(row, "exit_code"));
		else
			cell(out, "", json_is_true(get(row, "ended")) ? "ended" : "not recorded");
		cell_number(out, get_number(row, "records"));
		cell_number(out, get_number(row, "snapshots"));
		cell_number(out, get_number(row, "areas"));
		cell(out, "path", get_text(row, "command_line"));
		row_end(out);
	}
	table_tail(out);
	if (count > (json_int_t)json_array_size(rows))
		fprintf(out, "<p class=\"soft\">The first %zu of %lld.</p>", json_array_size(rows),
			(long long)count);
}

static void put_events(const json_t *document, FILE *out)
{
	const char *key;
	json_t *value;
	size_t i = 0;

	table_head(out, "Records by event", "Event|#Records");
	json_object_foreach((json_t *)get(document, "events"), key, value)
	{
		row_begin(out, "events", i++);
		cell(out, "", key);
		cell_number(out, json_integer_value(value));
		row_end(out);
	}
	table_tail(out);
}

static void put_logs(const json_t *document, FILE *out)
{
	const json_t *logs = get(document, "logs"), *row;
	size_t i;

	table_head(out, "Logs", "Log|#Records|#Damaged lines|#Size|First record|Last record");
	json_array_foreach(logs, i, row)
	{
		row_begin(out, "logs", i);
		cell(out, "path", get_text(row, "path"));
		cell_number(out, get_number(row, "records"));
		cell_bad(out, get_number(row, "damaged"));
		cell_size(out, get_number(row, "bytes"));
		cell(out, "", get_text(row, "first"));
		cell(out, "", get_text(row, "last"));
		row_end(out);
	}
	table_tail(out);
	if (get_number(document, "dropped.records")) {
		fprintf(out, "<p class=\"bad\">%lld records could not be written.</p>",
			(long long)get_number(document, "dropped.records"));
		put_reasons(out, get(document, "dropped.reasons"));
	}
}

void report_html(const json_t *document, FILE *out)
{
	put_head(document, out);
	put_verdict(document, out);
	chart_lives(out, document);
	put_sites(document, "sigbus", "SIGBUS in file mappings by call site", out);
	put_files(document, out);
	put_sites(document, "snapshot_sites", "Private file mappings by call site", out);
	chart_areas(out, document);
	chart_windows(out, document);
	put_sites(document, "nonlinear.sites", "Nonlinear mappings by call site", out);
	put_sites(document, "selfmem", "Memory opened or mapped as a file", out);
	put_sites(document, "injected", "Calls that were made to fail", out);
	chart_census(out, document);
	put_census(document, out);
	put_gaps(document, out);
	put_missing(document, out);
	put_processes(document, out);
	put_events(document, out);
	put_logs(document, out);
	fprintf(out,
		"<footer>Made by mmfence %s. All times are UTC.</footer>\n</main></body></html>\n",
		MMFENCE_VERSION);
}
