/* SPDX-License-Identifier: MIT */
/*
 * `mmfence report': reads the logs, and writes one form of the document.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report/report.h"

struct request {
	bool json, folded, prometheus;
	const char *page;      /* where the page goes; "-": standard output */
	char *debug_directory; /* separated by colons */
	struct inputs logs;
};

static void add_directory(void *input, const char *directory)
{
	struct request *request = input;
	char *path = realpath(directory, NULL);
	struct stat st;

	if (!path || stat(path, &st) || !S_ISDIR(st.st_mode))
		refuse("--debug-dir: %s is no directory", directory);
	request->debug_directory = format_text(
		"%s:%s", request->debug_directory ? request->debug_directory : "", path);
}

/* What is read would be gone. */
static void refuse_page_over_log(const struct request *request)
{
	struct stat page;

	if (!request->page || stat(request->page, &page) || !S_ISREG(page.st_mode))
		return;
	for (size_t i = 0; i < request->logs.count; i++)
		if (same_file(&request->logs.list[i].st, &page))
			refuse("--html: %s is one of the logs (%s)", request->page,
			       request->logs.list[i].path);
}

/* A page that is half written is never in the place of one that was there. */
static void write_page(const json_t *document, const struct model *model, const char *path)
{
	struct stat st;
	bool is_file = lstat(path, &st) || S_ISREG(st.st_mode);
	char *fresh = is_file ? format_text("%s.%d", path, (int)getpid()) : keep(path);
	FILE *out = fopen(fresh, is_file ? "wxe" : "we");

	if (out)
		report_html(document, model, out);
	if (!out || ferror(out) | fclose(out) || (is_file && rename(fresh, path))) {
		complain("%s cannot be written: %m", path);
		if (out && is_file)
			unlink(fresh);
		exit(STATUS_USAGE);
	}
	free(fresh);
}

static void write_form(const json_t *document, const struct model *model,
		       const struct request *request)
{
	if (request->page && strcmp(request->page, "-")) {
		write_page(document, model, request->page);
	} else if (request->page) {
		report_html(document, model, stdout);
	} else if (request->json) {
		json_dumpf(document, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		(request->folded ? report_folded : report_text)(document, stdout);
	}
}

static int make_report(struct request *request)
{
	struct model *model;

	refuse_page_over_log(request);
	model = model_new();
	model->by_program = request->prometheus;
	model->pictures = request->page;
	inputs_read(&request->logs, model);
	if (!model->records && model->damaged)
		return complain_of_logs(request->logs.count == 1 ? request->logs.list[0].path
								 : NULL,
					model->damaged);
	model_finish(model);
	symbols_open(request->debug_directory);
	if (request->prometheus)
		report_prometheus(model, stdout);
	else
		write_form(report_document(model), model, request);
	return 0;
}

int report_main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{ "json", 0, NULL, "for machines: one JSON document",
		  offsetof(struct request, json), NULL },
		{ "folded", 0, NULL, "for flame graphs: program;frame;frame count",
		  offsetof(struct request, folded), NULL },
		{ "prometheus", 0, NULL,
		  "for its textfile collector: records by event, program and host",
		  offsetof(struct request, prometheus), NULL },
		{ "html", 0, "PAGE", "a page in one file (- for standard output)",
		  offsetof(struct request, page), NULL },
		{ "debug-dir", 0, "DIR",
		  "where debug files are beside /usr/lib/debug; may be repeated", 0,
		  add_directory },
		{ 0 },
	};
	struct command_line line = {
		.settings = settings,
		.arguments = "FILE...",
		.doc = "What one or several logs come to, of one or many processes and machines: "
		       "what was protected, lost, refused and missed, and how many records are not "
		       "there.",
		.least = 1,
		.most = SIZE_MAX,
		.failing = "which logs? (- for standard input)",
	};
	struct request request = { 0 };

	options_read(&line, argc, argv, &request);
	if (request.json + request.folded + request.prometheus + !!request.page > 1)
		refuse("only one of --json, --folded, --prometheus and --html");
	for (size_t i = 0; i < line.count; i++)
		inputs_add(&request.logs, line.operands[i]);
	return make_report(&request);
}
