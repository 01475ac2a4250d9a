/* SPDX-License-Identifier: MIT */
/*
 * A table at a terminal: columns as wide as what is in them; the last is not padded.
 */
#ifndef MMFENCE_CLI_TEXT_TABLE_H
#define MMFENCE_CLI_TEXT_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct table {
	size_t columns;
	char **cells; /* row after row, the headings first */
	size_t count, room;
};

void table_begin(struct table *table, const char *const *headings, size_t columns);
/* A cell; the text belongs to the table from then on. */
void table_take(struct table *table, char *text);
void table_number(struct table *table, int64_t n);
void table_size(struct table *table, int64_t bytes);
/* A path, and on which host if that is named. */
void table_path(struct table *table, const char *path, const char *host);
/* Writes it, and frees it. */
void table_end(struct table *table, FILE *out);

#endif
