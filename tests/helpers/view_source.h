/* SPDX-License-Identifier: MIT */
/*
 * What the helpers about views share: sources and their size.
 */
#ifndef MMFENCE_TESTS_VIEW_SOURCE_H
#define MMFENCE_TESTS_VIEW_SOURCE_H

#include "views.h"

#define PAGES 16
#define BYTES (PAGES * PAGE)

static inline char *filled(void)
{
	char *source = anonymous(BYTES);

	fill_pages(source, 1, PAGES);
	return source;
}

/* Areas of four kinds in a row. */
static inline char *row(void)
{
	char *base = anonymous(4 * BYTES);
	int fd;

	fill_pages(base, 1, 4 * PAGES);
	file_make("views.row", 7, 4 * PAGES);
	must((fd = open("views.row", O_RDWR | O_CLOEXEC)) >= 0);
	must(mmap(base + BYTES, BYTES, RW, MAP_PRIVATE | MAP_FIXED, fd, BYTES) != MAP_FAILED);
	must(mmap(base + 2 * BYTES, BYTES, RW, MAP_SHARED | MAP_FIXED, fd, 2 * BYTES) !=
	     MAP_FAILED);
	must(close(fd) == 0);
	must(mprotect(base + 3 * BYTES, PAGE, PROT_READ) == 0);
	return base;
}

static inline void row_check(char *at, const char *what)
{
	view_check(at, 1, 0, PAGES, what);
	view_check(at + BYTES, 7, PAGES, 2 * PAGES, what);
	view_check(at + 3 * BYTES, 1, 3 * PAGES, PAGES, what);
}

#endif
