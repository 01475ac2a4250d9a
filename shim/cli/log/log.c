/* SPDX-License-Identifier: MIT */
/*
 * `mmfence log': the records of one or several logs as lines, in the order of time;
 * with -f what is added to them, as it comes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/log/log.h"

enum colours { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct log_request {
	struct log_filter filter; /* first, for its options */
	enum colours colours;
	bool colour, follow;
	char **paths;
	size_t count;
	struct scan scan;
	long long records, damaged;
};

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
};

static void advance(struct log_request *request, struct merged *log)
{
	char *line;
	size_t length;
	int r;

	do
		r = lines_next(&log->lines, &line, &length);
	while (r > 0 && !take_line(request, &log->scan, line, length, log->lines.bad));
	log->time = r > 0 ? scan_text(&log->scan, "@timestamp") : NULL;
	if (r < 0)
		refuse("%s cannot be read: %s", log->path, strerror(-r));
}

static struct merged *earliest(struct merged *logs, size_t count)
{
	struct merged *first = NULL;

	for (size_t i = 0; i < count; i++)
		if (logs[i].time && (!first || strcmp(logs[i].time, first->time) < 0))
			first = &logs[i];
	return first;
}

static void show_once(struct log_request *request)
{
	struct merged *logs = take(request->count * sizeof(*logs)), *next;

	for (size_t i = 0; i < request->count; i++) {
		int fd = lines_open_file(request->paths[i]);

		logs[i].path = request->paths[i];
		/* What comes by a pipe or from a terminal is shown as it comes. */
		if (lseek(fd, 0, SEEK_CUR) < 0)
			setlinebuf(stdout);
		lines_open(&logs[i].lines, fd);
	}
	for (size_t i = 0; i < request->count; i++)
		advance(request, &logs[i]);
	while ((next = earliest(logs, request->count)) && !ferror(stdout)) {
		log_line(stdout, &next->scan, request->colour);
		advance(request, next);
	}
}

/* With -f. */

static void show_line(char *line, size_t length, int cut, void *context)
{
	struct log_request *request = context;

	if (take_line(request, &request->scan, line, length, cut))
		log_line(stdout, &request->scan, request->colour);
}

/* Each process may have a log of its own, and all are open at once. */
static void open_many(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool wants_colour(const struct log_request *request)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (request->colours != COLOUR_AUTO)
		return request->colours == COLOUR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static int finish(const struct log_request *request)
{
	if (request->damaged && !request->records && !request->follow)
		return complain_of_logs(request->count == 1 ? request->paths[0] : NULL,
					request->damaged);
	if (request->damaged)
		complain("%lld damaged line%s left out", request->damaged,
			 plural(request->damaged));
	return 0;
}

int log_main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{ "follow", 'f', NULL, "go on with what is added, also when the log is rotated",
		  offsetof(struct log_request, follow), NULL },
		{ "action", 0, "LIST", "only these events: names or patterns, by commas", 0,
		  filter_actions },
		{ "pid", 0, "LIST", "only these processes", 0, filter_pids },
		{ "since", 0, "TIME",
		  "only from then on: 2026-11-21T12:00:00Z, or how long ago: 90s, 10m, 2h, 3d, 1w",
		  0, filter_since },
		{ "color", 0, "auto|always|never", "colours [auto: on a terminal]",
		  offsetof(struct log_request, colours), NULL },
		{ 0 },
	};
	struct command_line line = {
		.settings = settings,
		.arguments = "FILE...",
		.doc = "Shows the records of one or several logs, in the order of time.",
		.least = 1,
		.most = SIZE_MAX,
		.failing = "which logs? (- for standard input)",
	};
	struct log_request request = { 0 };

	options_read(&line, argc, argv, &request);
	request.paths = line.operands;
	request.count = line.count;
	request.colour = wants_colour(&request);
	open_many();
	if (request.follow)
		follow_run(request.paths, request.count, show_line, &request);
	else
		show_once(&request);
	return finish(&request);
}
