/* SPDX-License-Identifier: MIT */
/*
 * Columns: see table.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text/show.h"
#include "cli/text/table.h"

/* Letters, not bytes. Nothing wide is put into a table but the last column. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

void table_take(struct table *table, char *text)
{
	if (table->count == table->room) {
		table->room = table->room ? 2 * table->room : 64;
		table->cells = realloc(table->cells, table->room * sizeof(*table->cells));
		if (!table->cells) {
			complain("out of memory");
			exit(STATUS_USAGE);
		}
	}
	table->cells[table->count++] = text;
}

void table_begin(struct table *table, const char *const *headings, size_t columns)
{
	memset(table, 0, sizeof(*table));
	table->columns = columns;
	for (size_t i = 0; i < columns; i++)
		table_take(table, format_text("%s", headings[i]));
}

void table_number(struct table *table, int64_t n)
{
	table_take(table, n ? format_text("%lld", (long long)n) : format_text("-"));
}

void table_size(struct table *table, int64_t bytes)
{
	char *text;
	size_t size;
	FILE *out = open_text(&text, &size);

	if (bytes)
		put_size(out, bytes);
	else
		fputc('-', out);
	fclose(out);
	table_take(table, text);
}

void table_path(struct table *table, const char *path, const char *host)
{
	char *text;
	size_t size;
	FILE *out = open_text(&text, &size);

	put_visible(out, path, 100);
	if (*host) {
		fputs(" on ", out);
		put_visible(out, host, 40);
	}
	fclose(out);
	table_take(table, text);
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t widest = 0;

	for (size_t i = column; i < table->count; i += table->columns)
		if (width_of(table->cells[i]) > widest)
			widest = width_of(table->cells[i]);
	return widest;
}

void table_end(struct table *table, FILE *out)
{
	size_t *widths = calloc(table->columns, sizeof(*widths));

	for (size_t i = 0; widths && i < table->columns; i++)
		widths[i] = column_width(table, i);
	for (size_t i = 0; widths && i < table->count; i++) {
		size_t column = i % table->columns;
		int last = column == table->columns - 1;

		fprintf(out, "%s%s", column ? "  " : "  ", table->cells[i]);
		if (!last)
			fprintf(out, "%*s", (int)(widths[column] - width_of(table->cells[i])), "");
		else
			fputc('\n', out);
	}
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(widths);
}
