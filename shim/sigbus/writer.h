/* SPDX-License-Identifier: MIT */
/*
 * Who has the file open: for writing, as far as /proc shows it to this process, or this process
 * itself.
 */
#ifndef MMFENCE_SIGBUS_WRITER_H
#define MMFENCE_SIGBUS_WRITER_H

#include <sys/types.h>

struct sigbus;
struct statx;

struct sigbus_writer {
	pid_t pid; /* 0: nobody that can be seen */
	char name[32];
};

/* The first of them. */
void sigbus_find_writer(const struct sigbus *it, struct sigbus_writer *out);
/* By a descriptor of this process: 0 or -ENOENT. */
int sigbus_find_own(const struct sigbus *it, struct statx *out);

#endif
