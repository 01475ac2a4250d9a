/* SPDX-License-Identifier: MIT */
/*
 * Running a command fenced, for `mmfence run' and for what looks at such a run.
 */
#ifndef MMFENCE_CLI_RUN_RUN_H
#define MMFENCE_CLI_RUN_RUN_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/run/log.h"
#include "cli/check/mark.h"
#include "cli/run/preload.h"
#include "cli/run/program.h"
#include "policy/policy.h"

struct run {
	struct policy policy;
	struct preload preload;
	struct program program;
	const char *config;
	char **settings; /* name, value, name, value, … in the order of the command line */
	size_t setting_count;
	bool quiet;
	char **command;
	bool drift;	  /* audit.drift=on unless something says otherwise */
	bool no_output;	  /* what the command writes on standard output goes to standard error */
	struct mark mark; /* put into a log of which the name is known */
	struct log log;
	int status; /* as of `mmfence run' */
};

/* The options and the command; its input is a struct run. */
const struct argp *run_argp(void);

/* What they come to, with nothing started. 0, or an exit status with sentences said. */
int run_settle(struct run *run);

/* Starts the command and waits for its end: 0 and run->status, or -1 with a sentence said when
 * nothing was started. */
int run_command(struct run *run);

/* By run->status: whether a process came to be that has a log. */
bool run_was_started(const struct run *run);

#endif
