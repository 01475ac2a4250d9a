/* SPDX-License-Identifier: MIT */
/*
 * S3: what the program stores through a snapshot is its own, and stays.
 */
#include "helper.h"

#define FILE_NAME "stores.data"
#define PAGES	  8

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static char *fresh(int prot)
{
	file_make(FILE_NAME, 1, PAGES);
	return view_make(FILE_NAME, prot, 0, PAGES);
}

static void file_is_untouched(const char *what)
{
	char page[PAGE];
	int fd = file_open(FILE_NAME);

	for (size_t i = 0; i < PAGES; i++) {
		must(pread(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE);
		promise(page_is(page, 1, i), "%s: page %zu of the file itself changed", what, i);
	}
	close(fd);
}

/* The program's own generation on the even pages, the captured one on the others. */
static void store_even(char *view, unsigned int generation)
{
	for (size_t i = 0; i < PAGES; i += 2)
		pattern_fill(view + i * PAGE, generation, i);
}

static void even_is(const char *view, unsigned int generation, const char *what)
{
	for (size_t i = 0; i < PAGES; i++)
		promise(page_is(view + i * PAGE, i % 2 ? 1 : generation, i), "%s: page %zu", what,
			i);
}

PROMISE(S3, stores_never_reach_the_file, HOLDS_BARE)
{
	char *view = fresh(RW);
	char *second = view_make(FILE_NAME, PROT_READ, 0, PAGES);

	store_even(view, 7);
	file_is_untouched("after stores");
	view_check(second, 1, 0, PAGES, "a second view");
	even_is(view, 7, "own stores");
	must(munmap(view, PAGES * PAGE) == 0);
	file_is_untouched("after munmap");
}

PROMISE(S3, stores_survive_overwriting)
{
	char *view = fresh(RW);

	store_even(view, 7);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	even_is(view, 7, "after overwriting");
}

PROMISE(S3, stores_survive_truncation)
{
	char *view = fresh(RW);

	store_even(view, 7);
	must(truncate(FILE_NAME, 0) == 0);
	even_is(view, 7, "after cutting");
	store_even(view, 8);
	even_is(view, 8, "stores after cutting");
}

CASE(stay_when_made_writable)
{
	char *view = fresh(PROT_READ);

	must(mprotect(view, PAGES * PAGE, RW) == 0);
	store_even(view, 7);
	must(mprotect(view, PAGES * PAGE, PROT_READ) == 0);
	must(truncate(FILE_NAME, 0) == 0);
	even_is(view, 7, "after mprotect and cutting");
}

PROMISE(S3, stores_are_apart_after_fork)
{
	char *view = fresh(RW);

	store_even(view, 7);
	IN_CHILD {
		even_is(view, 7, "the child at first");
		store_even(view, 9);
		must(truncate(FILE_NAME, 0) == 0);
		even_is(view, 9, "the child's own");
	}
	even_is(view, 7, "the parent's own");
}

PROMISE(S3, stores_of_the_kernel_stay)
{
	char *view = fresh(RW);
	char page[PAGE];
	int fds[2];

	must(pipe(fds) == 0);
	for (size_t i = 0; i < PAGES; i += 2) {
		pattern_fill(page, 7, i);
		must(write(fds[1], page, PAGE) == (ssize_t)PAGE);
		promise(read(fds[0], view + i * PAGE, PAGE) == (ssize_t)PAGE, "read into the view");
	}
	must(truncate(FILE_NAME, 0) == 0);
	even_is(view, 7, "what read() stored");
}

/* As a debugger does that sets a breakpoint. */
PROMISE(S3, stores_of_a_debugger_stay)
{
	char *view = fresh(PROT_READ);
	char page[PAGE];
	int fd = sure(open("/proc/self/mem", O_RDWR | O_CLOEXEC));

	for (size_t i = 0; i < PAGES; i += 2) {
		pattern_fill(page, 7, i);
		if (pwrite64(fd, page, PAGE, (off64_t)(uintptr_t)(view + i * PAGE)) < 0)
			skip("this kernel forbids writes through /proc/self/mem");
	}
	close(fd);
	file_is_untouched("after the debugger's stores");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	even_is(view, 7, "the debugger's stores");
}

PROMISE(S3, stores_survive_paging_out)
{
	char *view = fresh(RW);

	store_even(view, 7);
	if (madvise(view, PAGES * PAGE, MADV_PAGEOUT))
		skip("no MADV_PAGEOUT");
	must(truncate(FILE_NAME, 0) == 0);
	even_is(view, 7, "after being paged out");
}

CASES_MAIN
