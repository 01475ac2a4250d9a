/* SPDX-License-Identifier: MIT */
/*
 * One record as a line for people.
 */
#ifndef MMFENCE_CLI_LOG_LINE_H
#define MMFENCE_CLI_LOG_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/model/scan.h"

void log_line(FILE *out, const struct scan *scan, bool colour);

#endif
