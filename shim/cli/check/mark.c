/* SPDX-License-Identifier: MIT */
/*
 * The record check.start: see mark.h. No two are alike, because of their times and process ids.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/check/mark.h"

static char *time_text(void)
{
	struct timespec now;
	char seconds[32] = "";
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc))
		strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	return format_text("%s.%06ldZ", seconds, now.tv_nsec / 1000);
}

char *mark_line(const char *categories, const char *command)
{
	char *time = time_text();
	json_t *record =
		json_pack("{s:s, s:{s:s}, s:{s:s, s:s, s:[s], s:[s], s:s, s:i},"
			  " s:{s:i, s:{s:i}, s:s, s:s}, s:{s:s, s:{s:s}}}",
			  "@timestamp", time, "ecs", "version", "8.11.0", "event", "kind", "event",
			  "action", "check.start", "category", "process", "type", "info", "outcome",
			  "success", "sequence", 1, "process", "pid", (int)getpid(), "thread", "id",
			  (int)getpid(), "name", "mmfence", "command_line", command, "mmfence",
			  "version", MMFENCE_VERSION, "check", "fail_on", categories);
	char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;

	if (!text) {
		complain("out of memory");
		exit(STATUS_USAGE);
	}
	char *line = format_text("%s\n", text);
	free(text);
	free(time);
	json_decref(record);
	return line;
}

/* A log may end in part of a record. */
static int write_line(int fd, const char *line)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char last = '\n';

	if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n' &&
	    write(fd, "\n", 1) != 1)
		return -errno;
	ssize_t length = (ssize_t)strlen(line), written = write(fd, line, (size_t)length);

	if (written < 0)
		return -errno;
	return written < length ? -ENOSPC : 0;
}

int mark_put(struct mark *mark, const char *log)
{
	/* Past RLIMIT_FSIZE. */
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	int fd = open(log, O_RDWR | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	sigaction(SIGXFSZ, &ignore, &before);
	int r = write_line(fd, mark->line);
	sigaction(SIGXFSZ, &before, NULL);
	/* Where the kernel has put it: others append too. */
	mark->at = lseek(fd, 0, SEEK_CUR) - (off_t)strlen(mark->line);
	mark->placed = !r;
	close(fd);
	return r;
}

bool mark_is_there(const struct mark *mark, const char *log)
{
	size_t length = strlen(mark->line);
	char *there = calloc(length, 1);
	int fd = open(log, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	bool same = there && fd >= 0 && pread(fd, there, length, mark->at) == (ssize_t)length &&
		    !memcmp(there, mark->line, length);

	if (fd >= 0)
		close(fd);
	free(there);
	return same;
}
