/* SPDX-License-Identifier: MIT */
/*
 * S3, S4 for guarded mappings: areas keep what the program made of them when the old pages come in
 * their place, and its own stores.
 */
#include <sys/uio.h>

#include "guard_view.h"

static void same_areas(const struct area *before, const char *view, size_t pages)
{
	struct area now;

	for (size_t i = 0; i < pages; i++) {
		area_get(view + i * PAGE, &now);
		promise(!strcmp(before[i].flags, now.flags), "page %zu: VmFlags%s, were%s", i,
			now.flags, before[i].flags);
		promise(before[i].key == now.key, "page %zu: protection key %ld, was %ld", i,
			now.key, before[i].key);
		promise(before[i].locked == now.locked, "page %zu: the lock is gone", i);
	}
}

ACTS(piece, void, char *view)
#define PIECE(name)	    ACT(piece, #name, piece_##name) static void piece_##name(char *view)
#define PIECE_IS(name, ...) PIECE(name) DOES(__VA_ARGS__)

/* Each does something to one page or more. */
PIECE(protection)
{
	must(mprotect(view + PAGE, PAGE, PROT_NONE) == 0);
	must(mprotect(view + 3 * PAGE, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
	must(mprotect(view + 15 * PAGE, PAGE, PROT_EXEC) == 0);
}

PIECE_IS(mlock, must(mlock(view + 2 * PAGE, 2 * PAGE) == 0))
PIECE_IS(mlock_by_number, must(syscall(SYS_mlock, view + 2 * PAGE, 2 * PAGE) == 0))

PIECE(mlock2)
{
	if (mlock2(view + 2 * PAGE, 2 * PAGE, MLOCK_ONFAULT))
		skip("no mlock2 before Linux 4.4");
}

PIECE_IS(mlockall, must(view &&mlockall(MCL_CURRENT) == 0))

PIECE(unlocked)
{
	piece_mlock(view);
	must(munlock(view + 2 * PAGE, PAGE) == 0);
}

PIECE(advice)
{
	static const int advice[] = { MADV_RANDOM, MADV_SEQUENTIAL, MADV_DONTFORK, MADV_DONTDUMP };

	for (size_t i = 0; i < COUNT(advice); i++)
		must(madvise(view + (4 + 2 * i) * PAGE, PAGE, advice[i]) == 0);
}

PIECE_IS(posix_advice, must(posix_madvise(view + 4 * PAGE, PAGE, POSIX_MADV_RANDOM) == 0))
PIECE_IS(advice_by_number, must(syscall(SYS_madvise, view + 4 * PAGE, PAGE, MADV_DONTDUMP) == 0))

PIECE(by_process_madvise)
{
	struct iovec area = { view + 4 * PAGE, PAGE };

	if (syscall(440 /* process_madvise */, syscall(SYS_pidfd_open, getpid(), 0), &area, 1,
		    MADV_DONTDUMP, 0) != PAGE)
		skip("this kernel gives itself no advice by process_madvise");
}

PIECE(huge)
{
	if (madvise(view + 4 * PAGE, PAGE, MADV_HUGEPAGE) ||
	    madvise(view + 8 * PAGE, PAGE, MADV_NOHUGEPAGE))
		skip("no huge pages in this kernel");
}

PIECE(all)
{
	piece_protection(view);
	piece_advice(view);
	must(mlock(view + 2 * PAGE, 2 * PAGE) == 0);
	must(mlock(view + 10 * PAGE, 3 * PAGE) == 0);
	must(madvise(view + 10 * PAGE, 4 * PAGE, MADV_DONTDUMP) == 0);
}

PIECE(key)
{
	int key = pkey_alloc(0, 0);

	if (key < 0)
		skip("no protection keys on this processor");
	must(pkey_mprotect(view + 4 * PAGE, 4 * PAGE, PROT_READ, key) == 0);
}

static void pieces_keep_their_attributes(const void *piece)
{
	char *view = fresh();
	struct area before[PAGES];

	((const struct piece *)piece)->act(view);
	for (size_t i = 0; i < PAGES; i++)
		area_get(view + i * PAGE, &before[i]);
	guarded_check(view, "with attributes");
	way_cut_twice();
	preserved_check(view, "after the change");
	same_areas(before, view, PAGES);
	must(mprotect(view, BYTES, PROT_READ) == 0);
	check(view, "after the change");
}

/* The flags of mmap itself. */
static void map_flags_stay(const void *flags)
{
	struct area before, after;

	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	char *view = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE | *(const int *)flags, fd, 0);
	must(view != MAP_FAILED && close(fd) == 0);
	guarded_check(view, "with a flag");
	area_get(view, &before);
	way_write();
	area_get(view, &after);
	same_flags(&before, &after, "after the change");
	check(view, "after the change");
}

/* --- S3: made writable --- */

static void stores_stay(char *view)
{
	for (size_t i = 0; i < PAGES; i += 2)
		pattern_fill(view + i * PAGE, 9, i);
	way_write();
	must(truncate(FILE_NAME, 0) == 0);
	for (size_t i = 0; i < PAGES; i++)
		view_check(view + i * PAGE, i % 2 ? 1 : 9, i, 1, "own stores and captured pages");
}

CASE(writable_is_preserved_first)
{
	char *view = fresh();

	must(mprotect(view, BYTES, RW) == 0);
	preserved_check(view, "made writable");
	check(view, "made writable");
	stores_stay(view);
}

CASE(writable_by_number)
{
	char *view = fresh();

	must(syscall(SYS_mprotect, view, BYTES, RW) == 0);
	preserved_check(view, "made writable");
	stores_stay(view);
}

/* A part of one, another's part, and an ordinary mapping in between. */
CASE(writable_across)
{
	char *room = reserve(3 * BYTES);

	file_make(FILE_NAME, 1, PAGES);
	file_make(SECOND, 4, PAGES);
	for (int i = 0; i < 2; i++) {
		int fd = file_open(i ? SECOND : FILE_NAME);
		must(mmap(room + (size_t)i * 2 * BYTES, BYTES, PROT_READ, MAP_PRIVATE | MAP_FIXED,
			  fd, 0) != MAP_FAILED);
		must(close(fd) == 0);
		guarded_check(room + (size_t)i * 2 * BYTES, "one of two");
	}
	must(mprotect(room + BYTES / 2, 2 * BYTES, RW) == 0);
	pattern_fill(room + BYTES - PAGE, 9, PAGES - 1);
	pattern_fill(room + 2 * BYTES, 9, 0);
	way_cut_twice();
	must(truncate(SECOND, 0) == 0);
	view_check(room, 1, 0, PAGES - 1, "the first file");
	view_check(room + BYTES - PAGE, 9, PAGES - 1, 1, "a store in the first");
	view_check(room + 2 * BYTES, 9, 0, 1, "a store in the second");
	view_check(room + 2 * BYTES + PAGE, 4, 1, PAGES - 1, "the second file");
	promise(page_is_zero(room + BYTES), "the mapping in between was touched");
}

/* Nothing was made writable: the kernel said no, and the promise is there still. */
CASE(writable_over_a_gap)
{
	char *view = fresh();

	must(munmap(view + 2 * PAGE, PAGE) == 0);
	promise(mprotect(view, BYTES, RW) == -1 && errno == ENOMEM, "mprotect over a gap: %s",
		strerror(errno));
	way_cut_twice();
	view_check(view, 1, 0, 2, "before the gap");
	view_check(view + 3 * PAGE, 1, 3, PAGES - 3, "behind the gap");
}

/* Made writable by many threads at once, and stored to at once: no store is lost. */
struct share {
	char *view;
	size_t page;
};

static void *store_to_page(void *argument)
{
	struct share *share = argument;
	char *at = share->view + share->page * PAGE;

	must(mprotect(at, PAGE, RW) == 0);
	pattern_fill(at, 9, share->page);
	return NULL;
}

static void *overwrite_now(void *unused)
{
	way_cut_twice();
	return NULL;
}

PROMISE_WIDTHS(S3, stores_of_many_threads_stay_over_the_preserve)
{
	for (int round = 0; round < 20; round++) {
		char *view = fresh();
		struct share shares[PAGES];
		pthread_t threads[PAGES], writer;
		writer = thread_start(overwrite_now, NULL);
		for (size_t i = 0; i < PAGES; i += 2) {
			shares[i] = (struct share){ view, i };
			threads[i] = thread_start(store_to_page, &shares[i]);
		}
		for (size_t i = 0; i < PAGES; i += 2)
			thread_end(threads[i]);
		thread_end(writer);
		for (size_t i = 0; i < PAGES; i++)
			view_check(view + i * PAGE, i % 2 ? 1 : 9, i, 1,
				   "a store, or what was there");
		must(munmap(view, BYTES) == 0);
	}
}

CASE_OF("map/locked", map_flags_stay, AS(int, MAP_LOCKED))
CASE_OF("map/no_reserve", map_flags_stay, AS(int, MAP_NORESERVE))
CASE_OF("map/populated", map_flags_stay, AS(int, MAP_POPULATE))

int main(int argc, char **argv)
{
	for (size_t i = 0; i < piece_count; i++)
		case_make(pieces_keep_their_attributes, &pieces[i], false, "piece/%s",
			  pieces[i].name);
	return cases_main(argc, argv);
}
