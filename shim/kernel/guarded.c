/* SPDX-License-Identifier: MIT */
/*
 * Our descriptors in the program's table: see guarded.h. Lock-free: a slot's
 * number is one atomic, and identity is read only after it was published.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "kernel/guarded.h"
#include "kernel/home.h"
#include "kernel/raw.h"

#define NUMBERS	 1024 /* ours are below */
#define PATIENCE 1000 /* turns of waiting for another thread's write */
#define TURNS	 16   /* without sleeping */

struct slot {
	atomic_int number; /* descriptor + 1, so that BSS means none */
	atomic_int users;
	atomic_bool unwelcome;
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	struct statx_timestamp birth;
};

/* The program's, and those of the thread that has a table of its own: told apart by their stack,
 * for that thread has no TLS. */
static struct slot slots[2][GUARDED_COUNT];
static _Atomic uintptr_t other_start, other_end;
static atomic_int other_thread;
static atomic_int opening; /* how many threads may have a number that is in no slot yet */
static atomic_int taking;  /* how many are about to put something at a number */

void guarded_other_table(uintptr_t start, uintptr_t end)
{
	atomic_store(&other_end, 0);
	for (int i = 0; i < GUARDED_COUNT; i++)
		slots[1][i] = (struct slot){ 0 };
	atomic_store(&other_thread, start ? (int)raw(SYS_gettid) : 0);
	atomic_store(&other_start, start);
	atomic_store(&other_end, end);
}

int guarded_in_other_table(enum guarded_slot which, pid_t *thread)
{
	*thread = atomic_load(&other_thread);
	return atomic_load(&slots[1][which].number) - 1;
}

static struct slot *slot_of(enum guarded_slot which)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	bool other = here < atomic_load_explicit(&other_end, memory_order_relaxed) &&
		     here >= atomic_load_explicit(&other_start, memory_order_relaxed);

	return &slots[other][which];
}

/* ---- what is open ---- */

/* Nothing that makes the next write cost more, as asking for the times does. */
static int look_at(int fd, struct statx *st)
{
	int r = raw_statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_SIZE | STATX_BTIME, st);

	if (!r && !(st->stx_mask & STATX_BTIME))
		st->stx_btime = (struct statx_timestamp){ 0 };
	return r;
}

/* The inode of a file that was deleted is soon another's. */
static bool still_ours(const struct slot *slot, int fd, uint64_t *size)
{
	struct statx st;

	if (look_at(fd, &st) || st.stx_ino != slot->inode || st.stx_dev_major != slot->dev_major ||
	    st.stx_dev_minor != slot->dev_minor || st.stx_btime.tv_sec != slot->birth.tv_sec ||
	    st.stx_btime.tv_nsec != slot->birth.tv_nsec)
		return false;
	*size = st.stx_size;
	return true;
}

int guarded_get_size(enum guarded_slot which, uint64_t *size)
{
	struct slot *slot = slot_of(which);
	int number = atomic_load(&slot->number);

	if (!number)
		return -1;
	if (still_ours(slot, number - 1, size))
		return number - 1;
	/* Taken by a call that was not seen; or it is only this process's table, not its memory. */
	if (home_is_here() && atomic_compare_exchange_strong(&slot->number, &number, 0))
		atomic_store(&slot->unwelcome, true);
	return -1;
}

int guarded_get(enum guarded_slot which)
{
	uint64_t size;

	return guarded_get_size(which, &size);
}

int guarded_get_unchecked(enum guarded_slot which)
{
	return atomic_load(&slot_of(which)->number) - 1;
}

/* ---- opening ---- */

static void await_none(atomic_int *others, int turns)
{
	struct timespec moment = { 0, 200000 };

	for (int i = 0; i < turns && atomic_load(others); i++)
		if (i < TURNS)
			raw(SYS_sched_yield);
		else
			raw(SYS_nanosleep, &moment, 0);
}

void guarded_open_begin(void)
{
	if (home_is_here())
		atomic_fetch_add(&opening, 1);
}

void guarded_open_end(void)
{
	if (home_is_here())
		atomic_fetch_sub(&opening, 1);
}

static int duplicate(int fd, int least)
{
	return (int)raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least);
}

/* Out of the way of programs that count on small numbers. */
static int move_high(int fd)
{
	struct {
		uint64_t soft, hard;
	} limit;

	if (raw(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) || limit.soft > NUMBERS)
		limit.soft = NUMBERS;
	int middle = (int)limit.soft / 2;
	int high = duplicate(fd, limit.soft > 128 ? (int)limit.soft - 64 : middle);
	if (high >= NUMBERS) {
		raw_close(high);
		high = duplicate(fd, middle);
	}
	if (high < 0) /* nothing free up there: any number will do */
		return fd;
	raw_close(fd);
	return high;
}

bool guarded_keep(enum guarded_slot which, int *fd)
{
	struct slot *slot = slot_of(which);
	struct statx st;
	int none = 0;

	int r = look_at(*fd, &st);
	*fd = move_high(*fd);
	if (r || !home_is_here())
		return false;
	slot->inode = st.stx_ino;
	slot->dev_major = st.stx_dev_major;
	slot->dev_minor = st.stx_dev_minor;
	slot->birth = st.stx_btime;
	if (!atomic_compare_exchange_strong(&slot->number, &none, *fd + 1))
		return false;
	/* Not longer: a signal handler may have interrupted it, or have left it. */
	await_none(&taking, TURNS);
	return true;
}

/* ---- closing ---- */

void guarded_enter(enum guarded_slot which)
{
	atomic_fetch_add(&slot_of(which)->users, 1);
}

/* One of several threads that want to. Whoever enters after the number is gone does not find it. */
static int slot_close(struct slot *slot, int number)
{
	if (!atomic_compare_exchange_strong(&slot->number, &number, 0))
		return -EBADF;
	await_none(&slot->users, PATIENCE);
	return raw_close(number - 1);
}

void guarded_leave(enum guarded_slot which)
{
	struct slot *slot = slot_of(which);

	if (atomic_fetch_sub(&slot->users, 1) == 1 && atomic_load(&slot->unwelcome))
		guarded_drop(which);
}

void guarded_drop(enum guarded_slot which)
{
	struct slot *slot = slot_of(which);
	int fd = guarded_get(which);

	if (fd >= 0 && home_is_here())
		slot_close(slot, fd + 1);
}

int guarded_number(enum guarded_slot which)
{
	return atomic_load_explicit(&slots[0][which].number, memory_order_relaxed) - 1;
}

static bool in_a_slot(int fd)
{
	for (int i = 0; i < GUARDED_COUNT; i++)
		if (fd >= 0 && guarded_number(i) == fd)
			return true;
	return false;
}

void guarded_take_begin(void)
{
	atomic_fetch_add(&taking, 1);
}

void guarded_take_end(void)
{
	atomic_fetch_sub(&taking, 1);
}

bool guarded_may_be(int fd)
{
	return in_a_slot(fd) || atomic_load_explicit(&opening, memory_order_relaxed);
}

void guarded_settle(void)
{
	await_none(&opening, PATIENCE);
}

bool guarded_is(int fd)
{
	guarded_settle();
	return in_a_slot(fd);
}

int guarded_give_up(int fd)
{
	for (int i = 0; i < GUARDED_COUNT; i++) {
		struct slot *slot = &slots[0][i];
		if (guarded_number(i) != fd || !home_is_here())
			continue;
		atomic_store(&slot->unwelcome, true);
		int r = slot_close(slot, fd + 1);
		if (r != -EBADF)
			return r;
	}
	return raw_close(fd);
}

bool guarded_is_welcome(enum guarded_slot which)
{
	return !atomic_load(&slot_of(which)->unwelcome);
}

void guarded_welcome(enum guarded_slot which)
{
	atomic_store(&slot_of(which)->unwelcome, false);
}

void guarded_after_fork(void)
{
	for (int i = 0; i < GUARDED_COUNT; i++)
		atomic_store(&slots[0][i].users, 0);
	atomic_store(&opening, 0);
	atomic_store(&taking, 0);
	guarded_drop(GUARDED_MAPS);
}
