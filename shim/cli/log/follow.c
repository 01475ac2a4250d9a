/* SPDX-License-Identifier: MIT */
/*
 * Reads logs that grow and are rotated: every line once, in the order of each file. A log that is
 * renamed is read on until the next rotation, since the library writes into it until it notices;
 * what is created in its place is read from its beginning. inotify only wakes; what it does not see
 * (another machine's writes on NFS) is found by looking once a second.
 */
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/log/log.h"

#define PATIENCE 1000 /* ms */

struct followed_log {
	const char *path;
	struct lines now, before; /* before: what was renamed, if anything */
};

struct follower {
	struct followed_log *sources;
	size_t count;
	int inotify;
	follow_line *line;
	void *context;
};

/* What there is, as it comes. */
static void drain(const struct follower *follow, const struct followed_log *source,
		  struct lines *lines)
{
	char *text;
	size_t length;
	int r;

	while ((r = lines_whole(lines, &text, &length)) > 0)
		follow->line(text, length, lines->bad, follow->context);
	if (r < 0)
		refuse("%s cannot be read: %s", source->path, strerror(-r));
}

/* Of a record that was cut off in the middle, and of what comes then from the beginning. */
static void begin_anew(const struct follower *follow, struct lines *lines)
{
	char *rest;
	size_t length;

	if (lines_rest(lines, &rest, &length))
		follow->line(rest, 0, 1, follow->context);
	lines->offset = lseek(lines->fd, 0, SEEK_SET);
}

static void read_file(const struct follower *follow, struct followed_log *source)
{
	struct stat st = { 0 }, named;

	if (source->before.buffer)
		drain(follow, source, &source->before);
	if (!fstat(source->now.fd, &st) && st.st_size < source->now.offset)
		begin_anew(follow, &source->now);
	drain(follow, source, &source->now);
	if (stat(source->path, &named) || !S_ISREG(named.st_mode) || same_file(&st, &named))
		return;
	int fd = open(source->path, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		complain("%s cannot be read: %m", source->path);
		return;
	}
	lines_close(&source->before);
	source->before = source->now;
	lines_open(&source->now, fd);
	drain(follow, source, &source->now);
}

static void read_all(const struct follower *follow)
{
	char events[4096];

	while (follow->inotify >= 0 && read(follow->inotify, events, sizeof(events)) > 0)
		;
	for (size_t i = 0; i < follow->count; i++)
		read_file(follow, &follow->sources[i]);
}

/* False: nobody reads what would be shown, which is seen though nothing is written. */
static bool wait_for_more(const struct follower *follow)
{
	struct pollfd polled[] = { { .fd = follow->inotify, .events = POLLIN },
				   { .fd = STDOUT_FILENO } };

	return poll(polled, 2, PATIENCE) <= 0 || !(polled[1].revents & (POLLERR | POLLHUP));
}

static void open_source(const struct follower *follow, struct followed_log *source,
			const char *path)
{
	char *copy = keep(path);
	struct stat st;

	*source = (struct followed_log){ .path = path };
	/* Watched before it is opened: nothing happens in between unseen. */
	if (follow->inotify >= 0)
		inotify_add_watch(follow->inotify, dirname(copy),
				  IN_CREATE | IN_MOVED_TO | IN_MODIFY);
	free(copy);
	int fd = lines_open_file(path);

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		refuse("-f: %s is no file, and shown as it comes without -f", path);
	lines_open(&source->now, fd);
}

void follow_run(char **paths, size_t count, follow_line *line, void *context)
{
	struct follower follow = {
		.sources = take((count + 1) * sizeof(*follow.sources)),
		.count = count,
		.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
		.line = line,
		.context = context,
	};

	for (size_t i = 0; i < count; i++)
		open_source(&follow, &follow.sources[i], paths[i]);
	do
		read_all(&follow);
	while (!fflush(stdout) && !ferror(stdout) && wait_for_more(&follow));
}
