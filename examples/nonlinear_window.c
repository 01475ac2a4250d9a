/* SPDX-License-Identifier: MIT */
/*
 * A window over a file larger than the window, as databases on 32-bit machines had it.
 *
 *	nonlinear_window [pages] [window] [steps]
 *	nonlinear_window --bench [pages] [window] [steps]
 *
 * The file has `pages` pages, and each starts with its own number. The window has room
 * for `window` of them. In every step some page is brought into some slot of the window
 * with remap_file_pages, its number is checked, and it is counted in the page itself
 * that it was visited. At the end the visits in the file must add up to the steps.
 *
 * --bench goes over the file in order, at random and in runs, in each of the ways that a
 * program has to see a page, and prints what a step takes in ns, and how many areas
 * (lines of /proc/self/maps) the process had in the end.
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
#include <time.h>
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
	fprintf(stderr, "usage: nonlinear_window [--bench] [pages] [window] [steps]\n");
	exit(1);
}

/* ---- the benchmark ---- */

struct bench {
	struct window window;
	size_t pages;
	unsigned char *whole; /* the file, mapped from end to end */
	struct page copy;     /* of the page that was read */
	size_t number;
};

/* A way to see a page: NULL when the kernel has no such call. done, if any, ends the visit. */
struct way {
	const char *name;
	struct page *(*bring)(struct bench *bench, size_t slot, size_t page);
	void (*done)(struct bench *bench);
};

static struct page *by_remap(struct bench *bench, size_t slot, size_t page)
{
	struct window *window = &bench->window;
	unsigned char *at = window->base + slot * window->page_size;

	return remap_file_pages(at, window->page_size, 0, page, 0) ? NULL : (struct page *)at;
}

static struct page *by_lazy_remap(struct bench *bench, size_t slot, size_t page)
{
	struct window *window = &bench->window;
	unsigned char *at = window->base + slot * window->page_size;

	return remap_file_pages(at, window->page_size, 0, page, MAP_NONBLOCK) ? NULL
									      : (struct page *)at;
}

static struct page *by_mmap(struct bench *bench, size_t slot, size_t page)
{
	struct window *window = &bench->window;
	void *at = mmap(window->base + slot * window->page_size, window->page_size,
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, window->fd,
			(off_t)(page * window->page_size));

	return at == MAP_FAILED ? NULL : at;
}

static struct page *by_read(struct bench *bench, size_t slot, size_t page)
{
	off_t at = (off_t)(page * bench->window.page_size);

	(void)slot;
	bench->number = page;
	return pread(bench->window.fd, &bench->copy, sizeof(bench->copy), at) == sizeof(bench->copy)
		       ? &bench->copy
		       : NULL;
}

static void write_back(struct bench *bench)
{
	off_t at = (off_t)(bench->number * bench->window.page_size);

	if (pwrite(bench->window.fd, &bench->copy, sizeof(bench->copy), at) != sizeof(bench->copy))
		die("pwrite");
}

static struct page *by_whole(struct bench *bench, size_t slot, size_t page)
{
	(void)slot;
	return (struct page *)(bench->whole + page * bench->window.page_size);
}

static const struct way ways[] = {
	{ "remap_file_pages", by_remap, NULL },
	{ "remap_file_pages, MAP_NONBLOCK", by_lazy_remap, NULL },
	{ "mmap, MAP_FIXED", by_mmap, NULL },
	{ "pread and pwrite", by_read, write_back },
	{ "the whole file mapped", by_whole, NULL },
};

enum order { IN_ORDER, SHUFFLED, IN_RUNS, ORDERS };
static const char *const order_names[] = { "in order", "at random", "in runs of 16" };

static size_t next_page(enum order order, size_t step, size_t pages)
{
	static uint32_t random = 1998;
	static size_t start;

	if (order == IN_ORDER)
		return step % pages;
	if (order == SHUFFLED || step % 16 == 0) {
		random = random * 1664525 + 1013904223;
		start = (random >> 8) % pages;
	}
	return order == SHUFFLED ? start : (start + step % 16) % pages;
}

/* The ns of a step; 0 when there is no such call. */
static double time_steps(struct bench *bench, const struct way *way, enum order order, size_t steps,
			 size_t *wrong)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (size_t i = 0; i < steps; i++) {
		size_t number = next_page(order, i, bench->pages);
		struct page *page = way->bring(bench, i % bench->window.slots, number);

		if (!page)
			return 0;
		*wrong += page->number != number;
		page->visits++;
		if (way->done)
			way->done(bench);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
	       (double)steps;
}

static size_t count_areas(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	size_t lines = 0;

	if (!maps)
		return 0;
	for (int c; (c = getc(maps)) != EOF;)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

static void map_window(struct window *window)
{
	window->base = mmap(NULL, window->slots * window->page_size, PROT_READ | PROT_WRITE,
			    MAP_SHARED, window->fd, 0);
	if (window->base == MAP_FAILED)
		die("mmap");
}

static size_t time_way(struct bench *bench, const struct way *way, size_t steps)
{
	size_t wrong = 0;

	printf("%-32s", way->name);
	map_window(&bench->window);
	for (enum order order = IN_ORDER; order < ORDERS; order++) {
		double ns = time_steps(bench, way, order, steps, &wrong);

		if (ns > 0)
			printf(" %14.0f", ns);
		else
			printf(" %14s", strerrorname_np(errno));
	}
	printf(" %8zu\n", count_areas());
	munmap(bench->window.base, bench->window.slots * bench->window.page_size);
	return wrong;
}

static int bench_all(const struct window *window, size_t pages, size_t steps)
{
	struct bench bench = { .window = *window, .pages = pages };
	size_t wrong = 0;

	bench.whole = mmap(NULL, pages * window->page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   window->fd, 0);
	if (bench.whole == MAP_FAILED)
		die("mmap of the whole file");
	printf("%zu pages, a window of %zu, %zu steps; ns a step\n%-32s", pages, window->slots,
	       steps, "");
	for (int order = 0; order < ORDERS; order++)
		printf(" %14s", order_names[order]);
	printf(" %8s\n", "areas");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		wrong += time_way(&bench, &ways[i], steps);
	printf("%zu pages were wrong.\n", wrong);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	int benched = argc > 1 && strcmp(argv[1], "--bench") == 0;
	size_t pages = argument(argc, argv, 1 + benched, 1024);
	size_t steps = argument(argc, argv, 3 + benched, 10000);
	struct window window = {
		.slots = argument(argc, argv, 2 + benched, 64),
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
	};
	size_t wrong;
	uint64_t visits;

	window.fd = make_file(pages, window.page_size);
	if (benched)
		return bench_all(&window, pages, steps);
	map_window(&window);
	wrong = wander(&window, pages, steps);
	visits = count_visits(window.fd, pages, window.page_size);
	printf("%zu pages of a file of %zu were brought into a window of %zu.\n"
	       "%zu were wrong, and the file counts %ju visits.\n",
	       steps, pages, window.slots, wrong, (uintmax_t)visits);
	return wrong == 0 && visits == steps ? 0 : 1;
}
