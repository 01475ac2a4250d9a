/* SPDX-License-Identifier: MIT */
/*
 * The report for people at a terminal: the verdict, then what stands behind it. Long
 * tables end with how many rows were left out; the JSON has them all.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"

#define ROWS  40
#define SITES 12

/* To be freed here: the text goes out without what a terminal would obey. */
static void put_words(FILE *out, char *words, size_t most)
{
	put_visible(out, words, most);
	free(words);
}

static void put_verdict(const json_t *document, FILE *out)
{
	const json_t *sentence;
	size_t i;

	put_words(out, head_text(document), SIZE_MAX);
	fprintf(out, "\n\nVerdict: %s\n", text(document, "verdict.text"));
	json_array_foreach (field(document, "verdict.sentences"), i, sentence) {
		fprintf(out, "  %-12s ", text(sentence, "kind"));
		put_visible(out, text(sentence, "text"), SIZE_MAX);
		fputc('\n', out);
	}
}

static void put_left_out(FILE *out, size_t all, size_t shown)
{
	if (all > shown)
		fprintf(out, "  … and %zu more (--json has all)\n", all - shown);
}

static void put_table(const json_t *document, const struct rows *spec, FILE *out)
{
	const json_t *rows = field(document, spec->name), *row;
	const struct column *used[COLUMNS];
	struct libscols_table *table;
	size_t count = columns_used(document, spec, ROWS, used), i;

	if (!json_array_size(rows))
		return;
	fprintf(out, "\n%s%s%s\n", spec->title, spec->note ? ". " : "", spec->note ?: "");
	table = table_new(out);
	for (i = 0; i < count; i++)
		table_column(table, used[i]->heading,
			     cell_is_number(used[i]->cell) * COLUMN_NUMBER |
				     used[i]->extra * COLUMN_EXTRA |
				     (used[i]->cell != CELL_COUNTS) * COLUMN_LONG);
	json_array_foreach (rows, i, row) {
		struct libscols_line *line = i < ROWS ? scols_table_new_line(table, NULL) : NULL;

		for (size_t j = 0; line && j < count; j++)
			table_cell(line, j, cell_text(document, row, used[j]));
	}
	table_print(table);
	put_left_out(out, json_array_size(rows), ROWS);
}

static void put_site(const json_t *document, const json_t *site, const struct column *column,
		     FILE *out)
{
	const json_t *frame;
	size_t i;

	fputs("  ", out);
	put_visible(out, text(site, "program"), 40);
	fprintf(out, ": %s", text(site, "action"));
	for (column += 2; column->cell != CELL_STACK; column++) {
		char *cell = cell_text(document, site, column);

		if (*cell)
			fprintf(out, ", %c%s ", tolower(*column->heading), column->heading + 1);
		put_words(out, cell, 200);
	}
	fputc('\n', out);
	json_array_foreach (field(site, "stack"), i, frame) {
		fputs("      ", out);
		put_words(out, frame_text(frame), 300);
		fputc('\n', out);
	}
}

/* Of file mappings only those that got no snapshot. */
static void put_sites(const json_t *document, const struct rows *spec, FILE *out)
{
	const char *action = strcmp(spec->name, "snapshot_sites") ? "" : "unprotected";
	const json_t *site;
	size_t i, count = 0;

	json_array_foreach (field(document, spec->name), i, site) {
		if (!strstr(text(site, "action"), action) || count++ >= SITES)
			continue;
		if (count == 1)
			fprintf(out, "\n%s\n", spec->title);
		put_site(document, site, spec->columns, out);
	}
	put_left_out(out, count, SITES);
}

/* Not the processes; and the logs where something is wrong with one. */
void report_text(const json_t *document, FILE *out)
{
	put_verdict(document, out);
	for (const struct rows *spec = report_tables; spec->name; spec++) {
		const struct column *last = spec->columns;

		while (last[1].heading)
			last++;
		if (last->cell == CELL_STACK)
			put_sites(document, spec, out);
		else if (strcmp(spec->name, "processes.rows") &&
			 (strcmp(spec->name, "logs") || number(document, "damaged")))
			put_table(document, spec, out);
	}
}
