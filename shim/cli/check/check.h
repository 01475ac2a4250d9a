/* SPDX-License-Identifier: MIT */
/*
 * What `mmfence check' looks for among the findings of a run, and what came of it.
 */
#ifndef MMFENCE_CLI_CHECK_CHECK_H
#define MMFENCE_CLI_CHECK_CHECK_H

#include "cli/run/run.h"

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

struct check {
	struct run run; /* first, for its options */
	bool wanted[CATEGORY_COUNT];
	bool named[CATEGORY_COUNT];	    /* by the user, and not by default */
	const char *hidden[CATEGORY_COUNT]; /* the setting that hides it, or NULL */
	bool listed;
	const char *allowed;  /* programs that need not be looked into */
	int64_t gaps_allowed; /* places */
	const char *junit;
	FILE *junit_out;
	char *command;	       /* the command line, printable; or which logs */
	bool no_command;       /* logs that were there already */
	char *ending;	       /* "exit status 3", "exit status 139 (SIGSEGV)", … */
	char *doubt;	       /* about the log, or NULL */
	struct timespec start; /* wall clock */
	double seconds;
};

/* "remap_file_pages, 3 times, /tmp/file, pid 12 (name), at name+0x1234", printable. To be freed. */
char *finding_line(const struct finding *finding);

bool verdict_failed(const struct check *check);

void verdict_say(const struct check *check, const char *log);

void junit_print(const struct check *check, FILE *out);

#endif
