/* SPDX-License-Identifier: MIT */
/*
 * The two questions about a file that programs map, answered apart: can it be
 * guarded, and where would its old pages go. Within the doctor.
 */
#ifndef MMFENCE_CLI_DOCTOR_FILE_H
#define MMFENCE_CLI_DOCTOR_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/file.h"

struct mapped_file {
	int fd;		     /* fresh, for reading */
	char path[PATH_MAX]; /* as the kernel calls it */
	struct file file;
	uid_t owner;
};

/* Tries a read lease, gives it back at once, and says how it went. */
bool doctor_lease(const struct mapped_file *mapped);

/* "12 (cp), 34 (tail)": those who have it open for writing or hold a mapping of such a descriptor,
 * as far as this user can see; NULL when there are none. The caller frees it. */
char *doctor_writers(int fd);

/* The places, in the library's order; each says what it would do. */
struct refuge {
	char *clone; /* the directory that a clone was made in, or NULL */
	bool memory;
	bool spill;
};
void doctor_refuge(const struct mapped_file *mapped, uint64_t bytes, struct refuge *out);

#endif
