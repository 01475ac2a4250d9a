/* SPDX-License-Identifier: MIT */
/*
 * Preserved pages, which several snapshots show: what they are charged at in the memory budget, and
 * the descriptor through which the rest of the family finds them. They are there until the last
 * snapshot is gone.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernel/thread.h"
#include "kernel/lease_thread.h"
#include "snapshot/family.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"
#include "support/sys.h"

struct store {
	atomic_uint users;
	atomic_bool kept; /* one of the users is the list below */
	uint64_t charged;
	pid_t process; /* that charged it */
};

struct store *store_new(void)
{
	struct store *store = arena_alloc(sizeof(*store));

	if (store)
		atomic_store(&store->users, 1);
	return store;
}

void store_bear(struct store *store, uint64_t charged)
{
	store->charged = charged;
	store->process = home_process();
}

void store_use(struct store *store)
{
	atomic_fetch_add(&store->users, 1);
}

void store_release(struct store *store)
{
	bool kept = atomic_load(&store->kept);
	unsigned int left = atomic_fetch_sub(&store->users, 1) - 1;

	if (left == 1 && kept)
		lease_thread_poke();
	if (left)
		return;
	if (store->process == home_process())
		budget_return(store->charged);
	arena_free(store, sizeof(*store));
}

/* ---- descriptors that are kept ---- */

#define KEPT 256

static struct kept {
	struct store *store;
	int fd;
	struct family_entry *entry; /* through which it is found */
	uint64_t state;
} kept_list[KEPT] LARGE;
static unsigned int next_place;

static void let_go(struct kept *kept, bool close)
{
	struct store *store = kept->store;

	if (!store)
		return;
	kept->store = NULL;
	if (close) {
		family_withdraw(kept->entry, kept->state);
		sys_close(kept->fd);
	}
	atomic_store(&store->kept, false);
	store_release(store);
}

void store_keep(struct store *store, int fd, const struct family_share *share)
{
	struct kept *place = &kept_list[next_place++ % KEPT];

	if (!lease_thread_can_spare(fd)) {
		family_withdraw(share->entry, share->state);
		sys_close(fd);
		return;
	}
	snapshot_lock();
	let_go(place, true);
	store_use(store);
	*place = (struct kept){ store, fd, share->entry, share->state };
	atomic_store(&store->kept, true);
	snapshot_unlock();
}

struct store *store_of(int fd)
{
	struct store *found = NULL;

	snapshot_lock();
	for (size_t i = 0; !found && i < KEPT; i++)
		if (kept_list[i].store && kept_list[i].fd == fd)
			found = kept_list[i].store;
	if (found)
		store_use(found);
	snapshot_unlock();
	return found;
}

void store_drop_unused(void)
{
	if (!next_place) /* nothing was kept yet */
		return;
	snapshot_lock();
	for (size_t i = 0; i < KEPT; i++)
		if (kept_list[i].store && atomic_load(&kept_list[i].store->users) == 1)
			let_go(&kept_list[i], true);
	snapshot_unlock();
}

void store_forget_kept(void *unused)
{
	(void)unused;
	for (size_t i = 0; next_place && i < KEPT; i++)
		let_go(&kept_list[i], false);
}
