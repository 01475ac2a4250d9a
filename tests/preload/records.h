/* SPDX-License-Identifier: MIT */
/*
 * A1: whether a record is one that events.def allows.
 */
#ifndef MMFENCE_TESTS_RECORDS_H
#define MMFENCE_TESTS_RECORDS_H

#include <jansson.h>
#include <stdbool.h>

/* Fails the test that runs when it is not. */
void record_check(const json_t *record);
/* Written by a test itself, in the name of a program "forged". */
bool is_forged(const json_t *record);

#endif
