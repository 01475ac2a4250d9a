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
#include "kernel/thread.h"
#include "support/sys.h"
#include "support/fault.h"
#include "support/text.h"

#define NUMBERS	 1024 /* ours are below */
#define NOTES	 16
#define PATIENCE 1000 /* turns of waiting for another thread's write */
#define TURNS	 16   /* of trying again while another thread takes the number */

struct slot {
	atomic_int number; /* descriptor + 1, so that BSS means none */
	atomic_int users;
	atomic_bool unwelcome;
	struct statx opened;
};

/* The program's, and those of the thread that has a table of its own: told apart by their stack,
 * for that thread has no TLS. */
static struct slot slots[2][GUARDED_COUNT] LARGE;
static _Atomic uintptr_t other_start, other_end;
static atomic_int other_thread;
static atomic_int moving; /* how many threads may have a number that is in no slot */

/* Numbers, + 1, of one thread each. First a thread says which number it is about to have or to
 * take, then it looks whether others have said so: of two at least one sees the other. Where all
 * are in use it does without. */
struct notes {
	atomic_int number[NOTES];
};
static struct notes passing; /* ours, and in no slot: not yet, not for long, or not any more */
static atomic_uint arrivals; /* how many of them came into a slot */
static struct notes taken;   /* where the program puts something; negative: we left ours there */

void guarded_other_table(uintptr_t start, uintptr_t end)
{
	if (!start &&
	    !atomic_load(&other_start)) /* a page that is only read stays the parent's too */
		return;
	atomic_store(&other_end, 0);
	for (int i = 0; i < GUARDED_COUNT; i++)
		slots[1][i] = (struct slot){ 0 };
	atomic_store(&other_thread, start ? sys_gettid() : 0);
	atomic_store(&other_start, start);
	atomic_store(&other_end, end);
}

int guarded_in_other_table(enum guarded_slot which, pid_t *thread)
{
	*thread = atomic_load(&other_thread);
	return atomic_load(&slots[1][which].number) - 1;
}

static bool in_other_table(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return here < atomic_load_explicit(&other_end, memory_order_relaxed) &&
	       here >= atomic_load_explicit(&other_start, memory_order_relaxed);
}

static struct slot *slot_of(enum guarded_slot which)
{
	return &slots[in_other_table()][which];
}

/* The notes are about its numbers alone. */
static bool in_program_table(void)
{
	return !in_other_table() && home_is_here();
}

/* ---- what is open ---- */

struct handle {
	unsigned int bytes;
	int type;
	unsigned char data[128]; /* MAX_HANDLE_SZ */
};

/* A handle tells an inode that is used again from the one before. */
static struct statx_timestamp birth_by_handle(int fd)
{
	struct handle handle = { .bytes = sizeof(handle.data) };
	struct statx_timestamp birth = { 0 };
	int mount;

	if (sys_name_to_handle_at(fd, "", &handle, &mount, AT_EMPTY_PATH))
		return birth;
	for (unsigned int i = 0; i < handle.bytes && i < sizeof(handle.data); i++)
		birth.tv_sec = (int64_t)((uint64_t)birth.tv_sec * 0x100000001b3u ^ handle.data[i]);
	return birth;
}

/* Nothing that makes the next write cost more, as asking for the times does. */
static int look_at(int fd, struct statx *st)
{
	int r = sys_statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_SIZE | STATX_BTIME, st);

	if (!r && !(st->stx_mask & STATX_BTIME)) /* before 4.11, or not in this file system */
		st->stx_btime = birth_by_handle(fd);
	return r;
}

/* The inode of a file that was deleted is soon another's. */
static bool still_is(int fd, const struct statx *opened, uint64_t *size)
{
	struct statx st;

	if (look_at(fd, &st) || st.stx_ino != opened->stx_ino ||
	    st.stx_dev_major != opened->stx_dev_major ||
	    st.stx_dev_minor != opened->stx_dev_minor ||
	    st.stx_btime.tv_sec != opened->stx_btime.tv_sec ||
	    st.stx_btime.tv_nsec != opened->stx_btime.tv_nsec)
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
	if (still_is(number - 1, &slot->opened, size))
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

/* ---- numbers that are on their way ---- */

static void await_none(atomic_int *others)
{
	for (int i = 0; i < PATIENCE && atomic_load(others); i++)
		sys_wait_turn(i);
}

static void note(struct notes *notes, int fd)
{
	for (int i = 0; i < NOTES; i++) {
		int none = 0;
		if (atomic_compare_exchange_strong(&notes->number[i], &none, fd + 1))
			return;
	}
}

static bool change_note(struct notes *notes, int from, int to)
{
	for (int i = 0; i < NOTES; i++) {
		int expected = from;
		if (atomic_compare_exchange_strong(&notes->number[i], &expected, to))
			return true;
	}
	return false;
}

static bool noted(struct notes *notes, int fd)
{
	for (int i = 0; i < NOTES; i++)
		if (fd >= 0 && atomic_load(&notes->number[i]) == fd + 1)
			return true;
	return false;
}

static void passes(int fd)
{
	if (in_program_table())
		note(&passing, fd);
}

static void has_passed(int fd)
{
	if (in_program_table())
		change_note(&passing, fd + 1, 0);
}

/* Where the program is about to put something, or has: what is there is left for its call to
 * close. */
static bool is_left(int fd)
{
	return in_program_table() && change_note(&taken, fd + 1, -(fd + 1));
}

void guarded_close(int fd)
{
	sys_close(fd);
	has_passed(fd);
}

/* ---- opening ---- */

void guarded_move_begin(void)
{
	if (home_is_here())
		atomic_fetch_add(&moving, 1);
}

void guarded_move_end(void)
{
	if (home_is_here())
		atomic_fetch_sub(&moving, 1);
}

void guarded_close_new(int fd)
{
	if (fd >= 0 && !is_left(fd))
		sys_close(fd);
}

static int duplicate(int fd, int least)
{
	return sys_fcntl(fd, F_DUPFD_CLOEXEC, least);
}

/* At a number that the program has not taken since, and is not about to take: there it is left, for
 * the program's call to close. */
static int duplicate_passing(int fd, int least, const struct statx *opened)
{
	uint64_t size;
	int high;

	while ((high = duplicate(fd, least)) >= 0) {
		TEST_POINT("number");
		passes(high);
		if (!is_left(high) && still_is(high, opened, &size))
			break;
		has_passed(high);
	}
	return high;
}

/* Out of the way of programs that count on small numbers. */
static int move_high(int fd, const struct statx *opened)
{
	uint64_t limit = sys_limit(RLIMIT_NOFILE);
	int end = limit < NUMBERS ? (int)limit : NUMBERS;
	int high = duplicate_passing(fd, end > 128 ? end - 64 : end / 2, opened);

	if (high >= NUMBERS) {
		guarded_close(high);
		high = duplicate_passing(fd, end / 2, opened);
	}
	if (high < 0) { /* nothing free up there: any number will do */
		passes(fd);
		return fd;
	}
	sys_close(fd);
	return high;
}

bool guarded_keep(enum guarded_slot which, int *fd)
{
	struct slot *slot = slot_of(which);
	struct statx st;
	int none = 0;

	if (is_left(*fd)) {
		*fd = -EBUSY;
		return false;
	}
	int r = look_at(*fd, &st);
	if (!r)
		*fd = move_high(*fd, &st);
	if (r || !home_is_here())
		return false;
	slot->opened = st;
	TEST_POINT("keep");
	if (!atomic_compare_exchange_strong(&slot->number, &none, *fd + 1))
		return false;
	atomic_fetch_add(&arrivals, 1);
	has_passed(*fd);
	return true;
}

/* ---- over exec ---- */

#define LEAST_COPY 100 /* not a number that a shell or a script names */

int guarded_hand_on(enum guarded_slot which, char buffer[GUARDED_TEXT_BYTES])
{
	const struct statx *opened = &slot_of(which)->opened;
	int fd = guarded_get(which);
	int copy = fd < 0 ? fd : sys_fcntl(fd, F_DUPFD, LEAST_COPY);
	const uint64_t numbers[] = { (uint64_t)copy,
				     opened->stx_dev_major,
				     opened->stx_dev_minor,
				     opened->stx_ino,
				     (uint64_t)opened->stx_btime.tv_sec,
				     opened->stx_btime.tv_nsec };
	struct text text;

	if (copy < 0)
		return -1;
	text_init(&text, buffer, GUARDED_TEXT_BYTES);
	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		text_add(&text, i ? "." : "");
		text_add_hex(&text, numbers[i], 1);
	}
	return copy;
}

static uint64_t next_number(const char **at)
{
	uint64_t value;

	*at = text_read_number(*at, 16, &value);
	*at += **at == '.';
	return value;
}

/* The copy that the text is about, if that is there still; or -1. */
static int find_copy(const char *text)
{
	struct statx opened = { 0 };
	uint64_t size;
	int fd = (int)next_number(&text);

	opened.stx_dev_major = (uint32_t)next_number(&text);
	opened.stx_dev_minor = (uint32_t)next_number(&text);
	opened.stx_ino = next_number(&text);
	opened.stx_btime.tv_sec = (int64_t)next_number(&text);
	opened.stx_btime.tv_nsec = (uint32_t)next_number(&text);
	return fd >= LEAST_COPY && still_is(fd, &opened, &size) ? fd : -1;
}

void guarded_close_copy(const char *text)
{
	sys_close_if_open(find_copy(text));
}

bool guarded_adopt(enum guarded_slot which, const char *text)
{
	int fd = find_copy(text);

	if (fd < 0)
		return false;
	bool kept = guarded_keep(which, &fd);
	if (!kept)
		sys_close_if_open(fd);
	return kept;
}

/* ---- closing ---- */

void guarded_enter(enum guarded_slot which)
{
	atomic_fetch_add(&slot_of(which)->users, 1);
}

/* One of several threads that want to: true for that one. Whoever enters after the number is gone
 * does not find it. */
static bool slot_close(struct slot *slot, int fd)
{
	int number = fd + 1;

	guarded_move_begin();
	passes(fd);
	bool closes = atomic_compare_exchange_strong(&slot->number, &number, 0);
	if (closes) {
		TEST_POINT("close");
		await_none(&slot->users);
		sys_close(fd);
	}
	has_passed(fd);
	guarded_move_end();
	return closes;
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
		slot_close(slot, fd);
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

/* One that comes into a slot after the look there may be noted no more when notes are looked at. */
static bool ours(int fd)
{
	unsigned int before;
	bool found;

	do {
		before = atomic_load(&arrivals);
		found = in_a_slot(fd);
		TEST_POINT("ours");
		found = found || noted(&passing, fd);
	} while (!found && before != atomic_load(&arrivals));
	return found;
}

/* The kernel may just have given the number to a thread that opens one of ours, and does not know
 * it yet: such a thread is waited for. One that begins to open later finds the note, which stays
 * until it has looked. */
bool guarded_take_begin(int fd)
{
	if (!home_is_here())
		return false;
	note(&taken, fd);
	guarded_settle();
	return ours(fd);
}

bool guarded_take_again(int error, int turn)
{
	if (error != EBUSY || turn >= TURNS)
		return false;
	sys_wait_turn(turn);
	return true;
}

void guarded_take_end(int fd, bool done)
{
	if (!home_is_here()) /* nor did it say so: the note would be another's */
		return;
	guarded_settle();
	/* In this order: until the note is gone one of ours may be left there. */
	if (!change_note(&taken, fd + 1, 0) && change_note(&taken, -(fd + 1), 0) && !done)
		sys_close(fd);
}

bool guarded_may_be(int fd)
{
	return atomic_load_explicit(&moving, memory_order_acquire) || in_a_slot(fd);
}

void guarded_settle(void)
{
	await_none(&moving);
}

bool guarded_is(int fd)
{
	bool was = ours(fd);

	guarded_settle();
	return was || ours(fd);
}

static bool slot_give_up(struct slot *slot, int fd)
{
	if (atomic_load(&slot->number) != fd + 1)
		return false;
	atomic_store(&slot->unwelcome, true);
	return slot_close(slot, fd);
}

int guarded_give_up(int fd)
{
	bool closed = false;

	if (!home_is_here())
		return sys_close(fd);
	/* One that is passing may come into a slot. */
	for (int turn = 0; turn < PATIENCE && ours(fd); turn++) {
		for (int i = 0; i < GUARDED_COUNT; i++)
			closed |= slot_give_up(&slots[0][i], fd);
		if (noted(&passing, fd))
			sys_wait_turn(turn);
	}
	return closed || ours(fd) ? 0 : -ENOENT;
}

bool guarded_is_welcome(enum guarded_slot which)
{
	return !atomic_load(&slot_of(which)->unwelcome);
}

void guarded_welcome(enum guarded_slot which)
{
	atomic_store(&slot_of(which)->unwelcome, false);
}

static void clear(atomic_int *number)
{
	if (atomic_load(number))
		atomic_store(number, 0);
}

void guarded_after_fork(void)
{
	for (int i = 0; i < GUARDED_COUNT; i++)
		clear(&slots[0][i].users);
	clear(&moving);
	for (int i = 0; i < NOTES; i++) {
		clear(&passing.number[i]);
		clear(&taken.number[i]);
	}
	guarded_drop(GUARDED_MAPS);
}
