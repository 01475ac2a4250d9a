/* SPDX-License-Identifier: MIT */
/*
 * What came of a check, and the forms that it is told in.
 */
#ifndef MMFENCE_CLI_CHECK_VERDICT_H
#define MMFENCE_CLI_CHECK_VERDICT_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "cli/check/category.h"

struct verdict {
	const struct model *model;
	bool wanted[CATEGORY_COUNT];
	const char *hidden[CATEGORY_COUNT]; /* the setting that hides it, or NULL */
	char *command;			    /* the command line, printable */
	int status;			    /* of the command */
	char *ending;			    /* "exit status 3", "killed by SIGSEGV", … */
	char *doubt;			    /* about the log, or NULL */
	struct timespec start;		    /* wall clock */
	double seconds;
};

/* A result each for the categories, for the command's own end, and for the log. */
struct result {
	const char *name;
	const char *help;
	bool failed;
	const char *skipped; /* why, or NULL */
	char *summary;	     /* of a failure */
	int category;	     /* whose findings are the details, or -1 */
};

#define RESULTS (CATEGORY_COUNT + 2)

/* How many there are. */
size_t verdict_results(const struct verdict *verdict, struct result results[RESULTS]);
void results_free(struct result *results, size_t count);

bool verdict_failed(const struct verdict *verdict);

/* injected: the rules of process.inject. */
void verdict_say(const struct verdict *verdict, const char *injected, const char *log, bool quiet);

/* A report as JUnit's, in XML; and TAP 13. */
void junit_print(const struct verdict *verdict, FILE *out);
void tap_print(const struct verdict *verdict, FILE *out);

#endif
