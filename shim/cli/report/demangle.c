/* SPDX-License-Identifier: MIT */
/*
 * C++ names, by the C++ library itself where it is installed; without it they stay as
 * the linker has them.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/symbols.h"

typedef char *demangler(const char *name, char *buffer, size_t *length, int *status);

static demangler *find(void)
{
	static demangler *found;
	static bool tried;
	void *library;

	if (tried)
		return found;
	tried = true;
	library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
	if (library)
		found = (demangler *)dlsym(library, "__cxa_demangle");
	return found;
}

char *demangle(const char *name)
{
	demangler *call = strncmp(name, "_Z", 2) ? NULL : find();
	int status = 0;

	return call ? call(name, NULL, NULL, &status) : NULL;
}
