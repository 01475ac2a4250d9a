/* SPDX-License-Identifier: MIT */
/*
 * The parts of `mmfence log': which records are shown, how each looks, and reading what grows.
 */
#ifndef MMFENCE_CLI_LOG_LOG_H
#define MMFENCE_CLI_LOG_LOG_H

#include "cli/model/model.h"

struct log_filter {
	char *actions, *pids;	/* alternatives of fnmatch; NULL: all */
	char since[TIME_BYTES]; /* a beginning of @timestamp; "": always */
};

/* Of a struct log_filter, by options; each ends the command where the argument is wrong. Lists are
 * separated by commas. */
void filter_actions(void *filter, const char *list);
void filter_pids(void *filter, const char *list);
/* "2026-11-21", with "T12:03:17Z" or " 12:03" behind it, or how long before now: 90s, 10m, 2h, 3d,
 * 1w. */
void filter_since(void *filter, const char *text);
bool filter_wants(const struct log_filter *filter, const struct scan *scan);

/* What happened, to be freed; and the whole line, with time and process. */
char *log_words(const struct scan *scan);
void log_line(FILE *out, const struct scan *scan, bool colour);

/* A whole line, without its newline; it may be changed. cut: the line was too long, or the file was
 * cut off in the middle of it. */
typedef void follow_line(char *line, size_t length, int cut, void *context);
/* Until nobody reads what is shown. Ends the command when something cannot be read, or is no file.
 */
void follow_run(char **paths, size_t count, follow_line *line, void *context);

#endif
