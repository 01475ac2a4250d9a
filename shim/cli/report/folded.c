/* SPDX-License-Identifier: MIT */
/*
 * Folded stacks, as flame graphs take them: "program;frame;frame count", the outermost frame first,
 * the function that was called last.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"
#include "cli/text/text.h"

/* Semicolons divide frames, and a newline ends the line. */
static void put_name(FILE *out, const char *name)
{
	char *visible = printable(name);

	for (char *at = strchr(visible, ';'); at; at = strchr(at, ';'))
		*at = ':';
	fputs(visible, out);
	free(visible);
}

static void put_frame(FILE *out, const json_t *frame)
{
	const char *function = text(frame, "function"), *module = text(frame, "module");
	const char *slash = strrchr(module, '/');

	fputc(';', out);
	if (*function) {
		put_name(out, function);
	} else if (*module) {
		put_name(out, slash ? slash + 1 : module);
		fprintf(out, "+%s", text(frame, "offset"));
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

	json_array_foreach (sites, i, site) {
		const json_t *stack = field(site, "stack");

		if (!number(site, "calls"))
			continue;
		put_name(out, text(site, "program"));
		for (size_t j = json_array_size(stack); j-- > 0;)
			put_frame(out, json_array_get(stack, j));
		fprintf(out, ";%s %lld\n", called(text(site, "action")),
			(long long)number(site, "calls"));
	}
}

void report_folded(const json_t *document, FILE *out)
{
	put_sites(out, field(document, "sigbus"));
	put_sites(out, field(document, "nonlinear.sites"));
	put_sites(out, field(document, "selfmem"));
	put_sites(out, field(document, "snapshot_sites"));
}
