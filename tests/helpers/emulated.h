/* SPDX-License-Identifier: MIT */
/*
 * What the helpers about emulated remap_file_pages share: windows on a file to
 * which no descriptor leads any more.
 */
#ifndef MMFENCE_TESTS_EMULATED_H
#define MMFENCE_TESTS_EMULATED_H

#include <grp.h>

#include "helper.h"

#define NAME   "emulated.data"
#define PAGES  64
#define WINDOW 16
#define NOBODY 65534

static inline char *window_of(int fd, size_t first)
{
	return sure(mmap(NULL, WINDOW * PAGE, RW, MAP_SHARED, fd, (off_t)(first * PAGE)));
}

static inline void become_nobody(void)
{
	must(!setgroups(0, NULL) && !setgid(NOBODY) && !setuid(NOBODY));
}

static inline int open_rw(const char *name)
{
	return sure(open(name, O_RDWR | O_CLOEXEC));
}

/* From page first; no name, descriptor or right leads to its file any more. */
static inline char *window_alone(size_t first)
{
	file_make(NAME, 1, PAGES);
	int fd = open_rw(NAME);
	must(!unlink(NAME));
	become_nobody();
	char *window = window_of(fd, first);
	must(!close(fd));
	return window;
}

/* A window on a new file; all that is left of the file's descriptors is a spare one, which cannot
 * write. */
static inline char *closed_window(size_t first, int *spare)
{
	file_make(NAME, 1, PAGES);
	int fd = open_rw(NAME);
	char *window = window_of(fd, first);

	*spare = file_open(NAME);
	must(!close(fd));
	return window;
}

/* Several calls, of one page and of more; what they show, and where stores go. spare sees the file.
 */
static inline void use(char *window, int spare)
{
	char read_back[8];

	for (size_t i = 0; i < 40; i++) {
		size_t slot = i * 5 % (WINDOW - 1), page = i * 11 % (PAGES - 1);
		promise(!remap_file_pages(window + slot * PAGE, (1 + i % 2) * PAGE, 0, page, 0),
			"remap_file_pages: %s", strerror(errno));
		for (size_t k = 0; k < 1 + i % 2; k++)
			promise(page_is(window + (slot + k) * PAGE, 1, page + k),
				"slot %zu does not show page %zu", slot + k, page + k);
	}
	must(!remap_file_pages(window + 3 * PAGE, PAGE, 0, 2, MAP_NONBLOCK));
	memcpy(window + 3 * PAGE, "stored!", 8);
	must(pread(spare, read_back, 8, 2 * PAGE) == 8);
	promise(!memcmp(read_back, "stored!", 8), "the store is not in the file");
	pattern_fill(window + 3 * PAGE, 1, 2);
}

#endif
