/* SPDX-License-Identifier: MIT */
/*
 * Our descriptors in the program's table: see guarded.h. Lock-free: a slot's
 * number is one atomic, and identity is read only after it was published.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "kernel/guarded.h"
#include "kernel/raw.h"

struct slot {
	atomic_int number; /* descriptor + 1, so that BSS means none */
	uint32_t dev_major, dev_minor;
	uint64_t inode;
};

/* The program's, and those of the thread that has a table of its own: told apart by their stack,
 * for that thread has no TLS. */
static struct slot slots[2][GUARDED_COUNT];
static _Atomic uintptr_t other_start, other_end;

void guarded_other_table(uintptr_t start, uintptr_t end)
{
	atomic_store(&other_end, 0);
	for (int i = 0; i < GUARDED_COUNT; i++)
		atomic_store(&slots[1][i].number, 0);
	atomic_store(&other_start, start);
	atomic_store(&other_end, end);
}

static struct slot *slot_of(enum guarded_slot which)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	bool other = here < atomic_load_explicit(&other_end, memory_order_relaxed) &&
		     here >= atomic_load_explicit(&other_start, memory_order_relaxed);

	return &slots[other][which];
}

static bool still_ours(const struct slot *slot, int fd, uint64_t *size)
{
	struct statx st;

	if (raw_fstat(fd, &st) || st.stx_ino != slot->inode ||
	    st.stx_dev_major != slot->dev_major || st.stx_dev_minor != slot->dev_minor)
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
	atomic_compare_exchange_strong(&slot->number, &number, 0);
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

/* Below the soft limit, but out of the way of programs that count on small numbers. */
static int high_number(void)
{
	struct {
		uint64_t soft, hard;
	} limit;

	if (raw(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) || limit.soft > 65536)
		return 65536 - 64;
	return limit.soft > 128 ? (int)limit.soft - 64 : (int)(limit.soft / 2);
}

static int move_high(int fd)
{
	int high = (int)raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, high_number());

	if (high < 0) /* nothing free up there: any number will do */
		return fd;
	raw_close(fd);
	return high;
}

int guarded_put(enum guarded_slot which, int fd)
{
	struct slot *slot = slot_of(which);
	struct statx st;
	int r = raw_fstat(fd, &st);

	if (r)
		return r;
	fd = move_high(fd);
	slot->inode = st.stx_ino;
	slot->dev_major = st.stx_dev_major;
	slot->dev_minor = st.stx_dev_minor;
	atomic_store(&slot->number, fd + 1);
	return fd;
}

void guarded_drop(enum guarded_slot which)
{
	int fd = guarded_get(which);

	atomic_store(&slot_of(which)->number, 0);
	if (fd >= 0)
		raw_close(fd);
}

bool guarded_is(int fd)
{
	for (int i = 0; i < GUARDED_COUNT; i++)
		if (fd >= 0 &&
		    atomic_load_explicit(&slots[0][i].number, memory_order_relaxed) - 1 == fd)
			return true;
	return false;
}

int guarded_in_range(unsigned int first, unsigned int last)
{
	int found = -1;

	for (int i = 0; i < GUARDED_COUNT; i++) {
		int fd = atomic_load(&slots[0][i].number) - 1;
		if (fd >= 0 && (unsigned int)fd >= first && (unsigned int)fd <= last &&
		    (found < 0 || fd < found))
			found = fd;
	}
	return found;
}

static void slot_yield(struct slot *slot, int fd)
{
	int number = fd + 1;
	int other = (int)raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, high_number());

	/* At the descriptor limit the slot is given up; its owner opens it anew when it can. */
	atomic_compare_exchange_strong(&slot->number, &number, other < 0 ? 0 : other + 1);
}

void guarded_yield(int fd)
{
	for (int i = 0; i < GUARDED_COUNT; i++)
		if (fd >= 0 && atomic_load(&slots[0][i].number) - 1 == fd)
			slot_yield(&slots[0][i], fd);
}
