/* SPDX-License-Identifier: MIT */
/*
 * The table of leases, within the guard: guard.c takes and releases, requests.c is what
 * the program's threads want besides, break.c serves breaks, replace.c replaces mappings,
 * fork.c hands leases to children. Changed only on the lease thread and with the snapshot lock
 * held, so that the lease thread may read it without.
 */
#ifndef MMFENCE_SNAPSHOT_LEASE_H
#define MMFENCE_SNAPSHOT_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot/guard.h"
#include "snapshot/preserve.h"
#include "support/arena.h"

#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(lease) ((lease)->unlisted = true)
#define uthash_malloc(size)	   arena_alloc(size)
#define uthash_free(block, size)   arena_free(block, size)
#include <uthash.h>

enum lease_state { LEASE_HELD, LEASE_BREAKING };

struct lease {
	struct vma_file shown;
	enum lease_state state;
	struct snapshot *snapshots; /* that it guards */
	struct lease *next_unused;
	bool is_unused;	 /* and in the list of those */
	bool is_waiting; /* for a copy that is made beside the lease thread, and broken since then
			  */
	uint64_t broken_at;
	struct lease *next_waiting;
	int signal_fd;	   /* what a break's signal calls it: its number where it was taken */
	int fd;		   /* in the lease thread's table; -1 in a child that has not adopted it */
	struct file file;  /* at the grant */
	int64_t looked_at; /* by the coarse clock, then */
	unsigned int granted; /* family_now() at the grant */
	char *path;
	size_t path_size;
	bool unlisted; /* no memory for the table */
	UT_hash_handle hh;
};

extern struct lease *leases;

/* ---- guard.c ---- */

struct lease *lease_find(const struct file_id *key);
/* On the lease thread: out of the table, unlocked, closed. 0 if the lease was there to the
 * end; -EAGAIN if the kernel had taken it away; or another -errno. */
int lease_end(struct lease *lease);

/* ---- break.c ---- */

/* On the lease thread: puts the pages of all its snapshots aside, replaces the mappings, and ends
 * the lease. 0, or -errno: then its snapshots are lost, and the program has been told. */
int lease_preserve(struct lease *lease, const char *trigger);
/* The same because somebody waits for the lease; where the copy takes long it is made beside the
 * lease thread, and lease_break_done does the rest. */
void lease_break(struct lease *lease);
/* A copy that was made beside the lease thread may be ready. */
void lease_break_done(void);
/* Why the file is no longer what was captured, or NULL; started: when its break began to be served.
 */
const char *lease_loss(const struct lease *lease, uint64_t started);
bool lease_is_copied(const struct lease *lease);
/* It waits for another one's copy: no more. */
void lease_wait_no_more(struct lease *lease);
/* In a child: nothing is under way. */
void lease_break_forget(void);
/* The same without a copy: nothing more can be done for its snapshots. */
void lease_lose(struct lease *lease, const char *reason);

/* ---- replace.c ---- */

/* One area more than the program has, for when it has as many as it may. On the lease thread. */
void spare_area_keep(void);

struct preserve;

/* What the lease guards, in the order of their addresses. */
struct pieces {
	struct piece *list;
	size_t count, room;
};

/* Under the snapshot lock: 0 or -ENOMEM. */
int lease_pieces(const struct lease *lease, struct pieces *out);
void pieces_free(struct pieces *pieces);
/* The part of the file that a piece shows. */
void lease_window(const struct lease *lease, const struct piece *piece, struct window *out);
/* Under the snapshot lock. What grew under the guard while the pages were preserved is preserved
 * here. 0 or -errno. */
int lease_replace(const struct lease *lease, struct preserve *preserve);

#endif
