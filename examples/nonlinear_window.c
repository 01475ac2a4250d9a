/* SPDX-License-Identifier: MIT */
/*
 * A window over a file larger than the window, as databases on 32-bit machines had it.
 *
 *	nonlinear_window [pages] [window] [steps]
 *
 * The file has `pages` pages, and each starts with its own number. The window has room
 * for `window` of them. In every step some page is brought into some slot of the window
 * with remap_file_pages, its number is checked, and it is counted in the page itself
 * that it was visited. At the end the visits in the file must add up to the steps.
 *
 * Where remap_file_pages is refused, the program says so and does what everybody should
 * do instead: mmap with MAP_SHARED|MAP_FIXED.
 *
 * Exit status: 0 when every page was the right one, 1 when one was not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct page {
	uint64_t number;
	uint64_t visits;
};

struct window {
	int fd;
	size_t slots;
	size_t page_size;
	unsigned char *base;
	int refused; /* the errno of remap_file_pages, once it has failed */
};

static void die(const char *what)
{
	fprintf(stderr, "nonlinear_window: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int make_file(size_t pages, size_t page_size)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/nonlinear_window.XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	if (fd < 0 || unlink(path) || ftruncate(fd, (off_t)(pages * page_size)))
		die(path);
	for (size_t i = 0; i < pages; i++) {
		struct page page = { .number = i };

		if (pwrite(fd, &page, sizeof(page), (off_t)(i * page_size)) != sizeof(page))
			die("writing the file");
	}
	return fd;
}

/* Brings a page of the file into a slot of the window. */
static struct page *bring_in(struct window *window, size_t slot, size_t page)
{
	unsigned char *at = window->base + slot * window->page_size;

	if (!window->refused && remap_file_pages(at, window->page_size, 0, page, 0) == 0)
		return (struct page *)at;
	if (!window->refused) {
		window->refused = errno;
		printf("remap_file_pages was refused: %s. Going on with mmap.\n", strerror(errno));
	}
	if (mmap(at, window->page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, window->fd,
		 (off_t)(page * window->page_size)) == MAP_FAILED)
		die("mmap");
	return (struct page *)at;
}

static size_t wander(struct window *window, size_t pages, size_t steps)
{
	uint32_t random = 1998;
	size_t wrong = 0;

	for (size_t i = 0; i < steps; i++) {
		size_t number;
		struct page *page;

		random = random * 1664525 + 1013904223;
		number = (random >> 8) % pages;
		page = bring_in(window, i % window->slots, number);
		wrong += page->number != number;
		page->visits++;
	}
	return wrong;
}

static uint64_t count_visits(int fd, size_t pages, size_t page_size)
{
	uint64_t visits = 0;
	struct page page;

	for (size_t i = 0; i < pages; i++) {
		if (pread(fd, &page, sizeof(page), (off_t)(i * page_size)) != sizeof(page))
			die("reading the file");
		visits += page.visits;
	}
	return visits;
}

static size_t argument(int argc, char **argv, int index, size_t otherwise)
{
	size_t value = argc > index ? strtoul(argv[index], NULL, 10) : otherwise;

	if (value > 0)
		return value;
	fprintf(stderr, "usage: nonlinear_window [pages] [window] [steps]\n");
	exit(1);
}

int main(int argc, char **argv)
{
	size_t pages = argument(argc, argv, 1, 1024);
	size_t steps = argument(argc, argv, 3, 10000);
	struct window window = {
		.slots = argument(argc, argv, 2, 64),
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
	};
	size_t wrong;
	uint64_t visits;

	window.fd = make_file(pages, window.page_size);
	window.base = mmap(NULL, window.slots * window.page_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, window.fd, 0);
	if (window.base == MAP_FAILED)
		die("mmap");
	wrong = wander(&window, pages, steps);
	visits = count_visits(window.fd, pages, window.page_size);
	printf("%zu pages of a file of %zu were brought into a window of %zu; %zu were wrong, and "
	       "the file counts %ju visits.\n",
	       steps, pages, window.slots, wrong, (uintmax_t)visits);
	return wrong == 0 && visits == steps ? 0 : 1;
}
