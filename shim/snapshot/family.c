/* SPDX-License-Identifier: MIT */
/*
 * The family's table: see family.h. Changed without locks, as a process may be stopped or killed at
 * any step: who claims an entry puts its own number into the entry's state, and writes to a place
 * that is for this claim alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#include "kernel/thread.h"
#include "kernel/lease_thread.h"
#include "snapshot/family.h"
#include "support/arena.h"
#include "support/sys.h"
#include "support/text.h"

/* A copy, and where it is open. */
struct offer {
	struct file_id file, copy;
	struct file_version version;
	struct window window;
	unsigned int number;
	int fd, engine;
	bool at_once;
};

/* Of one claim. */
struct claimed {
	_Atomic uint64_t writer; /* the state of whose claim it is for, until that is settled */
	atomic_uint claim;	 /* that this is about: said last */
	struct offer offer;
};

#define PLACES 4
struct family_entry {
	_Atomic uint64_t state;
	atomic_int turns; /* counts its changes, for who waits */
	struct claimed places[PLACES];
};

#define ENTRIES 1024
struct family_table {
	_Atomic uint64_t layout; /* whose: 64 and 32 bit differ */
	struct family family;
	struct family_entry entries[ENTRIES];
};

static struct family_table *_Atomic table;
static atomic_bool is_near; /* the table was looked at in this process */

/* ---- the table ---- */

/* Where process numbers are of another namespace nobody can be found by them. */
static uint64_t numbers_here(void)
{
	struct file file;

	return file_at(AT_FDCWD, "/proc/self/ns/pid", &file) ? 0 : file.inode;
}

/* Where the one is that `mmfence run' holds. */
static struct {
	uint64_t process, fd, inode;
} held;

void family_is_at(const char *where)
{
	const char *at = where ? text_read_number(where, 10, &held.process) : "";

	if (*at == '/')
		at = text_read_number(at + 1, 10, &held.fd);
	if (*at == '/')
		text_read_number(at + 1, 10, &held.inode);
}

/* All processes must agree about it. */
_Static_assert(sizeof(struct family_table) <= FAMILY_BYTES, "the table has room");
#define LAYOUT (sizeof(struct family_table) << 8 | sizeof(long))

/* The number may be another process's by now, and a device is not opened to find out. */
static int held_open(void)
{
	struct file file;
	char path[64];

	if (!held.inode)
		return -ENOENT;
	text_make(path, sizeof(path), "/proc/%u/fd/%u", (unsigned int)held.process,
		  (unsigned int)held.fd);
	if (file_at(AT_FDCWD, path, &file) || file.inode != held.inode || file.size != FAMILY_BYTES)
		return -ESTALE;
	int fd = sys_open(path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	int seals = sys_fcntl(fd, F_GET_SEALS, 0);
	if (seals > 0 && (seals & FAMILY_SEALS) == FAMILY_SEALS)
		return fd;
	sys_close(fd);
	return -ESTALE;
}

/* The numbers in it are this namespace's from now on, if they are nobody's: whether they are. */
static bool numbers_claim(struct family_table *it)
{
	uint64_t numbers = 0, here = numbers_here();

	return atomic_compare_exchange_strong(&it->family.numbers, &numbers, here) ||
	       numbers == here;
}

static bool is_mine(struct family_table *new)
{
	uint64_t layout = 0;

	return (atomic_compare_exchange_strong(&new->layout, &layout, LAYOUT) ||
		layout == LAYOUT) &&
	       numbers_claim(new);
}

static long held_map(void)
{
	int fd = held_open();
	long at = fd < 0 ? fd
			 : place_map(sizeof(struct family_table), PROT_READ | PROT_WRITE,
				     MAP_SHARED, fd, 0);

	sys_close_if_open(fd);
	if (sys_failed(at))
		return at;
	struct family_table *new = (struct family_table *)at;
	if (!is_mine(new)) {
		place_unmap(at, sizeof(struct family_table));
		return -ESTALE;
	}
	atomic_store(&new->family.forked, true);
	budget_drop_what_was(&new->family);
	return at;
}

static struct family_table *table_new(struct family_table *old)
{
	long at = held_map();

	if (sys_failed(at))
		at = place_map(sizeof(struct family_table), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(at))
		return NULL;
	struct family_table *new = (struct family_table *)at;
	if (atomic_compare_exchange_strong(&table, &old, new))
		return new;
	place_unmap(at, sizeof(struct family_table));
	return old;
}

static struct family_table *table_get(void)
{
	struct family_table *here = atomic_load(&table);

	if (here && !atomic_load(&is_near) && here->family.numbers != numbers_here())
		here = table_new(here);
	else if (!here)
		here = table_new(NULL);
	atomic_store(&is_near, here != NULL);
	return here;
}

struct family *family_get(void)
{
	struct family_table *here = table_get();

	return here ? &here->family : NULL;
}

void family_grows(void)
{
	struct family_table *here = atomic_load(&table);

	if (!here)
		return;
	if (!atomic_load(&here->family.numbers)) /* before that nobody asks whose they are */
		numbers_claim(here);
	atomic_store(&here->family.forked, true);
}

void family_after_fork(void)
{
	atomic_store(&is_near, false);
}

unsigned int family_now(void)
{
	struct family *family = family_get();

	return family ? atomic_load(&family->offers) : UINT_MAX;
}

/* Of this one: 0. */
static bool has_program(pid_t process)
{
	char path[40] = "/proc/self/exe", link[1];

	if (process)
		text_make(path, sizeof(path), "/proc/%u/exe", (unsigned int)process);
	return sys_readlinkat(AT_FDCWD, path, link, sizeof(link)) != -ENOENT;
}

bool family_has_left(pid_t process)
{
	return sys_tgkill(process, process, 0) == -ESRCH ||
	       (!has_program(process) && has_program(0));
}

/* ---- an entry's state: what it is, who made it so, and how often it was claimed ---- */

enum entry_kind { NOTHING, CLAIMED, OFFERED };
#define KIND_BITS   2
#define NUMBER_BITS 22 /* PID_MAX_LIMIT */

static uint64_t state_make(enum entry_kind kind, uint64_t claims)
{
	uint64_t state = claims << NUMBER_BITS | (unsigned int)home_process();

	state = state << NUMBER_BITS | (unsigned int)lease_thread_number();
	return state << KIND_BITS | kind;
}

static enum entry_kind kind_of(uint64_t state)
{
	return state & ((1 << KIND_BITS) - 1);
}

static pid_t thread_of(uint64_t state)
{
	return (pid_t)(state >> KIND_BITS & ((1 << NUMBER_BITS) - 1));
}

static pid_t process_of(uint64_t state)
{
	return (pid_t)(state >> (KIND_BITS + NUMBER_BITS) & ((1 << NUMBER_BITS) - 1));
}

static uint64_t claims_of(uint64_t state)
{
	return state >> (KIND_BITS + 2 * NUMBER_BITS);
}

static struct claimed *place_of(struct family_entry *entry, uint64_t state)
{
	return &entry->places[claims_of(state) % PLACES];
}

/* A thread that is not its process's first leaves nothing behind. */
static bool is_gone(uint64_t state)
{
	return sys_tgkill(process_of(state), thread_of(state), 0) == -ESRCH;
}

static struct family_entry *entry_for(struct family_table *here, const struct family_share *share)
{
	const struct file_id *file = &share->file;
	uint64_t part = share->at_once ? (uint64_t)share->window.start + 1 : 0;
	uint64_t mixed = (file->inode ^ file->device << 7 ^ file->subvolume ^ part << 20) *
			 0x9e3779b97f4a7c15ULL;

	return &here->entries[(mixed >> 32) % ENTRIES];
}

/* ---- asking ---- */

static bool is_for(const struct offer *offer, const struct family_share *share)
{
	return file_id_equals(&offer->file, &share->file) && offer->at_once == share->at_once;
}

static bool serves(const struct offer *offer, const struct family_share *share)
{
	bool same = share->at_once ? file_is_unchanged(&offer->version, &share->version)
				   : offer->number > share->granted;

	return same && is_for(offer, share) && offer->window.start <= share->window.start &&
	       offer->window.end >= share->window.end;
}

/* A process of the family that gave up its rights can write to the table still: it could name what
 * it made itself, or a file that this process has open. Copies have no name. */
static bool is_trusted(int there)
{
	struct statx st;

	return !sys_fstat(there, &st) && !st.stx_nlink &&
	       (!st.stx_uid || st.stx_uid == (uint32_t)sys_geteuid());
}

/* From the table of the thread that has it. By now its number may be that of a file with a lease,
 * which an open for writing would break and wait for: it is opened when it is known. */
static int open_copy(const struct family_share *share, uint64_t state, const struct offer *offer)
{
	char path[96];
	struct file file;

	text_make(path, sizeof(path), "%s/%u/task/%u/fd/%u", share->abroad ? "/proc" : "..",
		  (unsigned int)process_of(state), (unsigned int)thread_of(state),
		  (unsigned int)offer->fd);
	int proc = share->abroad ? -1 : lease_thread_files.proc;
	int there = sys_open_in(share->abroad ? AT_FDCWD : proc, path, O_PATH);
	if (there < 0)
		return there;
	int fd = -ESTALE;
	if (!file_at(there, "", &file) && file_id_equals(&file.id, &offer->copy) &&
	    is_trusted(there))
		fd = thread_open_again(proc, 0, there, O_RDWR);
	sys_close(there);
	return fd;
}

static bool get(struct family_share *share, uint64_t state)
{
	const struct offer offer = place_of(share->entry, state)->offer;

	if (!serves(&offer, share))
		return false;
	int fd = open_copy(share, state, &offer);
	if (fd >= 0 && atomic_load(&share->entry->state) != state) {
		sys_close(fd);
		return false;
	}
	share->fd = fd;
	share->kept = process_of(state) == home_process() ? offer.fd : -1;
	share->engine = offer.engine;
	return fd >= 0;
}

/* Whoever lost a claim may be stopped, and write to its place when it goes on: none is given away
 * before that. */
static struct claimed *place_take(struct family_share *share, uint64_t seen)
{
	for (uint64_t i = 1; i <= PLACES; i++) {
		uint64_t mine = state_make(CLAIMED, claims_of(seen) + i);
		struct claimed *place = place_of(share->entry, mine);
		uint64_t writer = atomic_load(&place->writer);

		if ((writer && !is_gone(writer)) ||
		    !atomic_compare_exchange_strong(&place->writer, &writer, mine))
			continue;
		share->state = mine;
		return place;
	}
	return NULL;
}

/* BUSY: another was first. */
static enum family_turn claim(struct family_share *share, uint64_t seen)
{
	struct claimed *place = place_take(share, seen);

	if (!place)
		return FAMILY_ALONE;
	if (!atomic_compare_exchange_strong(&share->entry->state, &seen, share->state)) {
		atomic_store(&place->writer, 0);
		return FAMILY_BUSY;
	}
	place->offer.file = share->file;
	place->offer.at_once = share->at_once;
	atomic_store(&place->claim, (unsigned int)claims_of(share->state));
	return FAMILY_MINE;
}

/* Or cannot be told yet. */
static bool is_about(const struct family_share *share, uint64_t state)
{
	const struct claimed *place = place_of(share->entry, state);

	return atomic_load(&place->claim) != claims_of(state) || is_for(&place->offer, share);
}

/* Seen is what it was about. */
static enum family_turn ask(struct family_share *share, uint64_t *seen)
{
	enum family_turn turn;

	do {
		*seen = atomic_load(&share->entry->state);
		if (kind_of(*seen) == OFFERED && get(share, *seen))
			return FAMILY_THERE;
		if (kind_of(*seen) == CLAIMED && !is_gone(*seen))
			return is_about(share, *seen) ? FAMILY_BUSY : FAMILY_ALONE;
		turn = claim(share, *seen);
	} while (turn == FAMILY_BUSY);
	return turn;
}

static bool find_entry(struct family_share *share)
{
	struct family_table *here = table_get();

	if (!here || !(share->at_once || atomic_load(&here->family.forked)))
		return false;
	share->entry = entry_for(here, share);
	return true;
}

enum family_turn family_ask(struct family_share *share)
{
	uint64_t seen;

	return find_entry(share) ? ask(share, &seen) : FAMILY_ALONE;
}

/* ---- waiting ---- */

#define MILLISECOND 1000000
#define LONGEST \
	(10000LL * MILLISECOND) /* a part of what the kernel gives whoever holds a writer up */

/* What a copy of that many bytes takes at the most, where nobody is stopped. */
static int64_t patience(const struct window *window)
{
	return 100 * MILLISECOND + (window->end - window->start) * 5;
}

enum family_turn family_wait(struct family_share *share)
{
	const struct timespec moment = { 0, 20 * MILLISECOND };
	int64_t begun = sys_clock(CLOCK_MONOTONIC), since = begun, now;
	uint64_t seen, before = 0;

	if (!find_entry(share))
		return FAMILY_ALONE;
	for (;; before = seen) {
		int turns = atomic_load(&share->entry->turns);
		enum family_turn turn = ask(share, &seen);
		if (turn != FAMILY_BUSY)
			return turn;
		now = sys_clock(CLOCK_MONOTONIC);
		if (now - begun > LONGEST)
			return FAMILY_ALONE;
		if (seen != before)
			since = now;
		else if (now - since > patience(&share->window) &&
			 (turn = claim(share, seen)) != FAMILY_BUSY)
			return turn;
		sys_futex(&share->entry->turns, FUTEX_WAIT, turns, &moment);
	}
}

/* ---- offering ---- */

void family_offer(struct family_share *share, int fd, int engine, const struct window *window)
{
	struct family_table *here = atomic_load(&table);
	struct offer *offer = &place_of(share->entry, share->state)->offer;
	struct file file = { .inode = 0 };

	file_at(fd, "", &file);
	offer->copy = file.id;
	offer->version = share->version;
	offer->window = *window;
	offer->fd = fd;
	offer->engine = engine;
	offer->number = atomic_fetch_add(&here->family.offers, 1) + 1;
}

void family_settle(struct family_share *share, bool good)
{
	uint64_t mine = share->state;

	/* Unless another lost patience. */
	atomic_compare_exchange_strong(&share->entry->state, &mine,
				       state_make(good ? OFFERED : NOTHING, claims_of(mine)));
	atomic_store(&place_of(share->entry, share->state)->writer, 0);
	atomic_fetch_add(&share->entry->turns, 1);
	sys_futex(&share->entry->turns, FUTEX_WAKE, INT_MAX, NULL);
}

/* Who opened another file under that number finds the state changed. */
void family_withdraw(struct family_entry *entry, uint64_t state)
{
	uint64_t none = state - kind_of(state) + NOTHING, offered = none + OFFERED;

	if (!atomic_compare_exchange_strong(&entry->state, &offered, none))
		atomic_compare_exchange_strong(&entry->state, &state, none);
}
