/* SPDX-License-Identifier: MIT */
/*
 * C++ names, by the C++ library itself where it is installed; without it they stay as
 * the linker has them.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"

#define REFERENCES_MOST 40

typedef char *demangler(const char *name, char *buffer, size_t *length, int *status);

static demangler *find(void)
{
	static void *library;

	if (!library)
		library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
	return library ? (demangler *)dlsym(library, "__cxa_demangle") : NULL;
}

/* Each reference to a part of the name (S1_, T_) may double what it stands for. */
static bool may_explode(const char *name)
{
	int references = 0;

	for (; *name; name++)
		if (*name == 'S' || *name == 'T')
			references +=
				name[1 + strspn(name + 1,
						"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '_';
	return references > REFERENCES_MOST;
}

char *demangle(const char *name)
{
	demangler *call = strncmp(name, "_Z", 2) || may_explode(name) ? NULL : find();
	int status = 0;

	return call ? call(name, NULL, NULL, &status) : NULL;
}
