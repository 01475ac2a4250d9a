/* SPDX-License-Identifier: MIT */
/*
 * `mmfence doctor': what works here is tried, not looked up. Leaves nothing
 * behind, and never touches what is in the files that it is shown.
 */
#ifndef MMFENCE_CLI_DOCTOR_DOCTOR_H
#define MMFENCE_CLI_DOCTOR_DOCTOR_H

#include "cli/run/run.h"

enum sign {
	WORKS,
	BROKEN, /* mmfence needs it */
	ABSENT, /* mmfence does without; the line says how */
};

/* One line: "ok  what: detail". */
__attribute__((format(printf, 3, 4))) void doctor_say(enum sign mark, const char *what,
						      const char *format, ...);

/* A file that programs map: what the library makes of its mappings, for this user and under these
 * settings. A directory: the same for a new file there. */
void doctor_file(const char *path, const struct library *preload);
void doctor_directory(const char *directory, const struct library *preload);

/* The mappings themselves, in a process that has the library in it. */
int probe_main(const char *path);

#endif
