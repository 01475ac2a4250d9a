/* SPDX-License-Identifier: MIT */
/*
 * The mmfence command. It reads logs, /proc and the option table, and never
 * reaches into the library's state: what it knows of a run stands in the log.
 */
#ifndef MMFENCE_CLI_CLI_H
#define MMFENCE_CLI_CLI_H

#include <stdio.h>

/* Exit statuses; the last two as a shell has them. */
#define STATUS_BAD	    1
#define STATUS_USAGE	    2
#define STATUS_FOUND	    86 /* check: something that must not happen did */
#define STATUS_NOT_RUNNABLE 126
#define STATUS_NOT_FOUND    127

int run_main(int argc, char **argv);
int check_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int pages_main(int argc, char **argv);
int log_main(int argc, char **argv);
int report_main(int argc, char **argv);

/* One sentence on standard error, "mmfence: " in front of it. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* A string of its own; ends the command when there is no memory. */
__attribute__((format(printf, 1, 2))) char *format_text(const char *format, ...);

/* A stream that is a string once it is closed; ends the command when there is no memory. */
FILE *open_text(char **text, size_t *size);

#endif
