/* SPDX-License-Identifier: MIT */
/*
 * `mmfence pages PID': what is asked for. See pages.h.
 */
#include <stdlib.h>

#include "cli/pages/pages.h"
#include "cli/text/text.h"

static void take_limit(void *view, const char *argument)
{
	char *end;
	unsigned long number = strtoul(argument, &end, 10);

	if (argument[0] < '0' || argument[0] > '9' || *end)
		refuse("--limit: \"%s\" is not a number of mappings", argument);
	((struct pages_view *)view)->limit = number;
}

int pages_main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{ "json", 'j', NULL, "JSON instead of a table; counts are pages",
		  offsetof(struct pages_view, json), NULL },
		{ "sort", 's', "private|file|shared|swapped|never|unknown|address|size",
		  "what to begin with, and most of it [file]", offsetof(struct pages_view, sort),
		  NULL },
		{ "limit", 'n', "NUMBER", "show that many mappings; the total is of all", 0,
		  take_limit },
		{ "way", 0, "auto|scan|pagemap", "for debugging: how to read the page table",
		  offsetof(struct pages_view, way), NULL },
		{ 0 },
	};
	struct command_line line = {
		.settings = settings,
		.arguments = "PID",
		.doc = "Counts what each page of a process (of PID, or that the thread PID is of) is, mapping "
		       "by mapping, while it runs on: "
		       "private (copied, in memory), file (of a private mapping, and still the file's: "
		       "it shows what others write), shared, swapped, or never allocated.\v"
		       "Exit status: 0, 1 if the process ended meanwhile, 2 for wrong usage or a "
		       "process that cannot be looked at.",
		.least = 1,
		.most = 1,
		.failing = "one process, by its number",
	};
	struct pages_view view = { .sort = PAGES_FILE, .limit = SIZE_MAX };
	static struct pages_count count;
	struct pages_source source;

	options_read(&line, argc, argv, &view);
	pages_open(line.operands[0], &source, &count);
	int status = pages_take(&source, view.way, &count);

	if (status)
		return status;
	pages_sort(&count, &view);
	if (view.limit > count.count)
		view.limit = count.count;
	(view.json ? pages_show_json : pages_show)(&count, &view, stdout);
	return 0;
}
