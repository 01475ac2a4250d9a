/* SPDX-License-Identifier: MIT */
/*
 * Numbers and names as people read them, tables by libsmartcols, and options by argp. Names in a
 * log come from the program: nothing that a terminal, XML or YAML would obey gets through.
 */
#ifndef MMFENCE_CLI_TEXT_TEXT_H
#define MMFENCE_CLI_TEXT_TEXT_H

#include <libsmartcols/libsmartcols.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "cli/cli.h"

/* "" for one, "s" for others. */
const char *plural(int64_t n);

/* "512.0 KiB" */
#define SIZE_BYTES 32
const char *size_text(uint64_t bytes, char out[SIZE_BYTES]);
void put_size(FILE *out, int64_t bytes);

/* "314 µs", "1.2 ms", "45.0 s" */
void put_duration(FILE *out, int64_t microseconds);

/* "2026-05-04T10:00:00.000000Z"; NULL: of now. */
#define TIME_BYTES 28
const char *time_text(const struct timespec *moment, char out[TIME_BYTES]);

/* Of the character here, in bytes. 0: it is none, controls what shows it, breaks the line, or turns
 * round what stands beside it. */
size_t character_length(const char *text);

/* With a question mark for each byte of other characters. To be freed. */
char *printable(const char *text);

/* The same, of at most `most` bytes: the end of a long path says more than its beginning. */
char *visible(const char *text, size_t most);
void put_visible(FILE *out, const char *text, size_t most);

/* table.c: on a terminal no wider than it is, elsewhere as wide as what is in them. */

struct libscols_table *table_new(FILE *out);
/* Numbers stand to the right. On a narrow terminal extra columns are left out, and long ones cut.
 */
enum column_kind { COLUMN_NUMBER = 1, COLUMN_EXTRA = 2, COLUMN_LONG = 4 };
void table_column(struct libscols_table *table, const char *heading, unsigned int kind);
/* Of the last line that was begun. The text belongs to the table from then on; an empty one becomes
 * a dash. */
void table_cell(struct libscols_line *line, size_t column, char *text);
/* Writes it, and frees it. */
void table_print(struct libscols_table *table);

/* options.c: the options of a command as a table. */

struct setting {
	const char *name;
	int letter;		     /* 0: none */
	const char *argument, *help; /* no help: hidden */
	/* What it does: sets the text, the enum (of "one|two|three") or, without an argument, the
	 * bool that is so far into the input, or calls this, which ends the command where the
	 * argument is wrong. */
	size_t at;
	void (*take)(void *input, const char *argument);
};

struct command_line {
	const struct setting *settings; /* up to one without a name or a letter */
	const char *arguments, *doc;
	size_t least, most;  /* how many operands */
	const char *failing; /* what is said where there are others */
	bool in_order;	     /* options end with the first operand: these are a command */
	char *(*help)(int key, const char *text, void *input); /* as argp has it; NULL: none */
	/* Filled in. */
	char **operands;
	size_t count;
};

/* The setting that is being taken. */
extern const struct setting *options_current;

/* Ends the command where something is wrong. */
void options_read(struct command_line *line, int argc, char **argv, void *input);

/* value.c: the option's value now, as text that policy_set understands; and whether it is the one
 * that it has when nothing is set. */
#define OPTION_BYTES 64
struct policy;
const char *option_value(const struct policy *policy, size_t option, char *buffer, size_t size);
bool option_is_default(const struct policy *policy, size_t option);

/* One sentence, and the end of the command. */
__attribute__((format(printf, 1, 2), noreturn)) void refuse(const char *format, ...);

#endif
