/* SPDX-License-Identifier: MIT */
/*
 * What is compared with a file of tests/data: there <*> stands for anything in a line.
 */
#ifndef MMFENCE_TESTS_GOLDEN_H
#define MMFENCE_TESTS_GOLDEN_H

#include <jansson.h>

/* A file of tests/data. */
const char *data_path(const char *name);
char *data_text(const char *name);

/* Fails the test that runs, with the first line that differs. */
void golden_text(const char *text, const char *name);
/* The same for JSON, where the string "<*>" stands for any value. */
void golden_json(const char *text, const char *name);

#endif
