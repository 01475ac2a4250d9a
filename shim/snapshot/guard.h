/* SPDX-License-Identifier: MIT */
/*
 * The guard: read leases, one for each distinct file with guarded snapshots, held by
 * the lease thread. While a lease is there the plain mapping is the snapshot; when it
 * breaks, the pages are preserved (preserve.h) and the mappings replaced before the
 * writer is let in.
 *
 * The table of leases is under the snapshot lock. A lease that is breaking takes no
 * more snapshots.
 */
#ifndef MMFENCE_SNAPSHOT_GUARD_H
#define MMFENCE_SNAPSHOT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

struct lease;

/* ---- for the program's threads ---- */

/* Instead of a capture: puts the piece, its snapshot's only one, under the guard of the file's
 * lease. 0: done, the piece is in the index. -errno: nothing was done, and the mapping is as it
 * was. */
int guard_take(const struct capture *capture);
/* The same where the file has a lease, which asks the kernel nothing; -ENOENT: it has none. */
int guard_join(const struct capture *capture);

/* All, and ends the lease thread: before calls that it would be in the way of. */
void guard_preserve_all_and_stop(const char *trigger);
bool guard_any(void);

/* Files that are held for no snapshot any more are closed when this returns. */
void guard_drop_now(void);
/* From now on no file is opened anew, for a lease or for a copy: all is preserved, and nothing
 * guarded any more. */
void guard_open_no_more(void);
bool guard_may_open(void);

/* A resource limit is about to become this: preserves all if breaks could not be served under it.
 */
void guard_before_limit(int resource, uint64_t limit);
/* A file of that name is not guarded any more afterwards: true where there is a lease thread. */
bool guard_let_in(int directory, const char *path);

/* Under the snapshot lock: a guarded snapshot has ended. */
void guard_leave(struct snapshot *snapshot);
/* After the lock: lets the lease thread release what nobody needs. */
void guard_left(void);

/* The program changed its credentials: the lease thread does the same, or preserves all and ends.
 */
void guard_follow_credentials(void);

/* Before a guarded snapshot is said to be untouched: why it is lost, or NULL. Not under the
 * snapshot lock. */
const char *guard_loss(const struct snapshot *snapshot);
/* The process ends: those that are lost are said to be. */
void guard_look_at_end(void);

/* Around fork: before it, each lease gets a second one on a descriptor that the child inherits.
 * Nobody changes the tables from then on. */
void guard_before_fork(void);
void guard_after_fork_in_parent(void);
void guard_after_fork_in_child(void);
/* In a child that no handler saw: leases are taken anew where the files are as they were. */
void guard_after_raw_clone(void);

/* ---- on the lease thread ---- */

void guard_drop_unused(void *unused);

#endif
