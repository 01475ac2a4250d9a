/* SPDX-License-Identifier: MIT */
/*
 * Where records go. The log's descriptor sits high in the program's table; the
 * wrappers of close and dup keep the program off it (see guarded.h in kernel/), and before every
 * write its device and inode are compared with what was opened, so that no record
 * lands in a file of the program's. Call with signals blocked. Takes no lock, never
 * touches errno, and leaves no signal behind.
 */
#ifndef MMFENCE_AUDIT_SINK_H
#define MMFENCE_AUDIT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Remembers where to write: path is a template with %p %e %h %t, already checked; NULL or "" is
 * nowhere. A relative one means the working directory of now. Opens nothing. */
void sink_configure(const char *path);
bool sink_enabled(void);
/* Opens the log now, if one is configured: a program that fills its table later keeps it. */
void sink_open(void);
/* One record, ended with a newline, with one write(2). A failure is counted, never reported. */
void sink_write(const char *record, size_t length);
/* All records dropped in this process. */
uint64_t sink_dropped_total(void);
/* Before exit and exec: if records were dropped and the log works again, says how many. */
void sink_flush_dropped(void);
/* In a forked child: counters start anew; a template with %p leads to another file; the child's
 * first record is preceded by its own process.start. */
void sink_after_fork(void);

/* For preface.c. */

/* Whether the log can be opened, or is open. */
bool sink_ready(void);
/* As sink_write, but the caller counts: 0, or -errno. */
int sink_put(const char *record, size_t length);
unsigned long sink_dropped_pending(void);
/* The count since the last log.dropped, which is then 0, and the errno of the last. */
unsigned long sink_dropped_take(int *error);
void sink_dropped_return(unsigned long count);

#endif
