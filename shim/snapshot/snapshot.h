/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: what the interposed memory calls hand on to this room, and what the
 * parts of the room share. The order of a capture is decide, capture (on a thread
 * with a descriptor table of its own), then the index under the snapshot lock. The
 * copy itself is made without that lock.
 */
#ifndef MMFENCE_SNAPSHOT_SNAPSHOT_H
#define MMFENCE_SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/trace.h"
#include "kernel/file.h"
#include "kernel/vma.h"
#include "mapping/index.h"
#include "mapping/request.h"
#include "support/call.h"

enum consistency { TORN_POSSIBLE, VERIFIED, PROVEN };
enum engine { ENGINE_GUARD, ENGINE_CLONE, ENGINE_MEMORY, ENGINE_SPILL };
enum fate { FATE_UNTOUCHED, FATE_PRESERVED, FATE_PRIVATE, FATE_LOST };

struct lease;

struct store; /* preserved pages, shared by the snapshots that show them: store.h */

/* One capture; every piece of memory that shows it points here. */
struct snapshot {
	uint64_t id;
	struct file_id file;
	struct vma_file shown; /* what its pieces map now */
	int64_t file_size;     /* at capture */
	bool whole;	       /* all of the file is held, not only the part that is mapped */
	int64_t captured_start, captured_end; /* the part, otherwise: file offsets */
	bool shared;			      /* a shared read-only mapping */
	bool noexec;			      /* the file is on a mount without execution */
	struct store *store;		      /* or NULL */
	uintptr_t low, high;		      /* all its pieces lie within */
	struct lease *lease;		      /* while it is guarded */
	struct snapshot *next_guarded, **guarded_link; /* by the same lease */
	enum engine engine;
	enum fate fate;
	uint64_t mapped; /* bytes of address space that show it */
	enum consistency consistency;
	char *path;
	size_t path_size;
	struct snapshot *next_ended;
	struct repeat *repeat; /* that it is counted in (repeats.h), or NULL */
	bool quiet;	       /* its making is not on record */
};

/* ---- for interpose/ ----
 * All return what the kernel would: a result, or -errno. Call inside a scope. */

/* munmap and mremap, with the index kept right; what else replaces memory is in
 * mapping/replace.h. */
long snapshot_munmap(uintptr_t address, size_t length);
long snapshot_mremap(const struct call *call, const struct move_request *request);

/* Something in the range went away by a call that is none of these. */
void snapshot_look_again(uintptr_t start, uintptr_t end);

/* The range is about to be made writable: what is guarded in it is preserved. 0, or -ENOMEM when
 * that failed and the policy is to deny. */
long snapshot_before_write(uintptr_t address, size_t length);

/* Whether the range shows a file of a mount without execution, and from where on:
 * mprotect(PROT_EXEC) is EACCES there. */
bool snapshot_forbids_exec(uintptr_t address, size_t length, uintptr_t *from);

/* Whether a file mapping with these flags could become a snapshot at all: no system call. */
bool snapshot_possible(const struct map_request *request);
/* The plain mapping stands at address: makes it a snapshot if the policy wants one. The address,
 * or -ENOMEM with the mapping gone when it is denied. */
long snapshot_create(const struct call *call, const struct map_request *request, uintptr_t address);

/* What the index lists is read and changed under this lock. */
void snapshot_lock(void);
void snapshot_unlock(void);
/* Under the lock, before and after areas are replaced. */
void snapshot_replaces(void);
/* Whether any were since then, or are being at the moment: then waits for the end of that. */
unsigned int snapshot_replacements(void);
bool snapshot_replaced_since(unsigned int *since);
/* Nobody gets the lock any more, until support/gate.h's gate is opened again. */
void snapshot_before_fork(void);
/* In a child. */
void snapshot_after_fork(void);

struct snapshot_totals {
	uint64_t snapshots, bytes, unprotected;
};
struct snapshot_totals snapshot_totals(void);

/* ---- within the room ---- */

enum verdict { VERDICT_IGNORE, VERDICT_TAKE, VERDICT_LEAVE /* plain, with a reason */ };

struct decision {
	enum verdict verdict;
	bool guard;	     /* the plain mapping may stay while nobody writes */
	bool shared;	     /* a shared read-only mapping */
	bool named;	     /* by the policy, or asked for */
	const char *live;    /* why it is left plain */
	const char *no_copy; /* why pages must not be copied for it, or NULL */
	uint64_t bytes;	     /* that a copy would take at most */
};

/* Of an ordinary file or a block device; path is what the kernel calls it. */
void decide(const struct map_request *request, const struct file *file, char *path,
	    struct decision *out);

/* Why so much must not be copied for it, or NULL. */
const char *decide_copy(uint64_t bytes, bool named);

struct capture {
	/* what to capture, and where the mapping stands */
	const struct map_request *request;
	const struct decision *decision;
	const struct file *file;
	const struct piece *piece;
	int thread;  /* the program's thread whose table has the descriptor */
	bool borrow; /* do not open the file again: the program holds a write lease on it, or is
		      * told of opens */
	/* what came of it, besides what the snapshot itself says */
	int result;	    /* 0: the mapping shows the capture now; -errno: it is untouched */
	const char *reason; /* of a failure, or of a consistency below proven */
	uint64_t bytes;	    /* copied */
};

/* Captures and replaces the mapping of piece, and describes it in the piece's snapshot, which bears
 * the charge from then on. */
void capture_run(struct capture *capture);

/* With the lock held: enters a new snapshot's only piece in the index and numbers it. 0 or -ENOMEM.
 * Snapshots whose addresses it takes are added to *ended, for report_ended once the lock is free.
 */
int piece_enter(const struct piece *piece, struct snapshot **ended);
void report_ended(struct snapshot *ended);
void report_lost(const char *path, uint64_t first, unsigned int count, int error,
		 const char *reason);
/* Under the lock: whether any of the piece's memory within the range still shows it. The kernel is
 * asked: what went away without our knowledge, or was not inherited (MADV_DONTFORK), is still
 * listed. */
bool piece_is_there(const struct piece *piece, uintptr_t start, uintptr_t end);
void snapshot_free(struct snapshot *snapshot);

const char *engine_name(enum engine engine);
const char *consistency_name(enum consistency consistency);
const char *fate_name(enum fate fate);

void totals_reset(void);
void totals_copied(uint64_t bytes);

/* Memory for copies: 0, or -ENOMEM and why. On the capture thread: opens files. */
int budget_charge(uint64_t bytes, const char **reason);
/* By the process that charged them: the copy is gone, or will not be made. */
void budget_return(uint64_t bytes);
/* What this process is charged for copies that it shows or makes: for tests. */
uint64_t budget_charged(void);
void budget_after_fork(void);
struct family;
/* The program that this process ran before had copies: they went with it. */
void budget_drop_what_was(struct family *family);

/* ---- drift.c ---- */

/* Before [start, end) is unmapped: compares what is mapped there of snapshots that this ends, and
 * writes the event. Inside a scope, without the snapshot lock. */
void drift_before_unmap(uintptr_t start, uintptr_t end);
/* The same for all that are left, when the process ends. */
void drift_at_end(void);

/* ---- repeats.c ---- */

/* Whether the new snapshot was only counted: there was one like it, and its bytes (mapped, copied)
 * are added to that. Sets its repeat and its quiet. */
bool repeats_take(struct snapshot *snapshot, const struct trace *trace, uint64_t mapped,
		  uint64_t copied);

/* Whether the end of a quiet one is only counted: nothing happened to it. */
bool repeats_end(const struct snapshot *snapshot);

/* One record for each that has a count, which begins anew. */
void snapshot_repeats(void);
void repeats_after_fork(void);

/* ---- store.c ---- */

struct store;

/* One user's, or NULL. */
struct store *store_new(void);
/* What this process was charged for the pages is returned when they are gone. */
void store_bear(struct store *store, uint64_t charged);
void store_use(struct store *store);
void store_release(struct store *store);

/* ---- on the lease thread ---- */

/* Takes fd, on the copy that was offered: it stays open while the pages are shown, or until others
 * need it. */
struct family_share;
void store_keep(struct store *store, int fd, const struct family_share *share);
/* Any thread: whose pages fd is kept for, with one more user; or NULL. */
struct store *store_of(int fd);
/* Closes those that nobody shows any more. */
void store_drop_unused(void);
/* In a child, or when the lease thread ends: its table is gone, or is about to be. */
void store_forget_kept(void *unused);

#endif
