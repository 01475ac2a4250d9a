/* SPDX-License-Identifier: MIT */
/*
 * `mmfence doctor': what works here is tried, not looked up. Leaves nothing
 * behind, and never touches what is in the files that it is shown.
 */
#ifndef MMFENCE_CLI_DOCTOR_DOCTOR_H
#define MMFENCE_CLI_DOCTOR_DOCTOR_H

#include <stdbool.h>

#include "cli/run/preload.h"
#include "cli/run/program.h"

enum finding {
	WORKS,
	BROKEN, /* mmfence needs it */
	ABSENT, /* mmfence does without; the line says how */
};

/* One line: "ok  what: detail". */
__attribute__((format(printf, 3, 4))) void doctor_say(enum finding finding, const char *what,
						      const char *format, ...);

void doctor_library(struct preload *preload);
void doctor_kernel(void);
void doctor_memory(void);
void doctor_directory(const char *directory);
/* A file that programs map: which snapshots of it this user gets under the_policy, and why. */
void doctor_file(const char *path);
void doctor_program(const struct program *program, const struct preload *preload);

/* The number in a file of /proc or /sys, or -1. */
long long doctor_number(const char *path);

/* Bytes of memory that there are for this process, in the system or in its control group,
 * whichever is less; or -1. */
long long doctor_available(bool *grouped);

/* Whether RLIMIT_FSIZE lets no copy of a file of so many bytes be made. */
bool doctor_over_limit(long long bytes);

/* "512 bytes", "1.5 MiB". */
#define DOCTOR_SIZE_BYTES 32
const char *doctor_size(unsigned long long bytes, char out[DOCTOR_SIZE_BYTES]);

#endif
