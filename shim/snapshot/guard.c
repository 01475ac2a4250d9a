/* SPDX-License-Identifier: MIT */
/*
 * Taking files under guard and letting them go: see guard.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "kernel/lease_thread.h"
#include "support/sys.h"
#include "kernel/thread.h"
#include "kernel/vma.h"
#include "snapshot/family.h"
#include "snapshot/lease.h"
#include "snapshot/snapshot.h"
#include "support/fault.h"

struct lease *leases;
static struct lease *unused_leases; /* when this was last looked at */

struct lease *lease_find(const struct file_id *key)
{
	struct lease *lease;

	HASH_FIND(hh, leases, key, sizeof(*key), lease);
	return lease;
}

bool guard_any(void)
{
	return __atomic_load_n(&leases, __ATOMIC_ACQUIRE) != NULL;
}

/* ---- taking ---- */

struct grant {
	const struct capture *capture;
	struct snapshot *ended;
	int result;
};

static void guard_enter(struct lease *lease, struct snapshot *snapshot)
{
	snapshot->lease = lease;
	snapshot->next_guarded = lease->snapshots;
	snapshot->guarded_link = &lease->snapshots;
	if (lease->snapshots)
		lease->snapshots->guarded_link = &snapshot->next_guarded;
	lease->snapshots = snapshot;
}

static int join(struct lease *lease, const struct piece *piece, struct snapshot **ended)
{
	struct snapshot *snapshot = piece->snapshot;
	int r = piece_enter(piece, ended);

	if (r)
		return r;
	guard_enter(lease, snapshot);
	snapshot->shown = lease->shown;
	snapshot->engine = ENGINE_GUARD;
	snapshot->consistency = PROVEN;
	snapshot->whole = true;
	snapshot->fate = FATE_UNTOUCHED;
	snapshot->file_size = lease->file.size;
	return 0;
}

static int join_existing(const struct file *file, const struct piece *piece,
			 struct snapshot **ended)
{
	int r = -ENOENT;

	snapshot_lock();
	struct lease *lease = lease_find(&file->id);
	if (lease)
		r = lease->state == LEASE_HELD ? join(lease, piece, ended) : -EAGAIN;
	snapshot_unlock();
	return r;
}

/* The lease is taken first, and the file looked at under it. */
static int take(int fd, struct file *file, const struct file *expected)
{
	int r = lease_take(fd, lease_thread_number());

	if (!r)
		r = file_at(fd, "", file);
	if (!r && !file_id_equals(&file->id, &expected->id))
		r = -ESTALE;
	file->filesystem = expected->filesystem;
	return r;
}

static int shown_at(uintptr_t address, struct vma_file *file)
{
	struct vma_walk walk;
	struct vma vma = { .inode = 0 };

	vma_walk_begin(&walk, lease_thread_files.maps);
	int r = vma_walk_to(&walk, address, &vma, NULL, 0);
	vma_walk_end(&walk);
	*file = (struct vma_file){ vma.device, vma.inode };
	return r;
}

static void lease_free(struct lease *lease)
{
	arena_free(lease->path, lease->path_size);
	arena_free(lease, sizeof(*lease));
}

static struct lease *lease_new(const struct grant *grant, int fd, const struct file *file)
{
	struct lease *lease = arena_alloc(sizeof(*lease));
	const struct piece *piece = grant->capture->piece;

	if (!lease)
		return NULL;
	lease->fd = lease->signal_fd = fd;
	lease->file = *file;
	lease->looked_at = sys_clock(CLOCK_REALTIME_COARSE);
	lease->granted = family_now();
	lease->path_size = strlen(piece->snapshot->path) + 1;
	lease->path = arena_strdup(piece->snapshot->path);
	if (!lease->path || shown_at(piece->start, &lease->shown)) {
		lease_free(lease);
		return NULL;
	}
	return lease;
}

static int lease_add(struct grant *grant, int fd, const struct file *file)
{
	struct lease *lease = lease_new(grant, fd, file);

	if (!lease)
		return -ENOMEM;
	snapshot_lock();
	HASH_ADD(hh, leases, file.id, sizeof(lease->file.id), lease);
	int r = lease->unlisted ? -ENOMEM : join(lease, grant->capture->piece, &grant->ended);
	if (r && !lease->unlisted)
		HASH_DEL(leases, lease);
	snapshot_unlock();
	if (r)
		lease_free(lease);
	return r;
}

/* Then a copy could not be made when it is needed. */
static bool too_large_to_preserve(const struct file *file)
{
	return (uint64_t)file->size > sys_limit(RLIMIT_FSIZE);
}

static int open_anew(const struct grant *grant)
{
	int fd = thread_open_again(lease_thread_files.proc, grant->capture->thread,
				   grant->capture->request->fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || lease_thread_can_spare(fd))
		return fd;
	sys_close(fd);
	return -EMFILE;
}

static int grant_new(struct grant *grant)
{
	struct file file;
	int fd = open_anew(grant);

	if (fd == -EMFILE) { /* what is let go in a moment has some */
		guard_drop_unused(NULL);
		fd = open_anew(grant);
	}
	int r = fd < 0 ? fd : 0;
	if (!r && too_large_to_preserve(grant->capture->file))
		r = -EFBIG;
	if (!r)
		r = take(fd, &file, grant->capture->file);
	if (!r)
		r = lease_add(grant, fd, &file);
	if (r && fd >= 0)
		sys_close(fd);
	if (!r)
		spare_area_keep();
	return r;
}

static void grant_task(void *argument)
{
	struct grant *grant = argument;

	/* Meanwhile another thread may have had the same file granted. */
	grant->result = join_existing(grant->capture->file, grant->capture->piece, &grant->ended);
	if (grant->result == -ENOENT)
		grant->result = grant_new(grant);
}

int guard_take(const struct capture *capture)
{
	struct grant grant = { .capture = capture };

	if (!lease_is_trusted(capture->file))
		return -EOPNOTSUPP;
	TEST_POINT("grant");
	int r = lease_thread_call(grant_task, &grant);
	report_ended(grant.ended);
	return r ? r : grant.result;
}

int guard_join(const struct capture *capture)
{
	struct snapshot *ended = NULL;
	int r = join_existing(capture->file, capture->piece, &ended);

	report_ended(ended);
	return r;
}

/* ---- letting go ---- */

/* Under the snapshot lock. */
static void unused_remove(struct lease *lease)
{
	struct lease **link = &unused_leases;

	if (!lease->is_unused)
		return;
	while (*link != lease)
		link = &(*link)->next_unused;
	__atomic_store_n(link, lease->next_unused, __ATOMIC_RELAXED);
	lease->is_unused = false;
}

int lease_end(struct lease *lease)
{
	snapshot_lock();
	unused_remove(lease);
	HASH_DEL(leases, lease);
	snapshot_unlock();
	lease_wait_no_more(lease);
	int r = lease->fd < 0 ? -EBADF : lease_release(lease->fd);
	sys_close_if_open(lease->fd);
	lease_free(lease);
	return r;
}

void guard_leave(struct snapshot *snapshot)
{
	struct lease *lease = snapshot->lease;

	snapshot->lease = NULL;
	*snapshot->guarded_link = snapshot->next_guarded;
	if (snapshot->next_guarded)
		snapshot->next_guarded->guarded_link = snapshot->guarded_link;
	if (lease->snapshots || lease->is_unused)
		return;
	lease->is_unused = true;
	lease->next_unused = unused_leases;
	__atomic_store_n(&unused_leases, lease, __ATOMIC_RELAXED);
}

static bool any_unused(void)
{
	return __atomic_load_n(&unused_leases, __ATOMIC_RELAXED);
}

void guard_left(void)
{
	if (any_unused())
		lease_thread_poke();
}

/* Somebody may have joined it again; one that is being copied ends by itself. */
static struct lease *next_unused(void)
{
	struct lease *lease;

	if (!any_unused())
		return NULL;
	snapshot_lock();
	while ((lease = unused_leases)) {
		unused_remove(lease);
		if (lease->snapshots || lease_is_copied(lease))
			continue;
		lease->state = LEASE_BREAKING; /* nobody joins any more */
		break;
	}
	snapshot_unlock();
	return lease;
}

void guard_drop_unused(void *unused)
{
	(void)unused;
	struct lease *lease;

	while ((lease = next_unused())) {
		TEST_POINT("unused");
		lease_end(lease);
	}
	store_drop_unused();
}

/* ---- breaks ---- */

static void preserve_if_broken(struct lease *lease)
{
	if (!lease_is_held(lease->fd))
		lease_break(lease);
}

static void broken(int fd)
{
	struct lease *lease, *following;

	/* Several may have had this number, one here and others in a parent: ask them. */
	HASH_ITER (hh, leases, lease, following)
		if (lease->signal_fd == fd)
			preserve_if_broken(lease);
}

static void ask_all(void)
{
	struct lease *lease, *following;

	HASH_ITER (hh, leases, lease, following)
		preserve_if_broken(lease);
}

/* Where the table is held by a process that has more rights than this thread will have. */
static void get_table(void)
{
	family_get();
}

const struct lease_thread_duties lease_thread_duties = {
	.begins = get_table,
	.broken = broken,
	.ask_all = ask_all,
	.drop_unused = guard_drop_unused,
	.woken = lease_break_done,
};
