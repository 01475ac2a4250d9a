/* SPDX-License-Identifier: MIT */
/*
 * The report as one page: no scripts, nothing from elsewhere, and a policy in its head
 * that lets no browser fetch anything. Each row says which row of the JSON document it
 * shows (data-row).
 */
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"

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
		cell_is_number(column->cell)  ? "n"
		: column->cell == CELL_PATH   ? "path"
		: column->cell >= CELL_COUNTS ? "notes"
					      : "",
		column->cell == CELL_BAD && *cell ? " bad" : "");
	page_text(out, *cell || !cell_is_number(column->cell) ? cell : "–");
	fputs("</td>", out);
	free(cell);
}

/* What ends a line on a terminal begins it on a page, which may be narrow. */
static void put_name_first(const struct column **used, size_t count)
{
	const struct column *last = used[count - 1];

	if (last->cell != CELL_PATH)
		return;
	memmove(used + 1, used, (count - 1) * sizeof(*used));
	used[0] = last;
}

static void put_table(const json_t *document, const struct rows *spec, FILE *out)
{
	const json_t *rows = field(document, spec->name), *row;
	const struct column *used[COLUMNS];
	size_t count = columns_used(document, spec, SIZE_MAX, used), i;

	if (!json_array_size(rows))
		return;
	put_name_first(used, count);
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
}

void report_html(const json_t *document, const struct model *model, FILE *out)
{
	json_int_t processes = number(document, "processes.count");

	put_head(document, out);
	put_verdict(document, out);
	for (const struct rows *spec = report_tables; spec->name; spec++) {
		put_table(document, spec, out);
		if (!strcmp(spec->name, "snapshots"))
			report_picture(model, PICTURE_LIVES, out);
		if (strcmp(spec->name, "nonlinear.sites"))
			continue;
		report_picture(model, PICTURE_AREAS, out);
		report_picture(model, PICTURE_WINDOW, out);
	}
	if (processes > PROCESS_ROWS)
		fprintf(out, "<p class=\"soft\">%d of %lld processes.</p>", PROCESS_ROWS,
			(long long)processes);
	fprintf(out,
		"<footer>Made by mmfence %s. All times are UTC.</footer>\n</main></body></html>\n",
		MMFENCE_VERSION);
}
