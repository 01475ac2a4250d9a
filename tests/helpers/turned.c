/* SPDX-License-Identifier: MIT */
/*
 * M4: memory that was turned for a view is still private memory to the program that gives
 * pages of it up, lets it grow, or forks.
 */
#include <stdatomic.h>
#include <sys/resource.h>

#include "view_source.h"

static void zeros_check(const char *at, size_t pages, const char *what)
{
	for (size_t i = 0; i < pages; i++)
		promise(page_is_zero(at + i * PAGE), "%s: page %zu is not zero", what, i);
}

/* --- given up --- */

CASE(given_up)
{
	char *source = filled(), *view = view_of(source, BYTES);

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
CASE(given_up_with_a_hole)
{
	char *source = filled();

	view_of(source + 2 * PAGE, 8 * PAGE);
	must(munmap(source + 5 * PAGE, PAGE) == 0);
	promise(madvise(source, BYTES, MADV_DONTNEED) && errno == ENOMEM, "a hole: %s",
		strerrorname_np(errno));
	zeros_check(source, 5, "before the hole");
	zeros_check(source + 6 * PAGE, PAGES - 6, "after the hole");
}

/* Another mapping of the same pages does not give them up. */
CASE(view_given_up)
{
	char *source = filled(), *view = view_of(source, BYTES);

	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(source, 1, 0, PAGES, "the source");
	view_check(view, 1, 0, PAGES, "the view");
}

/* The source is where it was moved to, and what is there instead is not it. */
CASE(given_up_elsewhere)
{
	char *source = filled(), *place = anonymous(BYTES), *view, *moved;

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

CASE(view_instead_of_its_source)
{
	char *source = filled(), *view = view_of(source, BYTES);

	must(mremap(view, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, source) == source);
	must(madvise(source, BYTES, MADV_DONTNEED) == 0);
	view_check(source, 1, 0, PAGES, "the view where its source was");
}

CASE(view_over_its_source)
{
	char *source = filled();

	view_over(source, source, BYTES);
	must(madvise(source, BYTES, MADV_DONTNEED) == 0);
	view_check(source, 1, 0, PAGES, "the view over its source");
}

/* A shared mapping would refuse. Whether and when pages go is the kernel's to say. */
PROMISE(M4, turned_memory_may_be_freed)
{
	char *source = filled(), *view;

	view = view_of(source + 4 * PAGE, 4 * PAGE);
	if (madvise(anonymous(PAGE), PAGE, MADV_FREE))
		skip("no MADV_FREE before Linux 4.5");
	promise(madvise(source, BYTES, MADV_FREE) == 0, "madvise: %s", strerrorname_np(errno));
	promise(madvise(source + 4 * PAGE, 4 * PAGE, MADV_FREE) == 0, "madvise: %s",
		strerrorname_np(errno));
	fill_pages(source, 2, PAGES);
	view_check(source, 2, 0, PAGES, "stored to again");
	must_be_coherent(source + 4 * PAGE, view, 4 * PAGE, "freed");
}

/* Whatever protects it at that moment. */
PROMISE(M4, protected_memory_given_up_is_zero)
{
	static const int prots[] = { PROT_NONE, PROT_READ };

	for (size_t i = 0; i < COUNT(prots); i++) {
		char *source = anonymous(BYTES), *view;
		fill_pages(source, 1, PAGES);
		view = view_of(source, BYTES);
		must(mprotect(source, BYTES, prots[i]) == 0);
		must(madvise(source, BYTES, MADV_DONTNEED) == 0);
		must(mprotect(source, BYTES, RW) == 0);
		zeros_check(source, PAGES, "protected and given up");
		must_be_coherent(source, view, BYTES, "protected and given up");
	}
}

PROMISE(M4, locked_memory_given_up_is_zero)
{
	char *source = anonymous(BYTES), *view;

	if (madvise(source, BYTES, 24 /* MADV_DONTNEED_LOCKED */))
		skip("this kernel has no MADV_DONTNEED_LOCKED");
	fill_pages(source, 1, PAGES);
	if (mlock(source, BYTES))
		skip("mlock: %s", strerror(errno));
	view = view_of(source, BYTES);
	promise(madvise(source, BYTES, MADV_DONTNEED) && errno == EINVAL, "what is locked");
	view_check(source, 1, 0, PAGES, "locked");
	promise(madvise(source, BYTES, 24) == 0, "madvise: %s", strerrorname_np(errno));
	zeros_check(source, PAGES, "locked and given up");
	must_be_coherent(source, view, BYTES, "locked and given up");
}

PROMISE(M4, memory_guarded_for_a_while_is_zero)
{
	char *source = filled(), *view = view_of(source, BYTES);

	if (madvise(source, PAGE, 102 /* MADV_GUARD_INSTALL */))
		skip("this kernel has no MADV_GUARD_INSTALL");
	promise(touch(source) == SIGSEGV, "the guard page is not there");
	must(madvise(source, PAGE, 103 /* MADV_GUARD_REMOVE */) == 0);
	zeros_check(source, 1, "guarded for a while");
	must_be_coherent(source, view, BYTES, "guarded for a while");
}

static char *volatile given;

static void *give_up_and_look(void *unused)
{
	for (char *at; (at = given) != NULL;) {
		memset(at, 0xaa, PAGE);
		must(madvise(at, PAGE, MADV_DONTNEED) == 0);
		promise(page_is_zero(at), "given up while it was turned");
	}
	return unused;
}

/* Also while it is on its way to the view. */
CASE(given_up_during_the_turn)
{
	given = anonymous(4 * BYTES);
	pthread_t thread = thread_start(give_up_and_look, NULL);
	for (int i = 0; i < 200; i++) {
		char *source = anonymous(4 * BYTES);
		memset(source, 1, 4 * BYTES);
		given = source;
		for (int j = 0; j < 20; j++)
			sched_yield();
		view_of(source, 4 * BYTES);
	}
	given = NULL;
	thread_end(thread);
}

/* An allocator that gives up what it has free takes it for zeros later. */
CASE(allocator)
{
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
PROMISE(M4, parts_grow_by_zeros_of_their_own)
{
	char *source = filled(), *view = view_of(source, BYTES);

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
PROMISE(M4, grows_again_and_again)
{
	char *source = filled(), *view, *at;

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

/* The file's pages are not to be had again, and the neighbour's are not meant. */
PROMISE(M4, turned_file_mapping_does_not_grow)
{
	char *place = anonymous(8 * PAGE), *view;

	file_make("turned.file", 3, 8);
	int fd = file_open("turned.file");
	must(mmap(place, 4 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 0) == place);
	memset(place + 4 * PAGE, 'z', 4 * PAGE);
	view = view_of(place, 8 * PAGE);
	promise(mremap(place, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM,
		"a turned file mapping has grown");
	view_check(place, 3, 0, 4, "the file");
	promise(place[4 * PAGE] == 'z', "the neighbour");
	must_be_coherent(place, view, 8 * PAGE, "not grown");
}

/* The memory file is no larger than it must be. */
PROMISE(M4, grows_under_a_limit_on_file_size)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	char *source = anonymous(BYTES), *view;

	must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	fill_pages(source, 1, PAGES);
	view = view_of(source, BYTES);
	char *at = grow(source, PAGES, 2 * PAGES);
	view_check(at, 1, 0, PAGES, "grown under a limit");
	zeros_check(at + BYTES, PAGES, "what it grew by");
	must_be_coherent(at, view, BYTES, "grown under a limit");
}

/* Its pages are elsewhere, and what stays is empty. */
PROMISE(M4, what_mremap_leaves_behind_is_zero)
{
	char *source = filled(), *view = view_of(source, BYTES);

	char *moved = mremap(source, BYTES, BYTES, MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */, NULL);
	if (moved == MAP_FAILED)
		skip("this kernel has no MREMAP_DONTUNMAP: %s", strerrorname_np(errno));
	zeros_check(source, PAGES, "left behind");
	memset(source, 9, BYTES);
	view_check(moved, 1, 0, PAGES, "moved");
	must_be_coherent(moved, view, BYTES, "moved");
}

/* --- fork --- */

static void give_up_half(char *source, char *view)
{
	must(madvise(source, BYTES / 2, MADV_DONTNEED) == 0);
	zeros_check(source, PAGES / 2, "given up in the child");
	source[0] = 77;
	view_check(source + BYTES / 2, 1, PAGES / 2, PAGES / 2, "the other half in the child");
}

/* The pages are the parent's, who has given nothing up. */
PROMISE(M4, child_gives_up_nothing_of_its_parents)
{
	char *source = filled(), *view = view_of(source, BYTES);

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

static void grow_in_child(char *source, char *view)
{
	char *at = grow(source, PAGES, 2 * PAGES);

	zeros_check(at + BYTES, PAGES, "what the child's grew by");
	memset(at + BYTES, 7, BYTES);
}

/* What it grew by is nobody else's. */
PROMISE(M4, parent_and_child_grow_apart)
{
	char *source = filled(), *view = view_of(source, BYTES);

	views_in_child(grow_in_child, source, view);
	char *at = grow(source, PAGES, 2 * PAGES);
	zeros_check(at + BYTES, PAGES, "what the parent's grew by");
	views_in_child(grow_in_child, at, view);
	zeros_check(at + BYTES, PAGES, "what the parent's grew by");
}

/* With selfmem.fork=split they are its own. */
CASE_NAMED("split/gives_up", split_child_gives_up)
{
	char *source = filled(), *view = view_of(source, BYTES);

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
CASE_NAMED("split/stays_readonly", split_child_stays_readonly)
{
	char *source = filled();

	char *view = view_readonly(source, BYTES);
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
CASE(split_beside_others)
{
	char *source = anonymous(PAGE), *view = view_of(source, PAGE);

	pthread_t thread = thread_start(make_and_unmap, NULL);
	for (int i = 0; i < 50; i++) {
		turn_wait(1);
		views_in_child(store_one, source, view);
		promise(!source[0], "the parent sees a store of its child");
		turn_of = i == 49 ? -1 : 0;
	}
	thread_end(thread);
}

CASES_MAIN
