/* SPDX-License-Identifier: MIT */
/*
 * N3: fixed shared mappings over a window: those that put another page of the same file
 * there, and others that do not.
 *
 *	rewire many COUNT | one | others | part | private
 */
#include "helper.h"

#define NAME   "rewire.data"
#define PAGES  64
#define WINDOW 16

static char *window;
static int fd;

static void put(size_t slot, size_t pages, int file, size_t page, int flags)
{
	char *at = window + slot * PAGE;

	must(mmap(at, pages * PAGE, RW, flags | MAP_FIXED, file, (off_t)(page * PAGE)) == at);
}

static void many(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t slot = i * 5 % WINDOW, page = (i * 7 + 30) % PAGES;
		put(slot, 1, fd, page, MAP_SHARED);
		promise(page_is(window + slot * PAGE, 1, page), "not page %zu", page);
	}
}

/* None of these is one. */
static void others(void)
{
	file_make("rewire.other", 2, PAGES);
	int other = open("rewire.other", O_RDWR | O_CLOEXEC);

	put(3, 2, fd, 3, MAP_SHARED);  /* the pages that were there */
	put(0, 16, fd, 9, MAP_SHARED); /* all of it: linear as before */
	put(0, 16, fd, 0, MAP_SHARED);
	put(4, 1, other, 7, MAP_SHARED); /* another file */
	put(6, 1, fd, 9, MAP_PRIVATE);
	put(8, 1, -1, 0, MAP_SHARED | MAP_ANONYMOUS);
	must(mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 5 * PAGE) != MAP_FAILED);
	must(!munmap(window + 12 * PAGE, PAGE));
	put(12, 1, fd, 40, MAP_SHARED); /* into a hole */
}

/* Begins before the window, and ends in it. */
static void part(void)
{
	must(!munmap(window, 4 * PAGE));
	put(2, 4, fd, 20, MAP_SHARED);
	view_check(window + 2 * PAGE, 1, 20, 4, "the new part");
	view_check(window + 6 * PAGE, 1, 6, 10, "what is left of the window");
}

/* Without snapshots: in a private mapping of the file nothing was shared before. */
static void into_private(void)
{
	put(4, 4, fd, 20, MAP_PRIVATE);
	put(5, 1, fd, 33, MAP_SHARED);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "one";

	file_make(NAME, 1, PAGES);
	fd = open(NAME, O_RDWR | O_CLOEXEC);
	window = mmap(NULL, WINDOW * PAGE, RW, MAP_SHARED, fd, 0);
	must(fd >= 0 && window != MAP_FAILED);
	if (!strcmp(what, "many"))
		many(strtoul(argv[2], NULL, 10));
	else if (!strcmp(what, "others"))
		others();
	else if (!strcmp(what, "part"))
		part();
	else if (!strcmp(what, "private"))
		into_private();
	else
		put(5, 2, fd, 33, MAP_SHARED);
	printf("window %#lx\n", (unsigned long)window);
	return 0;
}
