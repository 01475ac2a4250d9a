/* SPDX-License-Identifier: MIT */
/*
 * A verdict as a list of results, and the two forms for machines: see verdict.h. All texts
 * are printable already; here they are quoted.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/check/verdict.h"

static struct result category_result(const struct verdict *verdict, int category)
{
	size_t count = (size_t)verdict->model->found[category];

	return (struct result){
		.name = categories[category].name,
		.help = categories[category].help,
		.failed = count,
		.skipped = verdict->hidden[category],
		.summary = count ? format_text("%zu finding%s: %s", count, count == 1 ? "" : "s",
					       categories[category].help)
				 : NULL,
		.category = category,
	};
}

size_t verdict_results(const struct verdict *verdict, struct result results[RESULTS])
{
	size_t count = 0;

	for (int i = 0; i < CATEGORY_COUNT; i++) {
		if (verdict->wanted[i])
			results[count++] = category_result(verdict, i);
	}
	results[count++] = (struct result){
		.name = "command",
		.help = "the command itself failed",
		.failed = verdict->status,
		.summary = verdict->status ? format_text("%s", verdict->ending) : NULL,
		.category = -1,
	};
	results[count++] = (struct result){
		.name = "log",
		.help = "the log is not whole",
		.failed = verdict->doubt,
		.summary = verdict->doubt ? format_text("%s", verdict->doubt) : NULL,
		.category = -1,
	};
	return count;
}

void results_free(struct result *results, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(results[i].summary);
}

static void put_xml(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	put_xml(out, value);
	fputc('"', out);
}

static void put_failure(const struct verdict *verdict, const struct result *result, FILE *out)
{
	fputs(">\n      <failure", out);
	put_attribute(out, "message", result->summary);
	put_attribute(out, "type", result->name);
	fputs(">", out);
	for (const struct finding *finding = verdict->model->findings; finding;
	     finding = finding->hh.next) {
		if ((int)finding->category != result->category)
			continue;
		char *line = finding_line(finding);
		put_xml(out, line);
		fputc('\n', out);
		free(line);
	}
	fputs("</failure>\n    </testcase>\n", out);
}

static void put_testcase(const struct verdict *verdict, const struct result *result, FILE *out)
{
	fputs("    <testcase classname=\"mmfence.check\"", out);
	put_attribute(out, "name", result->name);
	fprintf(out, " time=\"%.3f\"",
		result->category < 0 && !strcmp(result->name, "command") ? verdict->seconds : 0.0);
	if (result->failed) {
		put_failure(verdict, result, out);
	} else if (result->skipped) {
		fputs(">\n      <skipped", out);
		put_attribute(out, "message", result->skipped);
		fputs("/>\n    </testcase>\n", out);
	} else {
		fputs("/>\n", out);
	}
}

static void put_suite(const struct verdict *verdict, const char *counts, FILE *out)
{
	char host[256] = "", moment[32] = "";
	struct tm utc;

	gethostname(host, sizeof(host) - 1);
	if (gmtime_r(&verdict->start.tv_sec, &utc))
		strftime(moment, sizeof(moment), "%Y-%m-%dT%H:%M:%S", &utc);
	fputs("  <testsuite", out);
	put_attribute(out, "name", verdict->command);
	fprintf(out, " %s time=\"%.3f\"", counts, verdict->seconds);
	put_attribute(out, "timestamp", moment);
	put_attribute(out, "hostname", host);
	fputs(">\n", out);
}

void junit_print(const struct verdict *verdict, FILE *out)
{
	struct result results[RESULTS];
	size_t count = verdict_results(verdict, results), failed = 0, skipped = 0;

	for (size_t i = 0; i < count; i++) {
		failed += results[i].failed;
		skipped += !results[i].failed && results[i].skipped;
	}
	char *counts = format_text("tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\"",
				   count, failed, skipped);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites name=\"mmfence check\" %s time=\"%.3f\">\n",
		counts, verdict->seconds);
	put_suite(verdict, counts, out);
	for (size_t i = 0; i < count; i++)
		put_testcase(verdict, &results[i], out);
	fputs("  </testsuite>\n</testsuites>\n", out);
	free(counts);
	results_free(results, count);
}

/* In YAML's single quotes. */
static void put_yaml(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++)
		fputs(*text == '\'' ? "''" : (const char[]){ *text, 0 }, out);
	fputs("'\n", out);
}

static void put_diagnosis(const struct verdict *verdict, const struct result *result, FILE *out)
{
	bool begun = false;

	fputs("  ---\n  message: ", out);
	put_yaml(out, result->summary);
	for (const struct finding *finding = verdict->model->findings; finding;
	     finding = finding->hh.next) {
		if ((int)finding->category != result->category)
			continue;
		if (!begun)
			fputs("  findings:\n", out);
		begun = true;
		char *line = finding_line(finding);
		fputs("    - ", out);
		put_yaml(out, line);
		free(line);
	}
	fputs("  ...\n", out);
}

void tap_print(const struct verdict *verdict, FILE *out)
{
	struct result results[RESULTS];
	size_t count = verdict_results(verdict, results);

	fprintf(out, "TAP version 13\n1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		const struct result *result = &results[i];

		fprintf(out, "%sok %zu - %s", result->failed ? "not " : "", i + 1, result->name);
		if (!result->failed && result->skipped)
			fprintf(out, " # SKIP %s", result->skipped);
		fputc('\n', out);
		if (result->failed)
			put_diagnosis(verdict, result, out);
	}
	results_free(results, count);
}
