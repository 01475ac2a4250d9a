/* SPDX-License-Identifier: MIT */
/*
 * The log of a run: its name, that it can be written, and which records in it are
 * new. Other runs may append to the same files before and after. One that is no file
 * (cli/run/destination.h) can be written and not read.
 */
#ifndef MMFENCE_CLI_RUN_LOG_H
#define MMFENCE_CLI_RUN_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cli/model/model.h"

#define LOG_TAIL 256

struct log_part {
	char *path;
	off_t start;	     /* what was there before */
	char tail[LOG_TAIL]; /* the end of that */
};

struct log {
	bool elsewhere;		/* no file: template is the value for the library */
	char *template;		/* absolute, with %p, %e, %h and %t */
	bool known;		/* it has none of these */
	char *pattern;		/* the same for glob(3) */
	struct log_part *parts; /* found when the run began */
	size_t count;
};

/* From audit.log; if that is empty, the default for this command and process: the same in
 * the child, which exports it, and in its parent. 0, or -1 with a sentence said. */
int log_name(struct log *log, const char *option, const char *command, pid_t pid);

/* Creates it, as far as its name is known, and remembers what is in it. 0, or -1 with a sentence.
 */
int log_prepare(struct log *log);

/* What was added since, by places too. Sets how many files could be read. */
struct model *log_read(const struct log *log, size_t *files);

/* Whether of a file that had records before these are not there any more: then what came after them
 * may be gone too. */
bool log_is_cut(const struct log *log);

/* How the next record of a log that is a file would fare: 0, also when that is not known, or the
 * error that keeps it out. Nothing is written there. */
int log_refuses(const struct log *log);

/* Whether there was a file to write to, which is not there now. */
bool log_is_gone(const struct log *log);

/* The log for people: its path, or the template. */
char *log_shown(const struct log *log);

#endif
