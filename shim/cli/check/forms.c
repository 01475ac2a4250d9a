/* SPDX-License-Identifier: MIT */
/*
 * A verdict as a list of results, and the two forms for machines. All texts are printable already;
 * here they are quoted.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/check/check.h"
#include "cli/cli.h"
#include "cli/report/report.h"
#include "cli/text/text.h"

/* One each for the categories, for the command's own end, and for the log. */
struct result {
	const char *name;
	bool failed;
	const char *skipped; /* why, or NULL */
	char *summary;	     /* of a failure */
	double seconds;
	int category; /* whose findings are the details, or -1 */
};

#define RESULTS (CATEGORY_COUNT + 2)

static size_t make_results(const struct verdict *verdict, struct result results[RESULTS])
{
	size_t count = 0;

	for (int i = 0; i < CATEGORY_COUNT; i++) {
		int64_t found = verdict->model->found[i];

		if (!verdict->wanted[i])
			continue;
		results[count++] = (struct result){
			.name = categories[i].name,
			.failed = found,
			.skipped = verdict->hidden[i],
			.summary = format_text("%lld finding%s: %s", (long long)found,
					       plural(found), categories[i].help),
			.category = i,
		};
	}
	results[count++] = (struct result){
		.name = "command",
		.failed = verdict->status,
		.skipped = verdict->no_command ? "no command was run" : NULL,
		.summary = keep(verdict->ending ? verdict->ending : ""),
		.seconds = verdict->seconds,
		.category = -1,
	};
	results[count++] = (struct result){ .name = "log",
					    .failed = verdict->doubt,
					    .summary = keep(verdict->doubt ? verdict->doubt : ""),
					    .category = -1 };
	return count;
}

/* The details of a failure, a line each. */
static void put_findings(const struct verdict *verdict, const struct result *result, FILE *out,
			 const char *before, void (*quote)(FILE *out, const char *text))
{
	for (const struct finding *it = verdict->model->findings; it; it = it->hh.next) {
		if ((int)it->category != result->category)
			continue;
		char *line = finding_line(it);

		fputs(before, out);
		quote(out, line);
		fputc('\n', out);
		free(line);
	}
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	page_text(out, value);
	fputc('"', out);
}

static void put_testcase(const struct verdict *verdict, const struct result *result, FILE *out)
{
	fprintf(out, "    <testcase classname=\"mmfence.check\" name=\"%s\" time=\"%.3f\">",
		result->name, result->seconds);
	if (result->failed) {
		fputs("<failure", out);
		put_attribute(out, "message", result->summary);
		put_attribute(out, "type", result->name);
		fputs(">", out);
		put_findings(verdict, result, out, "", page_text);
		fputs("</failure>", out);
	} else if (result->skipped) {
		fputs("<skipped", out);
		put_attribute(out, "message", result->skipped);
		fputs("/>", out);
	}
	fputs("</testcase>\n", out);
}

void junit_print(const struct verdict *verdict, FILE *out)
{
	char host[256] = "", moment[32] = "";
	struct result results[RESULTS];
	size_t count = make_results(verdict, results), failed = 0, skipped = 0;
	struct tm utc;

	for (size_t i = 0; i < count; i++) {
		failed += results[i].failed;
		skipped += !results[i].failed && results[i].skipped;
	}
	char *counts = format_text("tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" "
				   "time=\"%.3f\"",
				   count, failed, skipped, verdict->seconds);
	gethostname(host, sizeof(host) - 1);
	if (gmtime_r(&verdict->start.tv_sec, &utc))
		strftime(moment, sizeof(moment), "%Y-%m-%dT%H:%M:%S", &utc);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites name=\"mmfence check\" %s>\n  <testsuite %s timestamp=\"%s\"",
		counts, counts, moment);
	put_attribute(out, "name", verdict->command);
	put_attribute(out, "hostname", host);
	fputs(">\n", out);
	for (size_t i = 0; i < count; i++) {
		put_testcase(verdict, &results[i], out);
		free(results[i].summary);
	}
	fputs("  </testsuite>\n</testsuites>\n", out);
	free(counts);
}

/* In YAML's single quotes. */
static void put_yaml(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++)
		fputs(*text == '\'' ? "''" : (const char[]){ *text, 0 }, out);
	fputc('\'', out);
}

void tap_print(const struct verdict *verdict, FILE *out)
{
	struct result results[RESULTS];
	size_t count = make_results(verdict, results);

	fprintf(out, "TAP version 13\n1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		const struct result *result = &results[i];
		bool skipped = !result->failed && result->skipped;

		fprintf(out, "%sok %zu - %s%s%s\n", result->failed ? "not " : "", i + 1,
			result->name, skipped ? " # SKIP " : "", skipped ? result->skipped : "");
		if (result->failed) {
			fputs("  ---\n  message: ", out);
			put_yaml(out, result->summary);
			fputs(result->category < 0 ? "\n" : "\n  findings:\n", out);
			put_findings(verdict, result, out, "    - ", put_yaml);
			fputs("  ...\n", out);
		}
		free(result->summary);
	}
}
