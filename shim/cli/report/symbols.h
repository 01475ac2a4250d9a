/* SPDX-License-Identifier: MIT */
/*
 * Names for places in programs and libraries, through elfutils. A file is believed only
 * when its build-id is the one that the record has; otherwise its debug file is looked
 * for by build-id. Asks nobody on the network, and opens nothing but regular files.
 */
#ifndef MMFENCE_CLI_REPORT_SYMBOLS_H
#define MMFENCE_CLI_REPORT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbols;

/* Where debug files are, beside /usr/lib/debug: directories, separated by colons; may be NULL. NULL
 * when there is no memory. */
struct symbols *symbols_open(const char *directories);
void symbols_close(struct symbols *symbols);

/* A function at a place: several where functions were inlined there, the innermost first. */
struct symbol {
	char *function; /* demangled; NULL when it has no name */
	char *file;	/* NULL without debug information */
	int line;
	uint64_t offset; /* in the function; only of the outermost */
	bool inlined;
};

#define SYMBOLS_MOST 8

/* The functions at an offset of this module, 0 when there is no name; they are the caller's to free
 * with symbols_free. note: why not, or what is doubtful, in a few words; or NULL. */
size_t symbols_find(struct symbols *symbols, const char *path, const char *build_id,
		    uint64_t offset, struct symbol *found, const char **note);
void symbols_free(struct symbol *found, size_t count);

/* demangle.c: the C++ name in words, or NULL when it is none. To be freed. */
char *demangle(const char *name);

#endif
