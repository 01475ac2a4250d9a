/* SPDX-License-Identifier: MIT */
/*
 * Tables.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text/text.h"

#define WIDE 132

/* SIZE_MAX where it is no terminal. Asked for once: a table has a hundred thousand cells. */
static size_t terminal_width(void)
{
	static size_t width;
	struct winsize size;

	if (!width)
		width = isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) &&
					size.ws_col >= 40
				? size.ws_col
				: SIZE_MAX;
	return width;
}

struct libscols_table *table_new(FILE *out)
{
	struct libscols_table *table = scols_new_table();

	scols_table_set_stream(table, out);
	scols_table_enable_minout(table, 1);
	scols_table_set_column_separator(table, "  ");
	return table;
}

void table_column(struct libscols_table *table, const char *heading, unsigned int kind)
{
	bool hidden = kind & COLUMN_EXTRA && terminal_width() < WIDE;

	scols_table_new_column(table, heading, 0,
			       (kind & COLUMN_NUMBER ? SCOLS_FL_RIGHT : 0) |
				       (kind & COLUMN_LONG ? SCOLS_FL_TRUNC : 0) |
				       (hidden ? SCOLS_FL_HIDDEN : 0));
}

/* The end of a long path says more than its beginning. */
void table_cell(struct libscols_line *line, size_t column, char *text)
{
	scols_line_refer_data(line, column, visible(*text ? text : "-", terminal_width() / 4));
	free(text);
}

void table_print(struct libscols_table *table)
{
	scols_print_table(table);
	scols_unref_table(table);
}
