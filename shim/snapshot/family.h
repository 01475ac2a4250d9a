/* SPDX-License-Identifier: MIT */
/*
 * What all processes that descend by fork from one have in common, in a table that they inherit, or
 * that `mmfence run' holds for all that it starts:
 * what copies may take together (budget.c), and who has put the pages of a file aside. A writer
 * waits for the leases of all of them, but one copy serves: one claims the file, the others wait
 * and map what it made.
 *
 * A copy is another's content too, if that one's lease was granted before the copy was offered:
 * then both leases stood together, and nobody wrote since either was granted. A counter of the
 * family tells which came first.
 *
 * Copies for mappings that need one at once (writable ones) are shared in the same table, each
 * window of a file for itself, if they were made under a lease. Such a copy is another's content
 * too while the file is of the version that was copied: nobody was writing to it then, and no later
 * change leaves its size and both its times as they were.
 */
#ifndef MMFENCE_SNAPSHOT_FAMILY_H
#define MMFENCE_SNAPSHOT_FAMILY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/file.h"
#include "snapshot/preserve.h"

struct family_entry;

#define FAMILY_MEMBERS 1024

/* A process that made copies which are in memory. Process 0: nobody. */
struct family_member {
	atomic_int process;
	_Atomic uint64_t charged; /* bytes */
};

struct family {
	_Atomic uint64_t limit;	  /* of all copies together; 0: not asked yet */
	_Atomic uint64_t unasked; /* charged since somebody asked what is available */
	atomic_uint offers;
	atomic_bool forked;	  /* there is more than one process */
	_Atomic uint64_t numbers; /* the pid namespace that process numbers are of; 0 while there is
				     one process */
	struct family_member members[FAMILY_MEMBERS];
};

/* At start: where the table is open, as PID/FD/INODE, or NULL. */
void family_is_at(const char *where);
/* This process's, made now if there is none; NULL when there is no memory. On a thread with a
 * descriptor table of its own. */
struct family *family_get(void);
/* A process is about to be copied, or was. */
void family_grows(void);
void family_after_fork(void);
/* Whether the process has ended: a zombie has no memory. */
bool family_has_left(pid_t process);

/* How many copies were offered so far: for a lease that was just granted. */
unsigned int family_now(void);

/* What one process has to do with the copy of one file. */
struct family_share {
	/* what is wanted */
	struct file_id file;
	bool at_once;		     /* a copy of a version; else one for a break: */
	unsigned int granted;	     /* family_now() then */
	struct file_version version; /* which cannot change unseen */
	struct window window;
	bool abroad; /* the caller's table is not the lease thread's */
	/* what is there, or is claimed */
	struct family_entry *entry;
	uint64_t state;
	int fd;	  /* the caller's to close */
	int kept; /* its number in this process's lease thread's table; -1: another process's */
	int engine;
};

enum family_turn {
	FAMILY_ALONE, /* no part in it: copy, and tell nobody */
	FAMILY_MINE,  /* copy, then family_offer and family_settle */
	FAMILY_BUSY,  /* another process is at it */
	FAMILY_THERE  /* fd is open on a copy that has the window */
};

/* On the lease thread, or one that shares its table, or abroad. */
enum family_turn family_ask(struct family_share *share);
/* The same, but waits for who is at it; if that takes too long, does it instead. */
enum family_turn family_wait(struct family_share *share);

/* What is in the lease thread's table as fd has all of the window. To be said before the lease is
 * looked at for the last time. */
void family_offer(struct family_share *share, int fd, int engine, const struct window *window);
/* Then: whether the lease held. */
void family_settle(struct family_share *share, bool good);
/* Before its fd is closed: the number, and the inode of a spill file, may soon be another's. */
void family_withdraw(struct family_entry *entry, uint64_t state);

#endif
