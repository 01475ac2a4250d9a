/* SPDX-License-Identifier: MIT */
/*
 * One screen about a run that has ended: what was protected, what was not and why,
 * what was refused, what could not be seen. Reads the log and nothing else.
 */
#ifndef MMFENCE_CLI_SUMMARY_H
#define MMFENCE_CLI_SUMMARY_H

#include <stdio.h>

#include "cli/log.h"

void summary_print(const struct log *log, FILE *out);

#endif
