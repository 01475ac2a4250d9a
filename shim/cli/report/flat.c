/* SPDX-License-Identifier: MIT */
/*
 * Two forms for machines, a line for each thing. Folded stacks, as flame graphs take them:
 * "program;frame;frame count", the outermost frame first, the function that was called last. And
 * for Prometheus' textfile collector, how many records of each event each program has made.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"

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

/* A label's value: quotes, backslashes and newlines are written with a backslash. */
static void put_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void put_head(FILE *out, const char *name, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_number(FILE *out, const char *name, const char *help, int64_t number)
{
	put_head(out, name, help);
	fprintf(out, "%s %lld\n", name, (long long)number);
}

void report_prometheus(const struct model *model, FILE *out)
{
	const struct tally *tally, *next;

	put_head(out, "mmfence_records", "Records in these logs, by event and program.");
	HASH_ITER (hh, model->tallies, tally, next) {
		fputs("mmfence_records{", out);
		put_label(out, "event", tally->action);
		fputc(',', out);
		put_label(out, "program", tally->program);
		fputc(',', out);
		put_label(out, "host", tally->host);
		fprintf(out, "} %lld\n", (long long)tally->count);
	}
	put_number(out, "mmfence_records_missing", "Records that are not there.",
		   model->missing.records);
	put_number(out, "mmfence_records_dropped", "Records that could not be written.",
		   model->totals.dropped);
	put_number(out, "mmfence_lines_damaged", "Lines that are no records.", model->damaged);
}
