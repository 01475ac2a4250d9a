/* SPDX-License-Identifier: MIT */
/*
 * The model as one JSON document, and the forms that people and machines get, each made of that
 * document: the text and the page put the same words into the same cells.
 */
#ifndef MMFENCE_CLI_REPORT_REPORT_H
#define MMFENCE_CLI_REPORT_REPORT_H

#include <string.h>

#include "cli/model/model.h"

/* Fields of the document by their dotted names. */

/* "file.path" in nested objects; NULL when it is not there. */
static inline const json_t *field(const json_t *record, const char *name)
{
	char part[64];

	while (record && *name) {
		size_t length = strcspn(name, ".");

		snprintf(part, sizeof(part), "%.*s", (int)length, name);
		record = json_object_get(record, part);
		name += length + (name[length] == '.');
	}
	return record;
}

static inline const char *text(const json_t *record, const char *name)
{
	const char *value = json_string_value(field(record, name));

	return value ? value : "";
}

static inline json_int_t number(const json_t *record, const char *name)
{
	return json_integer_value(field(record, name));
}

/* Names for places in programs and libraries, through elfutils. A file is believed only when its
 * build-id is the one that the record has; otherwise its debug file is looked for by build-id. Asks
 * nobody on the network, and opens nothing but regular files. */

/* Where debug files are, beside /usr/lib/debug: absolute, a colon before each; may be NULL. */
void symbols_open(const char *directories);

/* Adds the functions at a return address in a module: several where functions were inlined there,
 * the innermost first. */
void symbols_put(json_t *frames, const struct frame *frame);
/* The C++ name in words, or NULL when it is none. To be freed. */
char *demangle(const char *name);

struct symbol {
	const char *function; /* demangled; NULL when it has no name */
	const char *file;     /* NULL without debug information */
	int line;
	uint64_t offset; /* in the function; only of the outermost */
	bool inlined;
	const char *note; /* why there are no names, or what is doubtful, in a few words; or NULL */
};
void frame_put(json_t *frames, const struct frame *frame, const struct symbol *symbol);

json_t *report_document(struct model *model);
/* The functions at these places, the innermost first. */
json_t *report_stack(const struct frame *frames, uint32_t count);

void report_text(const json_t *document, FILE *out);
void report_folded(const json_t *document, FILE *out);
void report_prometheus(const struct model *model, FILE *out);
void report_html(const json_t *document, const struct model *model, FILE *out);
/* chart.c: nothing, where there is nothing to draw. */
void report_picture(const struct model *model, enum picture picture, FILE *out);

/* The tables of the report: which rows of the document, in which columns. */
#define COLUMNS 14

enum cell {
	CELL_TEXT,
	CELL_PATH, /* and on which host, where there are several */
	CELL_NUMBER,
	CELL_BAD, /* a number that should be 0 */
	CELL_SIZE,
	CELL_WAIT,
	CELL_COUNTS,
	CELL_FATE,
	CELL_END,
	CELL_REASONS,
	CELL_NOTES,
	CELL_STACK, /* a list of its own */
};

struct column {
	const char *heading, *name;
	enum cell cell;
	bool extra; /* not for narrow terminals */
};

struct rows {
	const char *name; /* in the document */
	const char *title, *note;
	struct column columns[COLUMNS];
};

extern const struct rows report_tables[];
/* What stands in the cell; "" where there is nothing to say. To be freed. */
char *cell_text(const json_t *document, const json_t *row, const struct column *column);
bool cell_is_number(enum cell cell);
/* Those that say something in one of the first rows; how many they are. */
size_t columns_used(const json_t *document, const struct rows *spec, size_t rows,
		    const struct column *used[COLUMNS]);

/* "main (a.c:12) [note]", "lib.so+0x12". To be freed. */
char *frame_text(const json_t *frame);

/* "68 records of 3 processes in 1 log, … to …". To be freed. */
char *head_text(const json_t *document);

/* Escaped for text and for attributes; control characters become U+FFFD. */
void page_text(FILE *out, const char *text);

/* The style sheet, for light, dark and paper. */
extern const char page_style[];

#endif
