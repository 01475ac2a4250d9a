/* SPDX-License-Identifier: MIT */
/*
 * `mmfence pages PID': what is asked for. See pages.h.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/pages/pages.h"
#include "cli/text/text.h"

struct request {
	struct pages_view view;
	enum pages_way way;
	double seconds;
	bool in_pages, in_bytes;
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

static void take_order(void *request, const char *argument)
{
	((struct request *)request)->view.sort = options_word("sort", orders, argument);
}

static void take_way(void *request, const char *argument)
{
	((struct request *)request)->way = (enum pages_way)options_word("way", ways, argument);
}

static void take_limit(void *request, const char *argument)
{
	char *end;
	unsigned long number = strtoul(argument, &end, 10);

	if (argument[0] < '0' || argument[0] > '9' || *end)
		refuse("--limit: \"%s\" is not a number of mappings", argument);
	((struct request *)request)->view.limit = number;
}

static void take_seconds(void *request, const char *argument)
{
	struct request *it = request;
	char *end = NULL;

	it->seconds = argument ? strtod(argument, &end) : 2;
	if (argument && (end == argument || *end || !(it->seconds >= 0.1 && it->seconds <= 86400)))
		refuse("--watch: \"%s\" is not a number of seconds from 0.1 to 86400", argument);
	it->view.each = true;
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

static int take_and_show(const struct request *request, const char *pid)
{
	struct pages_count count = { 0 };
	struct pages_source source;
	int status = pages_open(pid, &source, &count), pidfd = -1;

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
	static const struct setting settings[] = {
		{ "json", 'j', NULL, "JSON instead of a table; counts are pages",
		  offsetof(struct request, view.json), NULL },
		{ "pages", 0, NULL, "counts of pages instead of KiB, MiB, GiB",
		  offsetof(struct request, in_pages), NULL },
		{ "bytes", 0, NULL, "bytes instead of KiB, MiB, GiB",
		  offsetof(struct request, in_bytes), NULL },
		{ "sort", 's', "BY",
		  "file (the default), private, shared, swapped, never, size or address", 0,
		  take_order },
		{ "limit", 'n', "NUMBER", "show that many mappings; the total is of all", 0,
		  take_limit },
		{ "watch", 0, "?SECONDS",
		  "again and again, every 2 seconds if not told otherwise, until the process ends",
		  0, take_seconds },
		{ "way", 0, "HOW",
		  "for debugging: how to read the page table, auto, scan or pagemap", 0, take_way },
		{ 0 },
	};
	struct command_line line = {
		.settings = settings,
		.arguments = "PID",
		.doc = "Counts what each page of a process (of PID, or that the thread PID is of) is, mapping "
		       "by mapping, while it runs on: "
		       "private (copied, in memory), file (of a private mapping, and still the file's: "
		       "it shows what others write), shared, swapped, or never allocated.\v"
		       "Exit status: 0, 1 if the process ended meanwhile, 2 for wrong usage or a "
		       "process that cannot be looked at.",
		.least = 1,
		.most = 1,
		.failing = "one process, by its number",
	};
	struct request request = { .view = { .sort = PAGES_FILE, .limit = SIZE_MAX } };

	options_read(&line, argc, argv, &request);
	if (request.in_pages && request.in_bytes)
		refuse("--pages and --bytes exclude each other");
	request.view.unit = request.in_pages   ? UNIT_PAGES
			    : request.in_bytes ? UNIT_BYTES
					       : UNIT_HUMAN;
	return take_and_show(&request, line.operands[0]);
}
