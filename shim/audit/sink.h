/* SPDX-License-Identifier: MIT */
/*
 * Where records go: a file, a descriptor, a socket. The log's descriptor sits in the
 * program's table as long as the program leaves it there (see guarded.h in kernel/),
 * and is opened for each record afterwards; before every write its device, inode and
 * birth time are compared with what was opened, so that no record lands in a file of
 * the program's. Call with signals blocked. Takes no lock, never blocks, never touches
 * errno, and leaves no signal behind.
 */
#ifndef MMFENCE_AUDIT_SINK_H
#define MMFENCE_AUDIT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A record ready to be written. */
struct line {
	const char *text; /* ends with a newline */
	size_t length;
	char *room; /* memory behind it that a medium may use, 4 KiB at least */
	size_t room_size;
	int level; /* as syslog(3) counts: LOG_ERR, LOG_WARNING, LOG_INFO */
};

/* Remembers where to write: the value of audit.log, already checked; NULL or "" is nowhere. A
 * relative path means the working directory of now. Opens nothing. */
void sink_configure(const char *where);
bool sink_enabled(void);
/* Opens the log now, if one is configured: a program that fills its table later keeps it. 0, or
 * -errno; EPERM: what is there is no log for this user (target_refusal). */
int sink_open(void);
/* At the end of the process or of its image: no empty file stays behind, where it is this process's
 * alone, and `mmfence run' does not look for it. */
bool sink_may_be_empty(void); /* without a call */
void sink_drop_empty(void);
void sink_keep_empty(void);
/* Whether it can be opened again. */
bool sink_has_name(void);
/* Whether the lease thread has it open, in its table, from now on, and it can be had from there:
 * not before Linux 6.9, once the program may not open it. Starts the thread if need be. */
bool sink_hand_over(int fd);
/* The same, if there is a lease thread: later it may not be allowed to open it. */
void sink_share(void);
/* The program is about to lose the right, or the sight, to open the log: its descriptor sits in the
 * table again, if the program closed it. */
void sink_stay(void);
/* The same, if only the lease thread has it, which is about to end, or which a child has not. */
void sink_take_back(void);
/* Whether files of this size at most leave the log no room for another record. */
bool sink_outgrows(uint64_t limit);
/* For the program that is about to replace this one, and would not find the log by its name: as
 * guarded_hand_on. HAND_NEEDLESS where it would, or there is no such log; HAND_IMPOSSIBLE where
 * nothing can be handed on. */
enum { HAND_NEEDLESS = -1, HAND_IMPOSSIBLE = -2 };
int sink_hand_on(char *text);
/* There. */
void sink_adopt(const char *text);
/* One record, with one call of the kernel. A failure is counted, never reported. */
void sink_write(const struct line *line);
/* All records dropped in this process. */
uint64_t sink_dropped_total(void);
/* Before exit and exec: if records were dropped and the log works again, says how many. */
void sink_flush_dropped(void);
/* In a forked child: counters start anew; a file's template with %p leads to another; the child's
 * first record is preceded by its own process.start. */
void sink_after_fork(void);

/* For preface.c. */

/* Whether the log can be opened, or is open. */
bool sink_ready(void);
/* As sink_write, but the caller counts: 0, or -errno. */
int sink_put(const struct line *line);
unsigned long sink_dropped_pending(void);
/* The count since the last log.dropped, which is then 0, and the errno of the last. */
unsigned long sink_dropped_take(int *error);
void sink_dropped_return(unsigned long count);

#endif
