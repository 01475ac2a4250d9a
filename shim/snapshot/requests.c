/* SPDX-License-Identifier: MIT */
/*
 * What the program's threads want of the guard besides: that files be preserved now, before a
 * call that could not be served after it, and that the lease thread follow what the process
 * becomes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "audit/sink.h"
#include "kernel/capability.h"
#include "kernel/file.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "snapshot/guard.h"
#include "kernel/lease_thread.h"
#include "snapshot/lease.h"
#include "snapshot/snapshot.h"

/* ---- preserve now ---- */

struct wish {
	struct file_id key;
	const char *trigger;
	int result;
};

static void preserve_task(void *argument)
{
	struct wish *wish = argument;
	struct lease *lease = lease_find(&wish->key);

	wish->result = lease ? lease_preserve(lease, wish->trigger) : 0;
}

static void preserve_all_task(void *argument)
{
	struct wish *wish = argument;
	struct lease *lease, *following;

	HASH_ITER (hh, leases, lease, following)
		lease_preserve(lease, wish->trigger);
}

/* The first guarded piece in the range. */
static bool guarded_in(uintptr_t start, uintptr_t end, bool shared_too, struct file_id *key)
{
	struct piece piece;
	bool found = false;

	snapshot_lock();
	for (uintptr_t at = start; !found && index_next(at, &piece) && piece.start < end;
	     at = piece.end)
		if (piece.snapshot->lease && (shared_too || !piece.snapshot->shared)) {
			*key = piece.snapshot->lease->file.id;
			found = true;
		}
	snapshot_unlock();
	return found;
}

static int preserve_file(const struct file_id *key, const char *trigger)
{
	struct wish wish = { .key = *key, .trigger = trigger };
	int r = lease_thread_call_running(preserve_task, &wish);

	return r ? r : wish.result;
}

static int preserve_in(uintptr_t start, uintptr_t end, bool shared_too, const char *trigger)
{
	struct file_id key;
	int result = 0;

	while (guard_any() && guarded_in(start, end, shared_too, &key)) {
		int r = preserve_file(&key, trigger);
		if (r == -ESRCH) /* no lease thread, no guard */
			return r;
		if (r)
			result = r;
	}
	return result;
}

int mapping_preserve(uintptr_t start, uintptr_t end, const char *trigger)
{
	return preserve_in(start, end, true, trigger);
}

long snapshot_before_write(uintptr_t address, size_t length)
{
	/* A shared one cannot be made writable. */
	int r = preserve_in(address, address + PAGE_UP(length), false, "protect");

	return r && the_policy.snapshot_on_failure == ON_FAILURE_DENY ? -ENOMEM : 0;
}

/* ---- cut off, or changed by who broke a lease by force, and nobody came after it ---- */

struct look {
	const struct file_id *id;
	const char *loss;
};

static void look_task(void *argument)
{
	struct look *look = argument;
	struct lease *lease = lease_find(look->id);

	look->loss = lease ? lease_loss(lease, sys_microseconds()) : NULL;
}

const char *guard_loss(const struct snapshot *snapshot)
{
	struct look look = { &snapshot->file, NULL };
	struct file now;
	/* By its name, which costs no other thread's time. */
	bool as_it_was = !file_is(AT_FDCWD, snapshot->path, &snapshot->file, &now) &&
			 now.size >= snapshot->file_size;

	/* Only under the lease: once that is gone, which may be since a moment ago, writers may cut
	 * off what they like. */
	if (!as_it_was && home_is_here())
		lease_thread_call_running(look_task, &look);
	return look.loss;
}

static void lose_task(void *unused)
{
	struct lease *lease, *following;
	const char *loss;

	(void)unused;
	HASH_ITER (hh, leases, lease, following)
		if (lease->snapshots && !lease_is_copied(lease) &&
		    (loss = lease_loss(lease, sys_microseconds())))
			lease_lose(lease, loss);
}

void guard_look_at_end(void)
{
	bool doubtful = false;
	struct file now;

	if (!guard_any() || !home_is_here())
		return;
	snapshot_lock();
	for (struct lease *lease = leases; lease && !doubtful; lease = lease->hh.next)
		doubtful = lease->snapshots &&
			   (file_is(AT_FDCWD, lease->path, &lease->file.id, &now) ||
			    !file_is_unchanged(&lease->file.version, &now.version));
	snapshot_unlock();
	if (doubtful)
		lease_thread_call_running(lose_task, NULL);
}

bool guard_let_in(int directory, const char *path)
{
	struct file file;

	if (!home_is_here() || file_at(directory, path, &file))
		return false;
	/* It may be gone from the table already, because the lease thread was faster: then it is
	 * gone altogether once the lease thread has answered. */
	return !preserve_file(&file.id, "break");
}

void guard_drop_now(void)
{
	if (home_is_here())
		lease_thread_call_running(guard_drop_unused, NULL);
}

/* ---- before calls that the lease thread would be in the way of, or could not serve after ---- */

void guard_preserve_all_and_stop(const char *trigger)
{
	struct wish wish = { .trigger = trigger };

	if (!lease_thread_running() || !home_is_here())
		return;
	lease_thread_call_running(preserve_all_task, &wish);
	sink_take_back();
	lease_thread_stop(store_forget_kept);
}

static atomic_bool opens_no_more;

void guard_open_no_more(void)
{
	if (home_is_here() && !atomic_exchange(&opens_no_more, true))
		guard_preserve_all_and_stop("fanotify");
}

bool guard_may_open(void)
{
	return !atomic_load_explicit(&opens_no_more, memory_order_relaxed);
}

struct lower_limit {
	struct wish wish;
	int resource;
	uint64_t limit;
};

static int64_t largest_file(void)
{
	int64_t largest = 0;

	for (struct lease *lease = leases; lease; lease = lease->hh.next)
		if (lease->file.size > largest)
			largest = lease->file.size;
	return largest;
}

static bool can_serve_under(int resource, uint64_t limit)
{
	switch (resource) {
	case RLIMIT_NOFILE:
		return lease_thread_could_serve(limit);
	case RLIMIT_FSIZE:
		return limit >= (uint64_t)largest_file();
	default:
		return limit == RLIM64_INFINITY; /* what else takes address space is not known */
	}
}

static bool is_locked(struct attributes_walk *areas, const struct piece *piece)
{
	for (uintptr_t at = piece->start; at < piece->end; at = areas->end) {
		if (attributes_at(areas, at)->flags & ATTRIBUTE_LOCKED)
			return true;
		if (areas->end <= at)
			break;
	}
	return false;
}

/* From *at on. */
static struct lease *next_locked(struct attributes_walk *areas, uintptr_t *at)
{
	struct piece piece;

	while (index_next(*at, &piece)) {
		*at = piece.end;
		if (piece.snapshot->lease && is_locked(areas, &piece))
			return piece.snapshot->lease;
	}
	return NULL;
}

/* What is locked could not be locked again: neither what replaces it, nor, after mlockall, anything
 * that is mapped. */
static void preserve_locked(const char *trigger)
{
	struct attributes_walk areas;
	struct lease *lease;
	uintptr_t at = 0;

	attributes_walk_begin(&areas, lease_thread_files.proc);
	do {
		snapshot_lock();
		lease = next_locked(&areas, &at);
		snapshot_unlock();
		if (lease)
			lease_preserve(lease, trigger);
	} while (lease);
	attributes_walk_end(&areas);
}

static void limit_task(void *argument)
{
	struct lower_limit *lower = argument;

	if (lower->resource == RLIMIT_MEMLOCK)
		preserve_locked(lower->wish.trigger);
	else if (!can_serve_under(lower->resource, lower->limit))
		preserve_all_task(&lower->wish);
}

void guard_before_limit(int resource, uint64_t limit)
{
	struct lower_limit lower = { { .trigger = "limit" }, resource, limit };

	if (home_is_here() && (resource != RLIMIT_MEMLOCK || attributes_noted()))
		lease_thread_call_running(limit_task, &lower);
}

/* ---- credentials ---- */

struct identity_change {
	struct credentials credentials;
	int result;
};

static void follow_task(void *argument)
{
	struct identity_change *follow = argument;

	follow->result = credentials_set(&follow->credentials);
}

void guard_follow_credentials(void)
{
	struct identity_change *follow =
		lease_thread_running() && home_is_here() ? arena_alloc(sizeof(*follow)) : NULL;

	if (!follow)
		return;
	int r = credentials_get(&follow->credentials);
	if (!r)
		r = lease_thread_call_running(follow_task, follow);
	if (r || follow->result)
		guard_preserve_all_and_stop("credentials");
	arena_free(follow, sizeof(*follow));
}
