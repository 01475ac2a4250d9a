/* SPDX-License-Identifier: MIT */
/*
 * `mmfence doctor': what works here is tried, not looked up. Leaves nothing
 * behind, and never touches what is in the files that it is shown.
 */
#ifndef MMFENCE_CLI_DOCTOR_H
#define MMFENCE_CLI_DOCTOR_H

#include "cli/preload.h"
#include "cli/program.h"

enum verdict {
	WORKS,
	BROKEN, /* mmfence needs it */
	ABSENT, /* mmfence does without; the line says how */
};

/* One line: "ok  what: detail". */
__attribute__((format(printf, 3, 4))) void doctor_say(enum verdict verdict, const char *what,
						      const char *format, ...);

void doctor_library(struct preload *preload);
void doctor_kernel(void);
void doctor_memory(void);
void doctor_directory(const char *directory);
void doctor_file(const char *path);
void doctor_program(const struct program *program, const struct preload *preload);

/* The number in a file of /proc or /sys, or -1. */
long long doctor_number(const char *path);

#endif
