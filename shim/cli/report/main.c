/* SPDX-License-Identifier: MIT */
/*
 * `mmfence report': opens every log before it reads one, reads them in the order of
 * time, and writes one form of the document.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/model/lines.h"
#include "cli/report/page_file.h"
#include "cli/text/progress.h"
#include "cli/report/report.h"
#include "cli/report/symbols.h"

enum form { FORM_TEXT, FORM_JSON, FORM_FOLDED, FORM_HTML };

struct source {
	const char *path;
	int fd;
	struct stat st;
	char first[TIME_BYTES]; /* "" when that cannot be known before it is read */
};

struct request {
	enum form form;
	bool chosen;
	const char *page;      /* where the page goes; "-": standard output */
	char *debug_directory; /* separated by colons */
	struct source *sources;
	size_t count;
};

#define KEY_JSON   0x100
#define KEY_FOLDED 0x101
#define KEY_HTML   0x102
#define KEY_DEBUG  0x103

static const struct argp_option options[] = {
	{ "json", KEY_JSON, NULL, 0, "for machines: one JSON document", 0 },
	{ "folded", KEY_FOLDED, NULL, 0, "for flame graphs: program;frame;frame count", 0 },
	{ "html", KEY_HTML, "PAGE", 0, "a page in one file, with pictures (- for standard output)",
	  0 },
	{ "debug-dir", KEY_DEBUG, "DIR", 0,
	  "where debug files are beside /usr/lib/debug; may be repeated", 0 },
	{ 0 },
};

static void choose(struct request *request, enum form form, struct argp_state *state)
{
	if (request->chosen)
		argp_error(state, "only one of --json, --folded and --html");
	request->chosen = true;
	request->form = form;
}

static void add_directory(struct request *request, const char *directory, struct argp_state *state)
{
	struct stat st;

	if (stat(directory, &st) || !S_ISDIR(st.st_mode))
		argp_error(state, "--debug-dir: %s is no directory", directory);
	request->debug_directory = format_text(
		"%s:%s", request->debug_directory ? request->debug_directory : "", directory);
}

static void add_source(struct request *request, const char *path)
{
	size_t size = (request->count + 1) * sizeof(*request->sources);

	request->sources = realloc(request->sources, size);
	if (!request->sources) {
		complain("out of memory");
		exit(STATUS_USAGE);
	}
	request->sources[request->count++] = (struct source){ .path = path, .fd = -1 };
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case KEY_JSON:
		choose(request, FORM_JSON, state);
		return 0;
	case KEY_FOLDED:
		choose(request, FORM_FOLDED, state);
		return 0;
	case KEY_HTML:
		choose(request, FORM_HTML, state);
		request->page = argument;
		return 0;
	case KEY_DEBUG:
		add_directory(request, argument, state);
		return 0;
	case ARGP_KEY_ARG:
		add_source(request, argument);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which logs? (- for standard input)");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The first moment in a file, without reading on: a rotated log sorts by name behind its younger
 * part, and must be read before it. */
static void peek(struct source *source)
{
	static const char mark[] = "\"@timestamp\":";
	char head[4096];
	ssize_t got = pread(source->fd, head, sizeof(head) - 1, 0);
	char *at;

	if (got <= 0)
		return;
	head[got] = 0;
	at = strstr(head, mark);
	if (!at)
		return;
	at += sizeof(mark) - 1;
	at += strspn(at, " \"");
	snprintf(source->first, sizeof(source->first), "%.*s", (int)strcspn(at, "\""), at);
}

/* Stable: those that cannot be peeked at stay where they were named. */
static void sort_sources(struct request *request)
{
	for (size_t i = 1; i < request->count; i++) {
		struct source moved = request->sources[i];
		size_t at = i;

		while (at > 0 && *moved.first && *request->sources[at - 1].first &&
		       strcmp(request->sources[at - 1].first, moved.first) > 0) {
			request->sources[at] = request->sources[at - 1];
			at--;
		}
		request->sources[at] = moved;
	}
}

/* The same file under two names counts once. */
static bool seen(const struct request *request, size_t count, const struct source *source)
{
	for (size_t i = 0; i < count; i++) {
		const struct stat *st = &request->sources[i].st;

		if (S_ISREG(st->st_mode) && st->st_dev == source->st.st_dev &&
		    st->st_ino == source->st.st_ino)
			return true;
	}
	return false;
}

static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_sources(struct request *request)
{
	size_t kept = 0;

	raise_limit();
	for (size_t i = 0; i < request->count; i++) {
		struct source source = request->sources[i];

		source.fd = lines_open_file(source.path);
		if (source.fd < 0)
			return -1;
		if (fstat(source.fd, &source.st) || seen(request, kept, &source)) {
			close(source.fd);
			continue;
		}
		if (S_ISREG(source.st.st_mode))
			peek(&source);
		request->sources[kept++] = source;
	}
	request->count = kept;
	sort_sources(request);
	return 0;
}

struct position {
	struct progress progress;
	const char *path;
	int64_t before;
};

static void show_progress(void *context, off_t offset)
{
	struct position *position = context;

	progress_at(&position->progress, position->path, position->before + offset);
}

static int read_sources(struct model *model, struct request *request)
{
	struct position position = { 0 };
	int64_t total = 0;
	int r = 0;

	for (size_t i = 0; i < request->count; i++)
		sum_add(&total, request->sources[i].st.st_size);
	progress_begin(&position.progress, total);
	for (size_t i = 0; i < request->count && !r; i++) {
		position.path = request->sources[i].path;
		model_log(model, position.path);
		r = model_read(model, request->sources[i].fd, show_progress, &position);
		position.before += model->log->bytes;
		if (r)
			complain("%s cannot be read: %s", position.path, strerror(-r));
	}
	progress_end(&position.progress);
	return r;
}

static int write_page(const json_t *document, const char *path)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out;
	int result;

	if (!strcmp(path, "-")) {
		report_html(document, stdout);
		return 0;
	}
	out = open_memstream(&text, &length);
	if (out)
		report_html(document, out);
	if (!out || ferror(out) || fclose(out)) {
		complain("out of memory");
		return -1;
	}
	result = page_file_write(path, text, length);
	free(text);
	return result;
}

static int write_form(const json_t *document, const struct request *request)
{
	switch (request->form) {
	case FORM_JSON:
		json_dumpf(document, stdout, JSON_INDENT(2));
		putchar('\n');
		break;
	case FORM_FOLDED:
		report_folded(document, stdout);
		break;
	case FORM_HTML:
		if (write_page(document, request->page))
			return -1;
		break;
	default:
		report_text(document, stdout);
	}
	/* A reader that has seen enough (head) is no failure. */
	if (fflush(stdout) && errno != EPIPE) {
		complain("standard output cannot be written: %m");
		return -1;
	}
	return 0;
}

/* What is read would be gone, or would be read for ever. */
static int check_page(const struct request *request)
{
	struct stat page;

	if (!request->page || !strcmp(request->page, "-") || page_file_stat(request->page, &page))
		return 0;
	if (!S_ISREG(page.st_mode) && !S_ISFIFO(page.st_mode))
		return 0;
	for (size_t i = 0; i < request->count; i++) {
		const struct source *source = &request->sources[i];

		if (source->st.st_dev != page.st_dev || source->st.st_ino != page.st_ino)
			continue;
		complain("--html: %s is one of the logs (%s)", request->page, source->path);
		return -1;
	}
	return 0;
}

static int make_report(struct request *request)
{
	struct symbols *symbols;
	struct model *model;
	json_t *document;

	if (open_sources(request) || check_page(request))
		return STATUS_USAGE;
	model = model_new(request->count);
	if (read_sources(model, request))
		return STATUS_USAGE;
	if (!model->records && model->damaged) {
		complain("%s: none of %lld line%s is a record of mmfence",
			 request->count == 1 ? request->sources[0].path : "these logs",
			 (long long)model->damaged, model->damaged == 1 ? "" : "s");
		return STATUS_USAGE;
	}
	model_finish(model);
	symbols = symbols_open(request->debug_directory);
	if (!symbols) {
		complain("out of memory");
		return STATUS_USAGE;
	}
	document = report_document(model, symbols);
	symbols_close(symbols);
	return write_form(document, request) ? STATUS_USAGE : 0;
}

int report_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "FILE...",
		.doc = "What one or several logs come to, of one or many processes and machines: "
		       "what was protected, lost, refused and missed, and how many records are not "
		       "there.",
	};
	struct request request = { 0 };

	signal(SIGPIPE, SIG_IGN);
	if (argp_parse(&argp, argc, argv, 0, NULL, &request))
		return STATUS_USAGE;
	return make_report(&request);
}
