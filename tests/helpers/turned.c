/* SPDX-License-Identifier: MIT */
/*
 * M4: memory that was turned for a view is still private memory to the program that gives
 * pages of it up, lets it grow, or forks.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "views.h"

#define PAGES 16
#define BYTES (PAGES * PAGE)

static void zeros_check(const char *at, size_t pages, const char *what)
{
	for (size_t i = 0; i < pages; i++)
		promise(page_is_zero(at + i * PAGE), "%s: page %zu is not zero", what, i);
}

/* --- given up --- */

static void given_up(const void *unused)
{
	char *source = anonymous(BYTES), *view;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	promise(madvise(source + 4 * PAGE, 3 * PAGE - 1, MADV_DONTNEED) == 0, "madvise: %s",
		strerrorname_np(errno));
	view_check(source, 1, 0, 4, "before what was given up");
	zeros_check(source + 4 * PAGE, 3, "given up");
	zeros_check(view + 4 * PAGE, 3, "the view of it");
	view_check(source + 7 * PAGE, 1, 7, PAGES - 7, "after what was given up");
	must_be_coherent(source, view, BYTES, "given up");
	promise(madvise(source + 1, PAGE, MADV_DONTNEED) && errno == EINVAL,
		"no page begins there");
}

/* What is not mapped is no reason to leave the rest. */
static void given_up_with_a_hole(const void *unused)
{
	char *source = anonymous(BYTES);

	(void)unused;
	fill_pages(source, 1, PAGES);
	view_of(source + 2 * PAGE, 8 * PAGE);
	must(munmap(source + 5 * PAGE, PAGE) == 0);
	promise(madvise(source, BYTES, MADV_DONTNEED) && errno == ENOMEM, "a hole: %s",
		strerrorname_np(errno));
	zeros_check(source, 5, "before the hole");
	zeros_check(source + 6 * PAGE, PAGES - 6, "after the hole");
}

/* Another mapping of the same pages does not give them up. */
static void view_given_up(const void *unused)
{
	char *source = anonymous(BYTES), *view;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(source, 1, 0, PAGES, "the source");
	view_check(view, 1, 0, PAGES, "the view");
}

/* The source is where it was moved to, and what is there instead is not it. */
static void given_up_elsewhere(const void *unused)
{
	char *source = anonymous(BYTES), *place = anonymous(BYTES), *view, *moved;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	moved = mremap(source, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	must(moved == place);
	must(mmap(source, BYTES, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == source);
	must(madvise(source, BYTES, MADV_DONTNEED) == 0);
	view_check(moved, 1, 0, PAGES, "moved");
	must(madvise(moved, 2 * PAGE, MADV_DONTNEED) == 0);
	zeros_check(moved, 2, "moved and given up");
	zeros_check(view, 2, "the view of it");
	view_check(view + 2 * PAGE, 1, 2, PAGES - 2, "the rest");
}

static void view_instead_of_its_source(const void *unused)
{
	char *source = anonymous(BYTES), *view;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	must(mremap(view, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, source) == source);
	must(madvise(source, BYTES, MADV_DONTNEED) == 0);
	view_check(source, 1, 0, PAGES, "the view where its source was");
}

/* A shared mapping would refuse. Whether and when pages go is the kernel's to say. */
static void may_be_freed(const void *unused)
{
	char *source = anonymous(BYTES), *view;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source + 4 * PAGE, 4 * PAGE);
	promise(madvise(source, BYTES, MADV_FREE) == 0, "madvise: %s", strerrorname_np(errno));
	promise(madvise(source + 4 * PAGE, 4 * PAGE, MADV_FREE) == 0, "madvise: %s",
		strerrorname_np(errno));
	fill_pages(source, 2, PAGES);
	view_check(source, 2, 0, PAGES, "stored to again");
	must_be_coherent(source + 4 * PAGE, view, 4 * PAGE, "freed");
}

/* An allocator that gives up what it has free takes it for zeros later. */
static void allocator(const void *unused)
{
	(void)unused;
	for (int i = 0; i < 50; i++) {
		char *block = malloc(64 * BYTES);
		char *source = (char *)(((uintptr_t)block + PAGE - 1) & ~(PAGE - 1));
		must(block);
		memset(block, 0xff, 64 * BYTES);
		must(munmap(view_of(source, 4 * BYTES), 4 * BYTES) == 0);
		free(block);
		block = calloc(64, BYTES);
		must(block);
		for (size_t at = 0; at < 64 * BYTES; at++)
			promise(!block[at], "calloc: byte %zu is %d", at, block[at]);
		free(block);
	}
}

/* --- grown --- */

static char *grow(char *old, size_t old_pages, size_t new_pages)
{
	char *at = mremap(old, old_pages * PAGE, new_pages * PAGE, MREMAP_MAYMOVE);

	promise(at != MAP_FAILED, "mremap: %s", strerrorname_np(errno));
	return at;
}

/* What lies behind a part in the file is its neighbour. */
static void parts_grow(const void *unused)
{
	char *source = anonymous(BYTES), *view;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	char *first = grow(source, 4, 3 * PAGES);
	view_check(first, 1, 0, 4, "the first part");
	zeros_check(first + 4 * PAGE, 3 * PAGES - 4, "what the first part grew by");
	memset(first + 4 * PAGE, 7, (3 * PAGES - 4) * PAGE);
	view_check(view + 4 * PAGE, 1, 4, PAGES - 4, "the view of the other part");

	char *second = grow(source + 4 * PAGE, PAGES - 4, 2 * PAGES);
	view_check(second, 1, 4, PAGES - 4, "the second part");
	zeros_check(second + (PAGES - 4) * PAGE, PAGES + 4, "what the second part grew by");
	memset(second + (PAGES - 4) * PAGE, 8, (PAGES + 4) * PAGE);
	promise(first[3 * BYTES - 1] == 7 && first[4 * PAGE] == 7,
		"the parts share what they grew by");
	must_be_coherent(first, view, 4 * PAGE, "the first part");
	must_be_coherent(second, view + 4 * PAGE, (PAGES - 4) * PAGE, "the second part");
}

/* As realloc does it: again and again. */
static void grows_again(const void *unused)
{
	char *source = anonymous(BYTES), *view, *at;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	at = source;
	for (size_t pages = PAGES; pages < 64 * PAGES; pages *= 2) {
		at = grow(at, pages, 2 * pages);
		zeros_check(at + pages * PAGE, pages, "what it grew by");
		memset(at + pages * PAGE, 5, pages * PAGE);
	}
	view_check(at, 1, 0, PAGES, "grown");
	must_be_coherent(at, view, BYTES, "grown");
	must(madvise(at, 64 * BYTES, MADV_DONTNEED) == 0);
	zeros_check(at, 64 * PAGES, "grown and given up");
	memset(at, 6, 64 * BYTES);
	must(mremap(at, 64 * BYTES, 32 * BYTES, 0) == at);
	at = grow(at, 32 * PAGES, 33 * PAGES);
	zeros_check(at + 32 * BYTES, PAGES, "shrunk and grown");
}

/* --- fork --- */

static void give_up_half(char *source, char *view)
{
	(void)view;
	must(madvise(source, BYTES / 2, MADV_DONTNEED) == 0);
	zeros_check(source, PAGES / 2, "given up in the child");
	source[0] = 77;
	view_check(source + BYTES / 2, 1, PAGES / 2, PAGES / 2, "the other half in the child");
}

/* The pages are the parent's, who has given nothing up. */
static void child_gives_up(const void *unused)
{
	char *source = anonymous(BYTES), *view;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	must(mprotect(source, PAGE, PROT_READ) == 0 && mprotect(source, PAGE, RW) == 0);
	views_in_child(give_up_half, source, view);
	view_check(source, 1, 0, PAGES, "the parent's source");
	view_check(view, 1, 0, PAGES, "the parent's view");
}

static void give_up_its_own(char *source, char *view)
{
	give_up_half(source, view);
	promise(view[0] == 77, "the child's view does not see what its source has");
	zeros_check(view + PAGE, PAGES / 2 - 1, "the view in the child");
	must_be_coherent(source, view, BYTES, "the child");
}

/* With selfmem.fork=split they are its own. */
static void split_child_gives_up(const void *unused)
{
	char *source = anonymous(BYTES), *view;

	(void)unused;
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	views_in_child(give_up_its_own, source, view);
	view_check(source, 1, 0, PAGES, "the parent's source");
	view_check(view, 1, 0, PAGES, "the parent's view");
}

static void try_to_protect(char *source, char *view)
{
	source[1] = 11;
	promise(view[1] == 11, "the child's view is not of its source");
	promise(mprotect(view, BYTES, RW) && errno == EACCES, "made writable in the child");
}

/* M3: the child's view is a copy of a mapping that could be written. */
static void split_child_stays_readonly(const void *unused)
{
	char *source = anonymous(BYTES);

	(void)unused;
	fill_pages(source, 1, PAGES);
	char *view = view_through("/proc/self/mem", O_RDONLY, NULL, source, BYTES, PROT_READ,
				  MAP_SHARED);
	promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
	views_in_child(try_to_protect, source, view);
	promise(source[1] != 11, "the parent sees a store of its child");
}

enum { GOING = 200 };

static atomic_int turn_of; /* 0: views are made; 1: they go while the other forks; -1: the end */

static void turn_wait(int turn)
{
	while (turn_of != turn && turn_of != -1)
		sched_yield();
}

static void *make_and_unmap(void *unused)
{
	char *source = anonymous(PAGE), *views[GOING];

	while (turn_of != -1) {
		for (int i = 0; i < GOING; i++)
			views[i] = view_of(source, PAGE);
		turn_of = 1;
		for (int i = 0; i < GOING; i++)
			must(munmap(views[i], PAGE) == 0);
		turn_wait(0);
	}
	return unused;
}

static void store_one(char *source, char *view)
{
	source[0]++;
	promise(view[0] == source[0], "the child's view is not of its source");
}

/* Views go in another thread: those that stay are copied all the same. */
static void split_beside_others(const void *unused)
{
	char *source = anonymous(PAGE), *view = view_of(source, PAGE);
	pthread_t thread;

	(void)unused;
	must(pthread_create(&thread, NULL, make_and_unmap, NULL) == 0);
	for (int i = 0; i < 50; i++) {
		turn_wait(1);
		views_in_child(store_one, source, view);
		promise(!source[0], "the parent sees a store of its child");
		turn_of = i == 49 ? -1 : 0;
	}
	must(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "given_up", given_up, NULL, false },
		{ "given_up_with_a_hole", given_up_with_a_hole, NULL, false },
		{ "given_up_elsewhere", given_up_elsewhere, NULL, false },
		{ "view_instead_of_its_source", view_instead_of_its_source, NULL, false },
		{ "view_given_up", view_given_up, NULL, false },
		{ "may_be_freed", may_be_freed, NULL, false },
		{ "allocator", allocator, NULL, false },
		{ "parts_grow", parts_grow, NULL, false },
		{ "grows_again", grows_again, NULL, false },
		{ "child_gives_up", child_gives_up, NULL, false },
		{ "split/gives_up", split_child_gives_up, NULL, false },
		{ "split_beside_others", split_beside_others, NULL, false },
		{ "split/stays_readonly", split_child_stays_readonly, NULL, false },
	};

	return cases_main(cases, COUNT(cases), argc, argv);
}
