/* SPDX-License-Identifier: MIT */
/*
 * A log that is no file: a descriptor, a socket, the system's log. Before a command is
 * started, whether somebody is there to take records.
 */
#ifndef MMFENCE_CLI_RUN_DESTINATION_H
#define MMFENCE_CLI_RUN_DESTINATION_H

#include <stdbool.h>

/* Of a value of audit.log that was checked. */
bool destination_is_elsewhere(const char *value);

/* The value for the library: a descriptor's says which file it is, so that no process takes another
 * one with that number for it. NULL with a sentence said. */
char *destination_value(const char *value);

/* 0, or -1 with a sentence said. */
int destination_try(const char *value);

/* For people: "the journal". */
const char *destination_shown(const char *value);

#endif
