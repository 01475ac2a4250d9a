/* SPDX-License-Identifier: MIT */
/*
 * `mmfence log': the records of one or several logs as lines, in the order of time;
 * with -f what is added to them, as it comes.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/model/lines.h"
#include "cli/log/filter.h"
#include "cli/log/follow.h"
#include "cli/log/line.h"
#include "cli/text/show.h"

enum colours { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct log_request {
	struct log_filter filter;
	enum colours colours;
	bool colour, follow;
	char **paths;
	size_t count;
	struct scan scan;
	long long records, damaged;
};

#define KEY_ACTION 0x100
#define KEY_PID	   0x101
#define KEY_SINCE  0x102
#define KEY_COLOUR 0x103

static const struct argp_option options[] = {
	{ "follow", 'f', NULL, 0, "go on with what is added, also when the log is rotated", 0 },
	{ "action", KEY_ACTION, "LIST", 0, "only these events: names or patterns, by commas", 0 },
	{ "pid", KEY_PID, "LIST", 0, "only these processes", 0 },
	{ "since", KEY_SINCE, "TIME", 0,
	  "only from then on: 2026-11-21T12:00:00Z, or how long ago: 90s, 10m, 2h, 3d, 1w", 0 },
	{ "color", KEY_COLOUR, "WHEN", 0, "auto, always or never", 0 },
	{ 0 },
};

static void choose_colours(struct log_request *request, const char *when, struct argp_state *state)
{
	static const char *const names[] = { "auto", "always", "never" };

	for (int i = 0; i < 3; i++) {
		if (!strcmp(when, names[i])) {
			request->colours = (enum colours)i;
			return;
		}
	}
	complain("--color: `%s' is not one of auto, always, never", when);
	exit(STATUS_USAGE);
	(void)state;
}

static void must(int result)
{
	if (result)
		exit(STATUS_USAGE);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct log_request *request = state->input;

	switch (key) {
	case 'f':
		request->follow = true;
		return 0;
	case KEY_ACTION:
		must(filter_actions(&request->filter, argument));
		return 0;
	case KEY_PID:
		must(filter_pids(&request->filter, argument));
		return 0;
	case KEY_SINCE:
		must(filter_since(&request->filter, argument, time(NULL)));
		return 0;
	case KEY_COLOUR:
		choose_colours(request, argument, state);
		return 0;
	case ARGP_KEY_ARGS:
		request->paths = state->argv + state->next;
		request->count = (size_t)(state->argc - state->next);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which logs? (- for standard input)");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Whether the line is a record that is wanted. */
static bool take_line(struct log_request *request, struct scan *scan, char *line, size_t length,
		      bool cut)
{
	/* A disk that was full leaves empty lines. */
	if (!length && !cut)
		return false;
	if (cut || scan_line(scan, line, length) || !*scan_text(scan, "event.action")) {
		request->damaged++;
		return false;
	}
	request->records++;
	return filter_wants(&request->filter, scan);
}

/* Without -f: the logs are merged by time. A log is in order, but for records that processes wrote
 * at the same moment: its own order is kept. */
struct merged {
	const char *path;
	struct lines lines;
	struct scan scan; /* the next that is wanted */
	const char *time; /* NULL: there is none */
	bool rest_taken;
};

static int advance(struct log_request *request, struct merged *log)
{
	char *line;
	size_t length;
	int r;

	do {
		r = lines_next(&log->lines, &line, &length);
		if (!r && !log->rest_taken) {
			log->rest_taken = true;
			r = lines_rest(&log->lines, &line, &length);
		}
	} while (r > 0 && !take_line(request, &log->scan, line, length, log->lines.too_long));
	log->time = r > 0 ? scan_text(&log->scan, "@timestamp") : NULL;
	return r < 0 ? r : 0;
}

static struct merged *earliest(struct merged *logs, size_t count)
{
	struct merged *first = NULL;

	for (size_t i = 0; i < count; i++)
		if (logs[i].time && (!first || strcmp(logs[i].time, first->time) < 0))
			first = &logs[i];
	return first;
}

static int fail(const char *path, int error)
{
	complain("%s cannot be read: %s", path, strerror(-error));
	return STATUS_USAGE;
}

static int show_merged(struct log_request *request, struct merged *logs)
{
	struct merged *next;
	int r;

	for (size_t i = 0; i < request->count; i++) {
		r = advance(request, &logs[i]);
		if (r)
			return fail(logs[i].path, r);
	}
	while ((next = earliest(logs, request->count)) && !ferror(stdout)) {
		log_line(stdout, &next->scan, request->colour);
		r = advance(request, next);
		if (r)
			return fail(next->path, r);
	}
	return 0;
}

static int show_once(struct log_request *request)
{
	struct merged *logs = calloc(request->count, sizeof(*logs));
	int status = 0;

	for (size_t i = 0; logs && i < request->count; i++) {
		int fd = lines_open_file(request->paths[i]);

		if (fd < 0)
			return STATUS_USAGE;
		logs[i].path = request->paths[i];
		if (lines_open(&logs[i].lines, fd))
			return fail(request->paths[i], -ENOMEM);
	}
	if (!logs)
		return fail(request->paths[0], -ENOMEM);
	status = show_merged(request, logs);
	for (size_t i = 0; i < request->count; i++) {
		lines_close(&logs[i].lines);
		scan_free(&logs[i].scan);
	}
	free(logs);
	return status;
}

/* With -f. */

static void show_line(char *line, size_t length, int cut, void *context)
{
	struct log_request *request = context;

	if (take_line(request, &request->scan, line, length, cut))
		log_line(stdout, &request->scan, request->colour);
}

static int pause_shown(void *context)
{
	(void)context;
	return fflush(stdout) || ferror(stdout);
}

static int show_on(struct log_request *request)
{
	struct follow *follow = follow_open(request->paths, request->count);
	int r;

	if (!follow)
		return STATUS_USAGE;
	r = follow_run(follow, show_line, pause_shown, request);
	follow_close(follow);
	return r ? fail(request->paths[0], r) : 0;
}

static bool wants_colour(const struct log_request *request)
{
	const char *no = getenv("NO_COLOR");

	if (request->colours != COLOUR_AUTO)
		return request->colours == COLOUR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(no && *no);
}

/* A reader that has seen enough (head) is no failure. */
static int finish(const struct log_request *request, int status)
{
	if (fflush(stdout) && errno != EPIPE) {
		complain("standard output cannot be written: %m");
		status = STATUS_USAGE;
	}
	if (request->damaged && !request->records && !request->follow) {
		complain("%s: none of %lld line%s is a record of mmfence",
			 request->count == 1 ? request->paths[0] : "these logs", request->damaged,
			 plural(request->damaged));
		return STATUS_USAGE;
	}
	if (request->damaged)
		complain("%lld damaged line%s left out", request->damaged,
			 plural(request->damaged));
	return status;
}

int log_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "FILE...",
		.doc = "Shows the records of one or several logs, in the order of time.",
	};
	struct log_request request = { 0 };
	int status;

	signal(SIGPIPE, SIG_IGN);
	if (argp_parse(&argp, argc, argv, 0, NULL, &request))
		return STATUS_USAGE;
	request.colour = wants_colour(&request);
	status = request.follow ? show_on(&request) : show_once(&request);
	scan_free(&request.scan);
	return finish(&request, status);
}
