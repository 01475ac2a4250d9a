/* SPDX-License-Identifier: MIT */
/*
 * Folded stacks, as flame graphs take them: "program;frame;frame count", the outermost
 * frame first, the function that was called last.
 */
#include <string.h>

#include "cli/report/document.h"
#include "cli/report/report.h"
#include "cli/text/show.h"

/* Semicolons divide frames, and a newline ends the line. */
static void put_name(FILE *out, const char *name)
{
	while (*name) {
		size_t control = control_length(name);

		fputc(control ? '?' : *name == ';' ? ':' : *name, out);
		name += control ? control : 1;
	}
}

static void put_frame(FILE *out, const json_t *frame)
{
	const char *function = get_text(frame, "function"), *module = get_text(frame, "module");
	const char *slash = strrchr(module, '/');

	fputc(';', out);
	if (*function) {
		put_name(out, function);
	} else if (*module) {
		put_name(out, slash ? slash + 1 : module);
		fprintf(out, "+%s", get_text(frame, "offset"));
	} else {
		fputs("[unknown]", out);
	}
}

static const char *called(const char *action)
{
	static const char *const names[][2] = { { "nonlinear.remap", "remap_file_pages" },
						{ "nonlinear.rewire", "mmap" },
						{ "selfmem.open", "open" },
						{ "selfmem.map", "mmap" },
						{ "snapshot.create", "mmap" },
						{ "snapshot.unprotected", "mmap" },
						{ "mapping.sigbus", "SIGBUS" },
						{ "mapping.rescued", "SIGBUS" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i][0], action))
			return names[i][1];
	return action;
}

static void put_sites(FILE *out, const json_t *sites)
{
	const json_t *site;
	size_t i;

	json_array_foreach(sites, i, site)
	{
		const json_t *stack = get(site, "stack");

		if (!get_number(site, "calls"))
			continue;
		put_name(out, get_text(site, "program"));
		for (size_t j = json_array_size(stack); j-- > 0;)
			put_frame(out, json_array_get(stack, j));
		fprintf(out, ";%s %lld\n", called(get_text(site, "action")),
			(long long)get_number(site, "calls"));
	}
}

void report_folded(const json_t *document, FILE *out)
{
	put_sites(out, get(document, "sigbus"));
	put_sites(out, get(document, "nonlinear.sites"));
	put_sites(out, get(document, "selfmem"));
	put_sites(out, get(document, "snapshot_sites"));
}
