/* SPDX-License-Identifier: MIT */
/*
 * Growing logs: see follow.h. What inotify does not see (another machine's writes
 * on NFS, events past its queue) is found by looking once a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/model/lines.h"
#include "cli/log/follow.h"
#include "cli/model/scan.h"

#define OLD	 64 /* files of one log that are read at a time */
#define HEAD	 64 /* bytes that tell a file that was written anew */
#define EVENTS	 16384
#define PATIENCE 1000 /* ms */

/* One file that is, or was, the log. */
struct generation {
	struct lines lines;
	dev_t device;
	ino_t inode;
	char head[HEAD];
	size_t head_length;
	bool open;
};

/* A file that was created under the log's name and renamed before it was opened. */
struct missed {
	char name[NAME_MAX + 1];
	uint32_t cookie; /* not 0: in the middle of a rename */
	bool used, tried;
};

struct source {
	const char *path;
	char *directory, *name;
	int watch;			    /* of the directory */
	struct generation generations[OLD]; /* the last opened is the log */
	size_t count;
	struct missed missed[OLD];
	bool input; /* a pipe or a terminal: no names, and an end */
	bool ended;
};

struct follow {
	struct source *sources;
	size_t count;
	int inotify;
};

static void *block(size_t size)
{
	void *it = calloc(1, size);

	if (it)
		return it;
	complain("out of memory");
	exit(STATUS_USAGE);
}

static void drop_generation(struct source *source, size_t index)
{
	lines_close(&source->generations[index].lines);
	source->count--;
	memmove(source->generations + index, source->generations + index + 1,
		(source->count - index) * sizeof(*source->generations));
}

/* Takes over the descriptor. */
static int add_generation(struct follow *follow, struct source *source, int fd)
{
	struct generation *it;
	struct stat st;
	char link[32];

	if (fstat(fd, &st)) {
		close(fd);
		return -errno;
	}
	if (source->count == OLD)
		drop_generation(source, 0);
	it = &source->generations[source->count++];
	memset(it, 0, sizeof(*it));
	it->device = st.st_dev;
	it->inode = st.st_ino;
	it->open = true;
	source->input = !S_ISREG(st.st_mode);
	/* By descriptor: the name may be another file's by now. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (follow->inotify >= 0 && !source->input)
		inotify_add_watch(follow->inotify, link, IN_MODIFY);
	return lines_open(&it->lines, fd);
}

static bool is_known(const struct source *source, const struct stat *st)
{
	for (size_t i = 0; i < source->count; i++)
		if (source->generations[i].device == st->st_dev &&
		    source->generations[i].inode == st->st_ino)
			return true;
	return false;
}

/* A file in the log's directory, if it is one that was not read yet. */
static void adopt(struct follow *follow, struct source *source, const char *name)
{
	char *path = format_text("%s/%s", source->directory, name);
	struct stat st;
	int fd = -1;

	if (!stat(path, &st) && S_ISREG(st.st_mode) && !is_known(source, &st))
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) || is_known(source, &st))) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		add_generation(follow, source, fd);
	free(path);
}

/* inotify's account of renames. */

static struct missed *missed_new(struct source *source)
{
	for (int i = 0; i < OLD; i++)
		if (!source->missed[i].used)
			return &source->missed[i];
	/* The oldest goes. */
	memmove(source->missed, source->missed + 1, (OLD - 1) * sizeof(*source->missed));
	return &source->missed[OLD - 1];
}

/* Somebody was created, or moved, to the log's name: until it is opened, its name is followed. */
static void note_arrival(struct source *source, const char *name)
{
	struct missed *it = missed_new(source);

	memset(it, 0, sizeof(*it));
	snprintf(it->name, sizeof(it->name), "%s", name);
	it->used = true;
}

static void note_departure(struct source *source, const char *name, uint32_t cookie)
{
	for (int i = 0; i < OLD; i++)
		if (source->missed[i].used && !source->missed[i].cookie &&
		    !strcmp(source->missed[i].name, name))
			source->missed[i].cookie = cookie;
}

/* Whether it is one of those that are followed. */
static bool note_destination(struct source *source, const char *name, uint32_t cookie)
{
	for (int i = 0; i < OLD; i++) {
		struct missed *it = &source->missed[i];

		if (!it->used || it->cookie != cookie)
			continue;
		snprintf(it->name, sizeof(it->name), "%s", name);
		it->cookie = 0;
		it->tried = false;
		return true;
	}
	return false;
}

static void note_event(struct source *source, const struct inotify_event *event)
{
	const char *name = event->len ? event->name : "";
	bool ours = !strcmp(name, source->name);

	if (event->mask & IN_MOVED_FROM)
		note_departure(source, name, event->cookie);
	else if (event->mask & IN_MOVED_TO && !note_destination(source, name, event->cookie) &&
		 ours)
		note_arrival(source, name);
	else if (event->mask & IN_CREATE && ours)
		note_arrival(source, name);
}

static void read_events(struct follow *follow)
{
	char buffer[EVENTS] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t got;

	while ((got = read(follow->inotify, buffer, sizeof(buffer))) > 0) {
		for (char *at = buffer; at < buffer + got;) {
			const struct inotify_event *event = (const struct inotify_event *)at;

			for (size_t i = 0; i < follow->count; i++)
				if (follow->sources[i].watch == event->wd &&
				    !follow->sources[i].input)
					note_event(&follow->sources[i], event);
			at += sizeof(*event) + event->len;
		}
	}
}

static bool try_missed(struct follow *follow, struct source *source)
{
	bool any = false;

	for (int i = 0; i < OLD; i++) {
		struct missed *it = &source->missed[i];

		if (!it->used || it->cookie || it->tried)
			continue;
		it->tried = true;
		adopt(follow, source, it->name);
		any = true;
	}
	return any;
}

/* Opens what has come. Its name may have become another file's just before: then the next events
 * say what it is called now, and it is tried again. */
static void adopt_missed(struct follow *follow, struct source *source)
{
	while (try_missed(follow, source))
		read_events(follow);
	for (int i = 0; i < OLD; i++)
		if (!source->missed[i].cookie)
			source->missed[i].used = false;
}

/* Reading. */

static void remember_head(struct generation *it)
{
	ssize_t got;

	if (it->head_length == HEAD)
		return;
	got = pread(it->lines.fd, it->head, HEAD, 0);
	if (got > 0)
		it->head_length = (size_t)got;
}

/* Cut off, or cut off and written anew beyond where we are: then it begins differently, since every
 * record has its own time. */
static bool was_cut(const struct generation *it)
{
	char head[HEAD];
	struct stat st;

	if (fstat(it->lines.fd, &st) || st.st_size < it->lines.offset)
		return true;
	return pread(it->lines.fd, head, it->head_length, 0) != (ssize_t)it->head_length ||
	       memcmp(head, it->head, it->head_length);
}

static int begin_anew(struct generation *it, follow_line *line, void *context)
{
	int fd = it->lines.fd;
	char *rest;
	size_t length;

	if (lines_rest(&it->lines, &rest, &length))
		line(rest, 0, 1, context);
	it->lines.fd = -1;
	lines_close(&it->lines);
	it->head_length = 0;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return lines_open(&it->lines, fd);
}

static int read_generation(struct source *source, struct generation *it, follow_line *line,
			   void *context)
{
	char *text;
	size_t length;
	int r = 0;

	if (!source->input && it->head_length && was_cut(it))
		r = begin_anew(it, line, context);
	if (!source->input)
		remember_head(it);
	while (!r && (r = lines_next(&it->lines, &text, &length)) > 0) {
		line(text, length, it->lines.too_long, context);
		r = 0;
	}
	return r;
}

static void end_input(struct source *source, follow_line *line, void *context)
{
	char *text;
	size_t length;

	if (lines_rest(&source->generations[0].lines, &text, &length))
		line(text, length, 0, context);
	source->ended = true;
}

/* A file that nobody can write to any more, having no name: there is nothing to wait for. */
static void forget_deleted(struct source *source)
{
	for (size_t i = 0; i + 1 < source->count;) {
		struct stat st;

		if (!fstat(source->generations[i].lines.fd, &st) && !st.st_nlink &&
		    st.st_size == source->generations[i].lines.offset)
			drop_generation(source, i);
		else
			i++;
	}
}

static int read_source(struct follow *follow, struct source *source, follow_line *line,
		       void *context)
{
	int r = 0;

	for (size_t i = 0; i < source->count && !r; i++)
		r = read_generation(source, &source->generations[i], line, context);
	if (r || source->input)
		return r;
	/* What was opened just now is read from its beginning. */
	size_t before = source->count;
	adopt_missed(follow, source);
	adopt(follow, source, source->name);
	for (size_t i = before < source->count ? before : source->count; i < source->count && !r;
	     i++)
		r = read_generation(source, &source->generations[i], line, context);
	forget_deleted(source);
	return r;
}

/* Standard input is read as it comes; at its end it is over. */
static int read_input(struct source *source, follow_line *line, void *context)
{
	struct lines *lines = &source->generations[0].lines;
	struct pollfd polled = { .fd = lines->fd, .events = POLLIN };
	char *text;
	size_t length;

	while (!source->ended && poll(&polled, 1, 0) > 0) {
		ssize_t got = lines_fill(lines);

		if (got < 0)
			return (int)got;
		while (lines_buffered(lines, &text, &length))
			line(text, length, lines->too_long, context);
		if (!got)
			end_input(source, line, context);
	}
	return 0;
}

static int read_all(struct follow *follow, follow_line *line, void *context)
{
	int r = 0;

	if (follow->inotify >= 0)
		read_events(follow);
	for (size_t i = 0; i < follow->count && !r; i++) {
		struct source *source = &follow->sources[i];

		r = source->input ? read_input(source, line, context)
				  : read_source(follow, source, line, context);
	}
	return r;
}

/* Where a reader can go, and be seen to have gone though nothing is written. */
static int watched_output(void)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		return -1;
	return STDOUT_FILENO;
}

/* False: nobody reads what would be shown. */
static bool wait_for_more(const struct follow *follow)
{
	struct pollfd *polled = block((follow->count + 2) * sizeof(*polled));
	struct pollfd *output = &polled[follow->count + 1];
	bool gone;

	polled[0] = (struct pollfd){ .fd = follow->inotify, .events = POLLIN };
	for (size_t i = 0; i < follow->count; i++) {
		const struct source *source = &follow->sources[i];
		bool waits = source->input && !source->ended;

		polled[i + 1] = (struct pollfd){
			.fd = waits ? source->generations[0].lines.fd : -1,
			.events = POLLIN,
		};
	}
	*output = (struct pollfd){ .fd = watched_output() };
	gone = poll(polled, follow->count + 2, PATIENCE) > 0 &&
	       output->revents & (POLLERR | POLLHUP);
	free(polled);
	return !gone;
}

static bool all_ended(const struct follow *follow)
{
	for (size_t i = 0; i < follow->count; i++)
		if (!follow->sources[i].ended)
			return false;
	return true;
}

int follow_run(struct follow *follow, follow_line *line, follow_pause *pause, void *context)
{
	int r;

	while (!(r = read_all(follow, line, context))) {
		if (pause(context) || all_ended(follow) || !wait_for_more(follow))
			return 0;
	}
	return r;
}

static int open_source(struct follow *follow, struct source *source, const char *path)
{
	char *copy = format_text("%s", path), *again = format_text("%s", path);
	int fd, r;

	source->path = path;
	source->watch = -1;
	source->directory = format_text("%s", dirname(copy));
	source->name = format_text("%s", basename(again));
	free(copy);
	free(again);
	/* Watched before it is opened: nothing happens in between unseen. */
	if (follow->inotify >= 0 && strcmp(path, "-"))
		source->watch = inotify_add_watch(follow->inotify, source->directory,
						  IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO);
	fd = lines_open_file(path);
	if (fd < 0)
		return -1;
	r = add_generation(follow, source, fd);
	if (r)
		complain("%s cannot be read: %s", path, strerror(-r));
	return r;
}

struct follow *follow_open(char **paths, size_t count)
{
	struct follow *follow = block(sizeof(*follow));

	follow->sources = block((count + 1) * sizeof(*follow->sources));
	follow->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (size_t i = 0; i < count; i++) {
		follow->count = i + 1;
		if (open_source(follow, &follow->sources[i], paths[i])) {
			follow_close(follow);
			return NULL;
		}
	}
	return follow;
}

void follow_close(struct follow *follow)
{
	for (size_t i = 0; i < follow->count; i++) {
		struct source *source = &follow->sources[i];

		while (source->count)
			drop_generation(source, 0);
		free(source->directory);
		free(source->name);
	}
	if (follow->inotify >= 0)
		close(follow->inotify);
	free(follow->sources);
	free(follow);
}
