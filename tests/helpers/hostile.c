/* SPDX-License-Identifier: MIT */
/*
 * A1: maps files whose names are no easy text, from a directory whose name is none either,
 * in a thread with such a name.
 */
#include <sys/prctl.h>

#include "helper.h"

static const char *const names[] = {
	"plain",
	"with space",
	"new\nline",
	"quote\"and\\backslash",
	"tab\tand\rreturn",
	"control\001\002\037end",
	"delete\177",
	"invalid\377\376utf8",
	"cut\303",
	"overlong\300\257",
	"surrogate\355\240\200",
	"beyond\364\220\200\200",
	"gr\303\274\303\237e",
	"line\342\200\250separator",
	"emoji\360\237\220\247",
	"{\"event\":{\"action\":\"forged\"}}",
	"end (deleted)",
	"*[?]",
};

static void map_named(const char *name)
{
	file_make(name, 1, 1);
	char *view = view_make(name, PROT_READ, 0, 1);
	file_overwrite(name, 2, 0, 1);
	view_check(view, 1, 0, 1, "a file with a hostile name");
	must(munmap(view, PAGE) == 0);
}

/* A path near the kernel's limit. */
static void map_deep(void)
{
	char name[256];

	memset(name, '"', 255);
	name[255] = 0;
	for (int depth = 0; depth < 14; depth++)
		must(mkdir(name, 0700) == 0 && chdir(name) == 0);
	map_named(name);
}

int main(void)
{
	must(mkdir("dir\n\"\377", 0700) == 0 && chdir("dir\n\"\377") == 0);
	prctl(PR_SET_NAME, "na\"me\n\377\\");
	for (size_t i = 0; i < COUNT(names); i++)
		map_named(names[i]);
	map_deep();
	printf("%zu\n", COUNT(names) + 1);
	return 0;
}
