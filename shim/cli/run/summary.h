/* SPDX-License-Identifier: MIT */
/*
 * One screen about a run that has ended: what was protected, what was not and why,
 * what was refused, what could not be seen. Where the log cannot say all
 * of that, it says so.
 */
#ifndef MMFENCE_CLI_RUN_SUMMARY_H
#define MMFENCE_CLI_RUN_SUMMARY_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/run/log.h"

/* started: whether the command was; status: how it ended. */
void summary_print(const struct log *log, bool started, int status, FILE *out);

#endif
