/* SPDX-License-Identifier: MIT */
/*
 * Finding the next library's functions: see next.h.
 */
#include <stddef.h>

#include "kernel/next.h"
#include "kernel/symbol.h"

struct next next;

struct entry {
	const char *name;
	size_t offset;
};

static const struct entry entries[] = {
#define NEXT(result, name, ...)	  { #name, offsetof(struct next, name) },
#define HANDS(result, name, ...)  NEXT(result, name)
#define CHANGE(result, name, ...) NEXT(result, name)
#include "interpose/calls.def"
};

static void resolve_from(const struct symbol_table *symbols)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		void **member = (void **)((char *)&next + entries[i].offset);

		if (!*member)
			*member = symbol_find(symbols, entries[i].name);
	}
}

void next_resolve(void)
{
	const struct link_map *library = NULL;
	struct symbol_table symbols;

	while ((library = symbol_after(library)))
		if (symbol_read(library, &symbols))
			resolve_from(&symbols);
}
