/* SPDX-License-Identifier: MIT */
/*
 * `mmfence report': opens every log before it reads one, reads them in the order of
 * time, and writes one form of the document.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/model/entry.h"
#include "cli/report/report.h"

struct input {
	const char *path;
	int fd; /* of what cannot be opened twice, or -1 */
	struct stat st;
	char first[TIME_BYTES]; /* "" when that cannot be known before it is read */
	size_t place;		/* on the command line */
};

struct request {
	bool json, folded, prometheus;
	const char *page;      /* where the page goes; "-": standard output */
	char *debug_directory; /* separated by colons */
	struct input *sources;
	size_t count;
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

/* The first moment in a file: a rotated log sorts by name behind its younger part, and must be read
 * before it. */
static void peek(struct input *source, int fd)
{
	struct scan scan = { 0 };
	struct lines lines;
	size_t length;
	char *line;
	bool found = false;

	lines_open(&lines, fd);
	while (!found && lines_next(&lines, &line, &length) > 0)
		found = !scan_line(&scan, line, length);
	if (found)
		copy_time(source->first, scan_text(&scan, "@timestamp"));
	lines_close(&lines);
	scan_free(&scan);
}

/* Those that cannot be peeked at come last; of equals the first that was named. */
static int compare(const void *a, const void *b)
{
	const struct input *one = a, *other = b;
	int order = *one->first && *other->first ? strcmp(one->first, other->first)
						 : !*one->first - !*other->first;

	return order ? order : one->place < other->place ? -1 : 1;
}

/* The same file under two names counts once. */
static bool seen(const struct request *request, size_t count, const struct input *source)
{
	for (size_t i = 0; i < count; i++)
		if (S_ISREG(source->st.st_mode) && same_file(&request->sources[i].st, &source->st))
			return true;
	return false;
}

static void open_sources(struct request *request)
{
	size_t kept = 0;

	for (size_t i = 0; i < request->count; i++) {
		struct input source = request->sources[i];
		int fd = lines_open_file(source.path);

		if (fstat(fd, &source.st) || seen(request, kept, &source)) {
			close(fd);
			continue;
		}
		source.fd = fd;
		if (S_ISREG(source.st.st_mode)) {
			off_t start = lseek(fd, 0, SEEK_CUR);

			peek(&source, fd);
			source.fd = -1;
			if (!strcmp(source.path, "-"))
				lseek(STDIN_FILENO, start, SEEK_SET);
		}
		request->sources[kept++] = source;
	}
	request->count = kept;
	qsort(request->sources, kept, sizeof(*request->sources), compare);
}

/* On a terminal, of what takes longer than a second. */
struct position {
	const char *path;
	int64_t before, total, begun;
	bool shown;
};

static void show_progress(void *context, off_t offset)
{
	struct position *position = context;
	double part = (double)(position->before + offset) / (double)position->total;

	if (!isatty(STDERR_FILENO) || time(NULL) - position->begun < 2)
		return;
	position->shown = true;
	fputs("\r\033[K", stderr);
	if (position->total)
		fprintf(stderr, "%3.0f %% ", fmin(part, 1) * 100);
	put_size(stderr, position->before + offset);
	fputs(" of ", stderr);
	put_visible(stderr, position->path, 40);
	fflush(stderr);
}

static void read_sources(struct model *model, struct request *request)
{
	struct position position = { .begun = time(NULL) };

	for (size_t i = 0; i < request->count; i++)
		sum_add(&position.total, request->sources[i].st.st_size);
	for (size_t i = 0; i < request->count; i++) {
		struct input *source = &request->sources[i];
		int fd = source->fd < 0 ? lines_open_file(source->path) : source->fd;

		position.path = source->path;
		model_log(model, source->path);
		int r = model_read(model, fd, show_progress, &position);
		if (r)
			refuse("%s cannot be read: %s", source->path, strerror(-r));
		position.before += model->log->bytes;
	}
	if (position.shown)
		fputs("\r\033[K", stderr);
}

/* What is read would be gone. */
static void refuse_page_over_log(const struct request *request)
{
	struct stat page;

	if (!request->page || stat(request->page, &page) || !S_ISREG(page.st_mode))
		return;
	for (size_t i = 0; i < request->count; i++)
		if (same_file(&request->sources[i].st, &page))
			refuse("--html: %s is one of the logs (%s)", request->page,
			       request->sources[i].path);
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

	open_sources(request);
	refuse_page_over_log(request);
	model = model_new();
	model->by_program = request->prometheus;
	model->pictures = request->page;
	read_sources(model, request);
	if (!model->records && model->damaged)
		return complain_of_logs(request->count == 1 ? request->sources[0].path : NULL,
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
	request.count = line.count;
	request.sources = take(line.count * sizeof(*request.sources));
	for (size_t i = 0; i < line.count; i++)
		request.sources[i] = (struct input){ .path = line.operands[i], .place = i };
	return make_report(&request);
}
