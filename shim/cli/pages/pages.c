/* SPDX-License-Identifier: MIT */
/*
 * `mmfence pages PID': what is asked for. See pages.h.
 */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/pages/pages.h"

#define KEY_WAY	  0x100
#define KEY_PAGES 0x101
#define KEY_BYTES 0x102
#define KEY_WATCH 0x103

struct request {
	const char *pid;
	struct pages_view view;
	enum pages_way way;
	double seconds;
	bool unit_given;
};

struct word {
	const char *word;
	int value;
};

static const struct word orders[] = {
	{ "file", PAGES_FILE },		 { "private", PAGES_PRIVATE },
	{ "shared", PAGES_SHARED },	 { "swapped", PAGES_SWAPPED },
	{ "never", PAGES_NEVER },	 { "size", PAGES_BY_SIZE },
	{ "address", PAGES_BY_ADDRESS }, { NULL, 0 },
};

static const struct word ways[] = {
	{ "auto", PAGES_WAY_AUTO },
	{ "scan", PAGES_WAY_SCAN },
	{ "pagemap", PAGES_WAY_PAGEMAP },
	{ NULL, 0 },
};

static int parse_word(struct argp_state *state, const char *option, const struct word *words,
		      const char *argument)
{
	char list[128] = "";

	for (const struct word *word = words; word->word; word++) {
		if (!strcmp(word->word, argument))
			return word->value;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			 word == words ? "" : ", ", word->word);
	}
	complain("--%s: \"%s\" is none of %s", option, argument, list);
	exit(STATUS_USAGE);
	(void)state;
}

static size_t parse_limit(const char *argument)
{
	char *end;
	unsigned long number = strtoul(argument, &end, 10);

	if (argument[0] >= '0' && argument[0] <= '9' && !*end)
		return number;
	complain("--limit: \"%s\" is not a number of mappings", argument);
	exit(STATUS_USAGE);
}

static double parse_seconds(const char *argument)
{
	char *end;
	double number = argument ? strtod(argument, &end) : 2;

	if (!argument || (end != argument && !*end && number >= 0.1 && number <= 86400))
		return number;
	complain("--watch: \"%s\" is not a number of seconds from 0.1 to 86400", argument);
	exit(STATUS_USAGE);
}

static void parse_unit(struct request *request, enum pages_unit unit)
{
	if (request->unit_given && request->view.unit != unit) {
		complain("--pages and --bytes exclude each other");
		exit(STATUS_USAGE);
	}
	request->view.unit = unit;
	request->unit_given = true;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'j':
		request->view.json = true;
		return 0;
	case 's':
		request->view.sort = parse_word(state, "sort", orders, argument);
		return 0;
	case 'n':
		request->view.limit = parse_limit(argument);
		return 0;
	case KEY_WAY:
		request->way = (enum pages_way)parse_word(state, "way", ways, argument);
		return 0;
	case KEY_PAGES:
		parse_unit(request, UNIT_PAGES);
		return 0;
	case KEY_BYTES:
		parse_unit(request, UNIT_BYTES);
		return 0;
	case KEY_WATCH:
		request->seconds = parse_seconds(argument);
		request->view.each = true;
		return 0;
	case ARGP_KEY_ARG:
		if (request->pid)
			argp_error(state, "one process at a time");
		request->pid = argument;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which process? Give its number");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Sleeps until the next census, or the end of the process, which before Linux 5.3 wakes nobody. */
static bool lives(pid_t pid, int pidfd, double seconds)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	if (poll(&end, pidfd >= 0, (int)(seconds * 1000)) > 0)
		return false;
	return pidfd >= 0 || !kill(pid, 0) || errno != ESRCH;
}

static void clear_screen(void)
{
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
}

static void show(struct pages_count *count, const struct pages_view *view)
{
	pages_sort(count, view);
	if (view->json) {
		pages_show_json(count, view, stdout);
	} else {
		if (view->each)
			clear_screen();
		pages_show(count, view, stdout);
	}
	if (fflush(stdout) || ferror(stdout)) {
		complain("standard output: %s", strerror(errno));
		exit(STATUS_BAD);
	}
}

/* Each time the process is opened anew: it may have become another program. That it is the same
 * process the descriptor of it tells. */
static int watch(const struct request *request, struct pages_source *source,
		 struct pages_count *count, int pidfd)
{
	char pid[16];

	/* What was given may be a thread of it, which may end before. */
	snprintf(pid, sizeof(pid), "%d", (int)count->pid);
	while (lives(count->pid, pidfd, request->seconds)) {
		close(source->maps);
		close(source->pagemap);
		close(source->process);
		if (pages_open(pid, source, count) || pages_take(source, request->way, count))
			return lives(count->pid, pidfd, 0) ? STATUS_BAD : 0;
		if (!request->view.json)
			putchar('\n');
		show(count, &request->view);
	}
	complain("process %d (%s) has ended", (int)count->pid, count->name);
	return 0;
}

static int take_and_show(const struct request *request)
{
	struct pages_count count = { 0 };
	struct pages_source source;
	int status = pages_open(request->pid, &source, &count), pidfd = -1;

	/* Before the first census, which tells whether it was still there. */
	if (!status && request->view.each)
		pidfd = (int)syscall(SYS_pidfd_open, count.pid, 0);
	if (!status)
		status = pages_take(&source, request->way, &count);
	if (!status)
		show(&count, &request->view);
	if (!status && request->view.each)
		status = watch(request, &source, &count, pidfd);
	free(count.areas);
	free(count.names);
	return status;
}

int pages_main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "json", 'j', NULL, 0, "JSON instead of a table; counts are pages", 0 },
		{ "pages", KEY_PAGES, NULL, 0, "counts of pages instead of KiB, MiB, GiB", 0 },
		{ "bytes", KEY_BYTES, NULL, 0, "bytes instead of KiB, MiB, GiB", 0 },
		{ "sort", 's', "BY", 0,
		  "file (the default), private, shared, swapped, never, size or address", 0 },
		{ "limit", 'n', "NUMBER", 0, "show that many mappings; the total is of all", 0 },
		{ "watch", KEY_WATCH, "SECONDS", OPTION_ARG_OPTIONAL,
		  "again and again, every 2 seconds if not told otherwise, until the process ends",
		  0 },
		{ "way", KEY_WAY, "HOW", 0,
		  "for debugging: how to read the page table, auto, scan or pagemap", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "PID",
		.doc = "Counts what each page of a process (of PID, or that the thread PID is of) is, mapping "
		       "by mapping, while it runs on: "
		       "private (copied, in memory), file (of a private mapping, and still the file's: "
		       "it shows what others write), shared, swapped, or never allocated.\v"
		       "Exit status: 0, 1 if the process ended meanwhile, 2 for wrong usage or a "
		       "process that cannot be looked at.",
	};
	struct request request = { .view = { .sort = PAGES_FILE, .limit = SIZE_MAX } };

	if (argp_parse(&argp, argc, argv, 0, NULL, &request))
		return STATUS_USAGE;
	return take_and_show(&request);
}
