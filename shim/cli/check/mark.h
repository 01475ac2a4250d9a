/* SPDX-License-Identifier: MIT */
/*
 * A log that is emptied and filled again looks as one in which little happened. So `mmfence
 * check' puts a record of its own at the beginning of its part, check.start, and afterwards
 * looks for it at the very place.
 */
#ifndef MMFENCE_CLI_CHECK_MARK_H
#define MMFENCE_CLI_CHECK_MARK_H

#include <stdbool.h>
#include <sys/types.h>

struct mark {
	char *line; /* NULL: there is to be none */
	bool placed;
	off_t at;
};

/* The record: what is looked for, separated by commas, in which command line (printable). */
char *mark_line(const char *categories, const char *command);

/* Appends it to the log. 0, or -errno. */
int mark_put(struct mark *mark, const char *log);

bool mark_is_there(const struct mark *mark, const char *log);

#endif
