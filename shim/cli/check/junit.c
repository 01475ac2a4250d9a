/* SPDX-License-Identifier: MIT */
/*
 * A verdict as JUnit's XML: a case for each category, for the command's own end, and for the log.
 * All texts are printable already; here they are quoted.
 */
#include <stdlib.h>
#include <unistd.h>

#include "cli/check/check.h"
#include "cli/report/report.h"

struct suite {
	const struct check *check;
	FILE *out;
	int cases, failures, skipped;
};

static void put_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	page_text(out, value);
	fputc('"', out);
}

static void put_findings(const struct suite *suite, int category)
{
	for (const struct finding *it = suite->check->run.log.model->findings; it;
	     it = it->hh.next) {
		char *line = (int)it->category == category ? finding_line(it) : NULL;

		if (!line)
			continue;
		page_text(suite->out, line);
		fputc('\n', suite->out);
		free(line);
	}
}

/* A failure has its message, and is freed; what was skipped says why. */
static void put_case(struct suite *suite, const char *name, double seconds, char *failure,
		     const char *skipped, int category)
{
	FILE *out = suite->out;

	suite->cases++;
	fprintf(out, "    <testcase classname=\"mmfence.check\" name=\"%s\" time=\"%.3f\">", name,
		seconds);
	if (failure) {
		suite->failures++;
		fputs("<failure", out);
		put_attribute(out, "message", failure);
		put_attribute(out, "type", name);
		fputc('>', out);
		put_findings(suite, category);
		fputs("</failure>", out);
	} else if (skipped) {
		suite->skipped++;
		fputs("<skipped", out);
		put_attribute(out, "message", skipped);
		fputs("/>", out);
	}
	fputs("</testcase>\n", out);
	free(failure);
}

static void put_cases(struct suite *suite)
{
	const struct check *check = suite->check;

	for (int i = 0; i < CATEGORY_COUNT; i++) {
		int64_t found = check->run.log.model->found[i];

		if (check->wanted[i])
			put_case(suite, categories[i].name, 0,
				 found ? format_text("%lld finding%s: %s", (long long)found,
						     plural(found), categories[i].help)
				       : NULL,
				 check->hidden[i], i);
	}
	put_case(suite, "command", check->seconds, check->run.status ? keep(check->ending) : NULL,
		 check->no_command ? "no command was run" : NULL, -1);
	put_case(suite, "log", 0, check->doubt ? keep(check->doubt) : NULL, NULL, -1);
}

void junit_print(const struct check *check, FILE *out)
{
	char host[256] = "", moment[TIME_BYTES], *cases, *counts;
	struct suite suite = { .check = check, .out = open_text(&cases) };

	put_cases(&suite);
	fclose(suite.out);
	counts = format_text("tests=\"%d\" failures=\"%d\" errors=\"0\" skipped=\"%d\" "
			     "time=\"%.3f\"",
			     suite.cases, suite.failures, suite.skipped, check->seconds);
	gethostname(host, sizeof(host) - 1);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites name=\"mmfence check\" %s>\n  <testsuite %s timestamp=\"%.19s\"",
		counts, counts, time_text(&check->start, moment));
	put_attribute(out, "name", check->command);
	put_attribute(out, "hostname", host);
	fprintf(out, ">\n%s  </testsuite>\n</testsuites>\n", cases);
	free(cases);
	free(counts);
}
