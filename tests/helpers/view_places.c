/* SPDX-License-Identifier: MIT */
/*
 * M4: second views at every place, and what the program does with them afterwards: it unmaps,
 * protects, forks.
 */

#include "view_source.h"

PROMISE(M4, either_side_is_unmapped)
{
	char *source = anonymous(2 * BYTES), *view = view_of(source, BYTES);
	char *other = view_of(source + BYTES, BYTES);

	fill_pages(source, 2, 2 * PAGES);
	must(munmap(source, BYTES) == 0);
	view_check(view, 2, 0, PAGES, "view without its source");
	must(munmap(other, BYTES) == 0);
	view_check(source + BYTES, 2, PAGES, PAGES, "source without its view");
}

PROMISE(M4, protection_is_each_its_own)
{
	char *source = anonymous(BYTES), *view = view_of(source, BYTES);

	must(mprotect(source, BYTES, PROT_NONE) == 0);
	view[5] = 5;
	promise(touch(source) == SIGSEGV, "the source is not protected");
	must(mprotect(view, BYTES, PROT_READ) == 0 && mprotect(source, BYTES, RW) == 0);
	source[6] = 6;
	promise(source[5] == 5 && view[6] == 6, "the views are not the same");
	/* Protected before: stays so. */
	char *closed = anonymous(BYTES);
	closed[1] = 1;
	must(mprotect(closed, BYTES, PROT_NONE) == 0);
	promise(view_of(closed, BYTES)[1] == 1, "memory that was protected");
	promise(touch(closed) == SIGSEGV, "the protection of the source went");
}

PROMISE(M4, fixed_over_mappings)
{
	char *source = filled(), *room = anonymous(3 * BYTES);

	fill_pages(room, 2, 3 * PAGES);
	must(mprotect(room + BYTES + PAGE, PAGE, PROT_NONE) == 0);
	view_over(room + BYTES, source, BYTES);
	view_check(room + BYTES, 1, 0, PAGES, "view");
	view_check(room, 2, 0, PAGES, "before it");
	view_check(room + 2 * BYTES, 2, 2 * PAGES, PAGES, "after it");
	must_be_coherent(source, room + BYTES, BYTES, "fixed");
}

/* Over a snapshot, which ends. */
PROMISE(M4, fixed_over_a_snapshot)
{
	file_make("views.under", 3, 2 * PAGES);
	char *room = view_make("views.under", PROT_READ, 0, 2 * PAGES), *source = anonymous(BYTES);

	view_over(room, source, BYTES);
	must_be_coherent(source, room, BYTES, "fixed");
	file_overwrite("views.under", 5, 0, 2 * PAGES);
	must_be_coherent(source, room, BYTES, "fixed");
	view_check(room + BYTES, 3, PAGES, PAGES, "what is left of the snapshot");
}

PROMISE(M4, overlapping)
{
	char *source = filled();

	view_over(source + 4 * PAGE, source, 8 * PAGE);
	view_check(source + 4 * PAGE, 1, 0, 8, "view");
	view_check(source, 1, 0, 4, "what the view left");
	view_check(source + 12 * PAGE, 1, 12, 4, "after it");
	must_be_coherent(source, source + 4 * PAGE, 4 * PAGE, "overlapping");
	/* Onto itself: the same as before. */
	char *same = anonymous(BYTES);
	fill_pages(same, 2, PAGES);
	promise(view_try(same, same, BYTES, RW, MAP_SHARED | MAP_FIXED) == same, "onto itself");
	view_check(same, 2, 0, PAGES, "onto itself");
}

PROMISE(M4, noreplace_and_hint)
{
	char *source = anonymous(BYTES), *room = anonymous(BYTES);

	promise(view_try(room, source, BYTES, RW, MAP_SHARED | MAP_FIXED_NOREPLACE) == MAP_FAILED &&
			errno == EEXIST,
		"MAP_FIXED_NOREPLACE replaced something");
	must(munmap(room, BYTES) == 0);
	promise(view_try(room, source, BYTES, RW, MAP_SHARED | MAP_FIXED_NOREPLACE) == room,
		"MAP_FIXED_NOREPLACE");
	must_be_coherent(source, room, BYTES, "noreplace");
	char *hint = anonymous(BYTES);
	must(munmap(hint, BYTES) == 0);
	promise(view_try(hint, source, BYTES, RW, MAP_SHARED) == hint, "the hint was ignored");
	if (sizeof(void *) == 4)
		return;
	char *low = view_try(NULL, source, BYTES, RW, MAP_SHARED | MAP_32BIT);
	promise(low != MAP_FAILED && (uintptr_t)low < 1UL << 31, "MAP_32BIT gave %p", low);
	must_be_coherent(source, low, BYTES, "low");
}

PROMISE(M4, flags_of_the_view)
{
	char *source = anonymous(BYTES);
	unsigned char there[PAGES];
	char *view = view_get(NULL, source, BYTES, RW, MAP_SHARED | MAP_LOCKED | MAP_POPULATE);
	must(mincore(view, BYTES, there) == 0);
	promise(there[PAGES - 1] & 1, "MAP_POPULATE did not populate");
	must_be_coherent(source, view, BYTES, "locked");
	int file = file_open("/proc/self/exe");
	bool known = mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, file, 0) != MAP_FAILED;
	view = view_try(NULL, source, BYTES, RW, MAP_SHARED_VALIDATE);
	promise(known == (view != MAP_FAILED), "MAP_SHARED_VALIDATE"); /* not before 4.15 */
}

/* --- fork --- */

static void store_in_child(char *source, char *view)
{
	promise(view[1] == 1, "the child does not see what was there");
	must_be_coherent(source, view, BYTES, "child");
	source[2] = 22;
	promise(view[2] == 22, "the child's views are not the same");
}

PROMISE(M4, fork_shares)
{
	char *source = anonymous(BYTES), *view = view_of(source, BYTES);

	source[1] = 1;
	views_in_child(store_in_child, source, view);
	promise(source[2] == 22 && view[2] == 22, "selfmem.fork=share: the parent does not see it");
}

static void split_child(char *source, char *view)
{
	store_in_child(source, view);
	/* And once more. */
	views_in_child(store_in_child, source, view);
	source[3] = 33;
	must(munmap(source, BYTES) == 0);
	promise(view[3] == 33, "the child's view without its source");
}

CASE_NAMED("split/views", fork_splits)
{
	char *source = anonymous(2 * BYTES), *view = view_of(source, 2 * BYTES);
	char *part = view_of(source + 2 * PAGE, PAGE);
	char *other = anonymous(BYTES), *second = view_of(other, BYTES);

	source[1] = other[1] = 1;
	must(mprotect(source + BYTES, PAGE, PROT_READ) == 0);
	memset(view + BYTES + PAGE, 9, PAGE);
	views_in_child(split_child, source, view);
	views_in_child(store_in_child, other, second);
	promise(source[2] == 0 && view[2] == 0 && source[3] == 0,
		"selfmem.fork=split: the parent sees stores of its child");
	promise(page_is_zero(part), "the third view");
	must_be_coherent(source, view, BYTES, "parent");
	must_be_coherent(source + 2 * PAGE, part, PAGE, "parent");
	promise(view[BYTES + PAGE] == 9, "the parent lost something");
}

/* Views of two processes, of which one goes on storing. */
CASE_NAMED("split/at_once", fork_splits_at_once)
{
	volatile char *source = anonymous(PAGE), *view = view_of(source, PAGE);
	int go[2];
	char byte;

	must(pipe2(go, O_CLOEXEC) == 0);
	source[0] = 1;
	pid_t pid = sure(fork());
	if (!pid) {
		must(read(go[0], &byte, 1) == 1);
		promise(source[0] == 1 && view[0] == 1,
			"the child sees what its parent stored after the fork");
		_exit(0);
	}
	source[0] = 2;
	must(write(go[1], "", 1) == 1);
	child_wait(pid);
}

/* Neighbours that are areas of their own, more than there may be descriptors: of each page but one
 * nothing is copied all the same. */
CASE_NAMED("split/areas", fork_splits_many_areas)
{
	char *source = anonymous(3 * BYTES), *view = view_of(source, 3 * BYTES);

	source[1] = 1;
	for (size_t i = 0; i < 3 * BYTES; i += 2 * PAGE)
		must(!mprotect(source + i + PAGE, PAGE, PROT_READ) &&
		     !mprotect(view + i + PAGE, PAGE, PROT_READ));
	limit_set(RLIMIT_NOFILE, 12);
	IN_CHILD {
		promise(view[1] == 1, "the child does not see what was there");
		view[2] = 22;
		promise(source[2] == 22, "the child's views are not the same");
	}
	promise(!source[2], "the parent sees stores of its child");
}

CASES_MAIN
