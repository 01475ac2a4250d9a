/* SPDX-License-Identifier: MIT */
/*
 * The report as one page: no scripts, nothing from elsewhere, and a policy in its head
 * that lets no browser fetch anything. Each row says which row of the JSON document it
 * shows (data-row).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/report/report.h"
#include "cli/text/text.h"

void page_text(FILE *out, const char *text)
{
	static const char special[] = "&<>\"'", *const entities[] = { "&amp;", "&lt;", "&gt;",
								      "&quot;", "&#39;" };

	while (*text) {
		const char *found = strchr(special, *text);
		size_t length = *text == '\n' || *text == '\t' ? 1 : character_length(text);

		if (found)
			fputs(entities[found - special], out);
		else if (length)
			fwrite(text, 1, length, out);
		else
			fputs("\xef\xbf\xbd", out);
		text += length ? length : 1;
	}
}

/* To be freed here. */
static void put_words(FILE *out, char *words)
{
	page_text(out, words);
	free(words);
}

static void put_head(const json_t *document, FILE *out)
{
	const char *state = text(document, "verdict.state");

	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
	      "<meta name=\"referrer\" content=\"no-referrer\">"
	      "<link rel=\"icon\" href=\"data:,\">"
	      "<title>mmfence report</title><style>",
	      out);
	fputs(page_style, out);
	fputs("</style></head><body><main>\n<h1>mmfence report</h1><p class=\"soft\">", out);
	put_words(out, head_text(document));
	/* Green is for what was protected. */
	if (!strcmp(state, "kept") && !number(document, "verdict.numbers.snapshots"))
		state = "nothing";
	fprintf(out, "</p>\n<div class=\"verdict %s\">%s.</div>\n<div class=\"cards\">\n", state,
		text(document, "verdict.text"));
}

static void put_verdict(const json_t *document, FILE *out)
{
	const json_t *sentence;
	size_t i;

	json_array_foreach (field(document, "verdict.sentences"), i, sentence) {
		bool alarm = !strcmp(text(sentence, "kind"), "LOST");

		fprintf(out, "<div class=\"card%s\"><h3>", alarm ? " alarm" : "");
		page_text(out, text(sentence, "kind"));
		fputs("</h3><p>", out);
		page_text(out, text(sentence, "text"));
		fputs("</p></div>\n", out);
	}
	fputs("</div>\n", out);
}

static void put_stack(FILE *out, const json_t *stack)
{
	const json_t *frame;
	size_t i;

	fputs("<td><ol class=\"stack\">", out);
	json_array_foreach (stack, i, frame) {
		fputs("<li>", out);
		put_words(out, frame_text(frame));
		fputs("</li>", out);
	}
	fputs("</ol></td>", out);
}

/* "2026-11-21T12:03:17.720367Z" */
static double seconds_of(const char *time)
{
	struct tm tm = { 0 };
	const char *fraction = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);

	return fraction ? (double)timegm(&tm) + strtod(fraction, NULL) : 0;
}

/* Where a value stands between two others, as a part of the way. */
static double part_of(double value, double from, double to)
{
	return to > from ? fmin(fmax((value - from) / (to - from), 0), 1) : 0;
}

/* When the snapshots of a file were there, on the log's time; where one has no end on record, to
 * its end. */

static const char bar_legend[] =
	"<ul class=\"legend\"><li>A bar is the time of the logs:</li><li><i class=\"fc\"></i>guarded by "
	"a lease</li><li><i class=\"fa\"></i>copied at once</li><li><i class=\"fb\"></i>preserved</li>"
	"<li><i class=\"fbad\"></i>lost</li></ul>\n";

static void put_bar(FILE *out, double from, double to, double after, const char *class,
		    const char *title)
{
	fprintf(out, "<i class=\"%s\" style=\"margin-left:%.1f%%;width:%.1f%%\" title=\"%s\"></i>",
		class, 100 * after, 100 * (to - from), title);
}

static double moment_of(const json_t *document, const json_t *row, const char *name)
{
	return part_of(seconds_of(text(row, name)), seconds_of(text(document, "first")),
		       seconds_of(text(document, "last")));
}

static void put_life(FILE *out, const json_t *document, const json_t *row)
{
	bool open = number(row, "open") || number(row, "ended_with_process");
	bool lost = number(row, "lost"), changed = *text(row, "changed");
	bool guard = number(row, "engines.guard");
	double from = moment_of(document, row, "first");
	double to = open ? 1 : moment_of(document, row, "last");
	double between = changed ? moment_of(document, row, "changed") : to;

	if (!*text(row, "first"))
		return;
	fputs("<div class=\"bar\">", out);
	put_bar(out, from, between, from, guard ? "fc" : "fa",
		guard ? "guarded" : "copied at once");
	if (changed)
		put_bar(out, between, to, 0, lost ? "fbad" : "fb", lost ? "lost" : "preserved");
	fputs("</div>", out);
}

static void put_cell(FILE *out, const json_t *document, const json_t *row,
		     const struct column *column)
{
	char *cell;

	if (column->cell == CELL_STACK) {
		put_stack(out, field(row, column->name));
		return;
	}
	cell = cell_text(document, row, column);
	fprintf(out, "<td class=\"%s%s\">",
		cell_is_number(column->cell)				     ? "n"
		: column->cell == CELL_PATH				     ? "path"
		: column->cell == CELL_NOTES || column->cell == CELL_REASONS ? "notes"
									     : "",
		column->cell == CELL_BAD && *cell ? " bad" : "");
	page_text(out, *cell || !cell_is_number(column->cell) ? cell : "–");
	if (column->cell == CELL_PATH && field(row, "engines"))
		put_life(out, document, row);
	fputs("</td>", out);
	free(cell);
}

static void put_table(const json_t *document, const struct rows *spec, FILE *out)
{
	const json_t *rows = field(document, spec->name), *row;
	const struct column *used[COLUMNS];
	size_t count = columns_used(document, spec, SIZE_MAX, used), i;

	if (!json_array_size(rows))
		return;
	fprintf(out, "<h2>%s</h2>\n<div class=\"scroll\"><table><thead><tr>", spec->title);
	for (size_t j = 0; j < count; j++)
		fprintf(out, "<th%s>%s</th>", cell_is_number(used[j]->cell) ? " class=\"n\"" : "",
			used[j]->heading);
	fputs("</tr></thead><tbody>\n", out);
	json_array_foreach (rows, i, row) {
		fprintf(out, "<tr data-row=\"%s/%zu\">", spec->name, i);
		for (size_t j = 0; j < count; j++)
			put_cell(out, document, row, used[j]);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
	if (spec->note)
		fprintf(out, "<p class=\"soft\">%s</p>\n", spec->note);
	if (!strcmp(spec->name, "snapshots"))
		fputs(bar_legend, out);
}

void report_html(const json_t *document, FILE *out)
{
	json_int_t processes = number(document, "processes.count");

	put_head(document, out);
	put_verdict(document, out);
	for (const struct rows *spec = report_tables; spec->name; spec++)
		put_table(document, spec, out);
	if (processes > PROCESS_ROWS)
		fprintf(out, "<p class=\"soft\">The first %d of %lld processes.</p>", PROCESS_ROWS,
			(long long)processes);
	fprintf(out,
		"<footer>Made by mmfence %s. All times are UTC.</footer>\n</main></body></html>\n",
		MMFENCE_VERSION);
}
