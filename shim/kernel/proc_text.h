/* SPDX-License-Identifier: MIT */
/*
 * A text of /proc, a line at a time, in a buffer of the caller's.
 */
#ifndef MMFENCE_KERNEL_PROC_TEXT_H
#define MMFENCE_KERNEL_PROC_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Opens a file of /proc that shows this process's memory: maps, smaps, pagemap, mem. self is a
 * descriptor of /proc/self, or -1: then /proc must be in sight. */
int proc_open_own(int self, const char *name, int flags);

struct proc_text {
	int fd, error; /* why there are no more: 0 at the end, or -errno */
	char *buffer;
	size_t size, used, at;
	int64_t position; /* others may read from the descriptor too */
};

void proc_text_begin(struct proc_text *text, int fd, char *buffer, size_t size);

/* Without its newline, until the next call; NULL when there are no more. Of a line that is longer
 * than the buffer the middle is dropped. */
char *proc_text_next(struct proc_text *text);

#endif
