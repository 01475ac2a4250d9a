/* SPDX-License-Identifier: MIT */
/*
 * A run that is written as a line: run.mmfence and run.sh (runner.h).
 */
#ifndef MMFENCE_TESTS_LINES_H
#define MMFENCE_TESTS_LINES_H

#include "runner.h"

/* The text with the build's places in it; never freed, as those are not. */
char *line_expand(const char *text, const char *variant);
/* The words of it, at most half as many as it has bytes: blanks divide, '...' is one word. */
size_t line_split(char *line, const char **words);

#endif
