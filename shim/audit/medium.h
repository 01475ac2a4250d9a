/* SPDX-License-Identifier: MIT */
/*
 * A medium that records are written to, for the sink_*.c alone: each is one of these
 * tables. sink.c chooses, opens under a lock, counts what is lost. All of it runs with
 * signals blocked, in any thread, also the lease thread; none of it may block, lock, touch
 * errno or leave a signal behind.
 */
#ifndef MMFENCE_AUDIT_MEDIUM_H
#define MMFENCE_AUDIT_MEDIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/sink.h"
#include "policy/target.h"

struct statx;

struct medium {
	/* Opens nothing. False: it cannot be remembered. */
	bool (*configure)(const struct target *target);
	/* What to write to from now on: fd, which is what is open, or a new descriptor, or -errno
	 * when fd is of no use any more and there is no other. fd is -1 when nothing is open. One
	 * thread at a time. */
	int (*refresh)(int fd);
	/* The whole line, or -errno. -EBADF: what was open is gone, and a new one may be had.
	 * -ECONNABORTED: it is of no use any more. size is the file's. */
	int (*write)(int fd, uint64_t size, const struct line *line);
	/* Whether the name leads whoever is started now to what is open; NULL where there is none.
	 */
	bool (*leads)(void);
	/* The descriptor, which was handed on by the program before, is the log; or NULL. */
	void (*adopt)(int fd);
	/* In a forked child, which has the parent's descriptor; or NULL. True: it goes elsewhere.
	 */
	bool (*after_fork)(void);
	/* Whether no other process has a log of this name; removes it if nothing is in it (true: it
	 * is gone). Both or none. */
	bool (*own_name)(void);
	bool (*drop_empty)(void);
	/* It can be opened again as long as the place is what it was; else only as long as a
	 * descriptor of the program's is. */
	bool has_name;
};

extern const struct medium sink_file, sink_descriptor, sink_unix, sink_syslog, sink_journal;

void place_set(struct place *place, const struct statx *st);
bool place_equals(const struct place *place, const struct statx *st);
/* The root directory that names are looked up under, and whether it still is that one. */
void place_root(struct place *root);
bool place_is_root(const struct place *root);

/* The signal that a failed write may raise: SIGPIPE without a reader, SIGXFSZ past RLIMIT_FSIZE;
 * or 0. */
int quiet_signal(const struct statx *st);

/* pwritev2 with flags (or writev if there are none) that leaves no signal behind, when `raises` is
 * the one that it may raise (0: none is expected). Bytes, or -errno. */
struct iovec;
long quiet_write(int fd, const struct iovec *parts, int count, int flags, int raises);

/* ---- template.c ---- */

/* Copies the template; a relative one gets the working directory of now in front. */
int template_absolute(const char *path, char *out, size_t size);
/*
 * %p pid, %e program, %h host, %t seconds since 1970, %% percent. 0, or -ENAMETOOLONG.
 * `anew`: a number that nobody can know before follows the pid.
 */
int template_expand(const char *template, bool anew, char *out, size_t size);
/* Whether each process has a file of its own. */
bool template_has_pid(const char *template);

#endif
