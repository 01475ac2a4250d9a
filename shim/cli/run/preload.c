/* SPDX-License-Identifier: MIT */
/*
 * Finds the library: see preload.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/elf.h"
#include "cli/run/preload.h"

/* What $LIB may stand for, and for which programs: Debian, then Fedora and Arch, then others. */
static const char *const places64[] = { "lib/x86_64-linux-gnu", "lib64", "lib", NULL };
static const char *const places32[] = { "lib32", "lib/i386-linux-gnu", "lib", NULL };

/* The directory above the one that holds the command; "" for /. */
static int find_prefix(char *out, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", out, size - 1);

	if (length < 0)
		return -1;
	out[length] = 0;
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(out, '/');

		if (slash)
			*slash = 0;
	}
	return 0;
}

static void find_file(char *out, const char *prefix, const char *const *places, int bits)
{
	struct elf_facts facts;

	for (; *places; places++) {
		if (snprintf(out, PATH_MAX, "%s/%s/libmmfence.so", prefix, *places) >= PATH_MAX)
			continue;
		if (!elf_read(out, &facts) && facts.bits == bits)
			return;
	}
	*out = 0;
}

int preload_find(struct preload *out, char *sentence, size_t size)
{
	char prefix[PATH_MAX];

	memset(out, 0, sizeof(*out));
	if (find_prefix(prefix, sizeof(prefix))) {
		snprintf(sentence, size,
			 "/proc/self/exe, which tells where this command is, cannot be read: %m");
		return -1;
	}
	find_file(out->file64, prefix, places64, 64);
	find_file(out->file32, prefix, places32, 32);
	if (!out->file64[0]) {
		snprintf(sentence, size,
			 "libmmfence.so is in none of lib/x86_64-linux-gnu, lib64 and lib under %s",
			 *prefix ? prefix : "/");
		return -1;
	}
	if (strpbrk(prefix, " :$")) {
		snprintf(
			sentence, size,
			"the dynamic linker cannot preload a library from %s, because this name has "
			"a space, a colon or a $",
			prefix);
		return -1;
	}
	if (snprintf(out->name, sizeof(out->name), "%s/$LIB/libmmfence.so", prefix) < PATH_MAX)
		return 0;
	snprintf(sentence, size, "the name of the directory %s is too long", prefix);
	return -1;
}

void preload_export(const struct preload *preload)
{
	const char *before = getenv("LD_PRELOAD");
	size_t length = strlen(preload->name);

	/* Already there: one mmfence runs under another. */
	if (before && !strncmp(before, preload->name, length) &&
	    (!before[length] || strchr(" :", before[length])))
		return;
	char *value = format_text("%s%s%s", preload->name, before && *before ? ":" : "",
				  before ? before : "");
	setenv("LD_PRELOAD", value, 1);
	free(value);
}
