/* SPDX-License-Identifier: MIT */
/*
 * The page of `mmfence report --html' in a browser: it opens without a word on the
 * console, asks for nothing, has every row of the JSON document, and no markup from a log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden.h"
#include "runner.h"

static const char *browser(void)
{
	static const char *const places[] = { "/usr/bin/chromium", "/usr/bin/chromium-browser",
					      "/usr/bin/google-chrome" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (!access(places[i], X_OK))
			return places[i];
	cr_skip_test("no chromium is installed");
}

static char *text_of(const char *directory, const char *name)
{
	char path[PATH_MAX + 64], *text = NULL;
	size_t size;

	snprintf(path, sizeof(path), "%s/work/%s", directory, name);
	FILE *file = fopen(path, "re"), *out = open_memstream(&text, &size);
	cr_assert(file, "%s", path);
	for (int c; (c = fgetc(file)) != EOF;)
		fputc(c, out);
	fclose(file);
	fclose(out);
	return text;
}

/* Opens what `make` (a shell command) leaves in page.html: output is the document as the browser
 * has it, errors what it said. */
static void open_made(struct run *run, const char *make)
{
	char *script;

	cr_assert(asprintf(&script,
			   "%s && HOME=$PWD %s --headless=new --no-sandbox --disable-gpu "
			   "--disable-background-networking --disable-component-update "
			   "--disable-sync --no-first-run --user-data-dir=$PWD/profile "
			   "--log-net-log=$PWD/net.json --enable-logging=stderr --dump-dom "
			   "file://$PWD/page.html",
			   make, browser()) > 0);
	*run = (struct run){
		.helper = "/bin/sh", .preload = RUN_BARE, .args = { "-c", script }, .seconds = 120
	};
	run_helper(run);
	cr_assert_eq(run_exit(run), 0, "%s", run->errors);
	free(script);
}

static void open_page(struct run *run, const char *log)
{
	char *make;

	cr_assert(asprintf(&make, "%s report --html page.html %s", build_path("bin/mmfence"), log) >
		  0);
	open_made(run, make);
	free(make);
}

/* Requests that a page made: those of the browser's own have no origin. */
static bool asked(const struct run *run)
{
	char *requests = text_of(run->dir, "net.json");
	bool any = strstr(requests, "\"initiator\":\"null\"") ||
		   strstr(requests, "\"initiator\":\"file:");

	free(requests);
	return any;
}

static size_t count_rows(const char *page, const char *table)
{
	char mark[64];
	size_t count = 0;

	snprintf(mark, sizeof(mark), "<tr data-row=\"%s/", table);
	for (; (page = strstr(page, mark)); page++)
		count++;
	return count;
}

/* As a browser writes text. */
static char *escaped(const char *text)
{
	char *copy = NULL;
	size_t size;
	FILE *out = open_memstream(&copy, &size);

	for (; *text; text++)
		if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else
			fputc(*text, out);
	fclose(out);
	return copy;
}

/* The row itself, to its end: every text of it that the document names. */
static void expect_row(const char *page, const char *table, size_t number, const json_t *row)
{
	static const char *const names[] = { "path", "program",	     "action", "reason",
					     "name", "command_line", "host" };
	char mark[96], *copy;

	snprintf(mark, sizeof(mark), "<tr data-row=\"%s/%zu\">", table, number);
	const char *start = strstr(page, mark);
	cr_assert(start, "no row %s", mark);
	copy = strndup(start, (size_t)(strstr(start, "</tr>") - start));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *text = json_string_value(json_object_get(row, names[i]));
		char *wanted = text ? escaped(text) : NULL;

		cr_expect(!wanted || strstr(copy, wanted), "%s: no %s in %s", mark, wanted, copy);
		free(wanted);
	}
	free(copy);
}

static void expect_table(const char *page, const json_t *document, const char *name,
			 const char *table)
{
	const json_t *rows = field(document, name), *row;
	size_t i;

	cr_assert(json_array_size(rows) > 0, "%s has no rows to look for", name);
	cr_expect_eq(count_rows(page, table), json_array_size(rows), "%s", table);
	json_array_foreach (rows, i, row)
		expect_row(page, table, i, row);
}

Test(page, has_every_row_of_the_document)
{
	struct run page, json = { .helper = build_path("bin/mmfence"),
				  .preload = RUN_BARE,
				  .args = { "report", "--json", data_path("two_hosts.log") } };

	open_page(&page, data_path("two_hosts.log"));
	run_helper(&json);
	json_t *document = json_loads(json.output, 0, NULL);
	cr_assert(document);
	expect_table(page.output, document, "snapshots", "snapshots");
	expect_table(page.output, document, "snapshot_sites", "snapshot_sites");
	expect_table(page.output, document, "nonlinear.sites", "nonlinear.sites");
	expect_table(page.output, document, "selfmem", "selfmem");
	expect_table(page.output, document, "gaps", "gaps");
	expect_table(page.output, document, "processes.rows", "processes.rows");
	expect_table(page.output, document, "logs", "logs");
	json_decref(document);
	run_end(&page);
	run_end(&json);
}

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)); text++)
		count++;
	return count;
}

/* Three pictures; of snapshots two were preserved, one
 * lost, and one has no end. */
Test(page, has_its_pictures)
{
	struct run page;

	open_page(&page, data_path("two_hosts.log"));
	cr_expect_eq(count_of(page.output, "<figure"), 3);
	cr_expect_eq(count_of(page.output, ">vm.max_map_count 65530</text>"), 1);
	cr_expect_eq(count_of(page.output, "<foreignObject"), 4);
	cr_expect_eq(count_of(page.output, ">◆</text>"), 2);
	cr_expect_eq(count_of(page.output, ">✕</text>"), 1);
	cr_expect_eq(count_of(page.output, ">▸</text>"), 1);
	cr_expect(!strstr(page.output, "nan") && !strstr(page.output, "inf\""));
	run_end(&page);
}

/* The log names a file <img src=x onerror=...>: as text it asks for nothing and runs nothing. */
Test(page, opens_in_silence_and_asks_for_nothing)
{
	struct run page;

	open_page(&page, data_path("two_hosts.log"));
	cr_expect(!strstr(page.errors, "CONSOLE"), "%s", page.errors);
	cr_expect(!strstr(page.output, "<img") && !strstr(page.output, "<script"));
	cr_expect(!asked(&page));
	run_end(&page);
}

/* So does the test before this one know what it looks for. */
Test(page, request_of_another_page_is_seen)
{
	struct run page;

	open_made(&page, "echo '<html><img src=\"http://mmfence.invalid/x\">' >page.html");
	cr_expect(asked(&page));
	run_end(&page);
}

/* Numbers that no library wrote leave a page that is whole. */
Test(page, survives_a_hostile_log)
{
	struct run page;
	char *log;

	cr_assert(asprintf(&log, "%s/hostile.%d.log", getenv("MMFENCE_TMP"), getpid()) > 0);
	FILE *file = fopen(log, "we");
	fputs("{\"@timestamp\":\"2026-05-04T10:00:00Z\",\"event\":{\"action\":\"nonlinear.remap\"},"
	      "\"process\":{\"pid\":1,\"name\":\"</style></title><script>alert(1)</script>\"},"
	      "\"file\":{\"path\":\"\\\"'><script>alert(2)</script>\"},\"mmfence\":{\"mapping\":{"
	      "\"page_offset\":9223372036854775807,\"address\":\"0xffffffffffffffff\"},\"areas\":{"
	      "\"count\":9223372036854775807}}}\n",
	      file);
	fclose(file);
	open_page(&page, log);
	cr_expect(!strstr(page.errors, "CONSOLE"), "%s", page.errors);
	cr_expect(!strstr(page.output, "<script"));
	cr_expect(strstr(page.output, "<footer>"));
	run_end(&page);
	free(log);
}
