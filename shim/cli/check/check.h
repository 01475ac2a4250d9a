/* SPDX-License-Identifier: MIT */
/*
 * What `mmfence check' looks for among the findings of a run, and what came of it.
 */
#ifndef MMFENCE_CLI_CHECK_CHECK_H
#define MMFENCE_CLI_CHECK_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "cli/model/model.h"
#include "policy/policy.h"

/* Settings under which a category cannot be seen. */
enum needs { NEEDS_NOTHING, NEEDS_SNAPSHOTS = 1, NEEDS_DRIFT = 2, NEEDS_NONLINEAR = 4 };

struct category_info {
	const char *name;
	bool by_default;
	const char *help;
	const char *before, *after; /* a finding's own words */
	unsigned int needs;
};

extern const struct category_info categories[CATEGORY_COUNT];

struct verdict {
	const struct model *model;
	bool wanted[CATEGORY_COUNT];
	int64_t gaps_allowed;		    /* places */
	const char *hidden[CATEGORY_COUNT]; /* the setting that hides it, or NULL */
	char *command;			    /* the command line, printable; or which logs */
	bool no_command;		    /* logs that were there already */
	int status;			    /* of the command */
	char *ending;			    /* "exit status 3", "killed by SIGSEGV", … */
	char *doubt;			    /* about the log, or NULL */
	struct timespec start;		    /* wall clock */
	double seconds;
};

/* "remap_file_pages, 3 times, /tmp/file, pid 12 (name), at name+0x1234", printable. To be freed. */
char *finding_line(const struct finding *finding);

bool verdict_failed(const struct verdict *verdict);

/* injected: the rules of process.inject. */
void verdict_say(const struct verdict *verdict, const char *injected, const char *log, bool quiet);

void junit_print(const struct verdict *verdict, FILE *out);

#endif
