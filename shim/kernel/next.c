/* SPDX-License-Identifier: MIT */
/*
 * Finding the next library's functions: see next.h.
 */
#include <dlfcn.h>
#include <stddef.h>

#include "kernel/next.h"

struct next next;

struct entry {
	const char *name;
	size_t offset;
};

static const struct entry entries[] = {
#define NEXT_ENTRY(result, name, parameters) { #name, offsetof(struct next, name) },
	NEXT_FUNCTIONS(NEXT_ENTRY)
#undef NEXT_ENTRY
};

void next_resolve(void)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
		*(void **)((char *)&next + entries[i].offset) = dlsym(RTLD_NEXT, entries[i].name);
}
