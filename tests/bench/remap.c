/* SPDX-License-Identifier: MIT */
/*
 *	remap AREAS MILLISECONDS FILE
 *
 * What one remap_file_pages call takes in a process with so many areas, in ns, in the median
 * batch: a window in which every second page is out of line, and of which one page is moved
 * to and fro. FILE is an ordinary file.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "clock.h"

#define PAGE	     4096UL
#define BATCH	     50
#define MOST_BATCHES 4096

static unsigned char *make_window(int fd, size_t areas)
{
	unsigned char *window =
		mmap(NULL, (areas + 2) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (window == MAP_FAILED)
		die("mmap");
	/* By another call, so that only what is measured is recorded. */
	for (size_t i = 1; i < areas; i += 2)
		if (mprotect(window + i * PAGE, PAGE, PROT_READ))
			die("mprotect");
	return window;
}

static double batch(unsigned char *at)
{
	double begin = now_ns();

	for (size_t i = 0; i < BATCH; i++)
		if (remap_file_pages(at, PAGE, 0, i % 2 ? 500 : 900, 0))
			die("remap_file_pages");
	return now_ns() - begin;
}

int main(int argc, char **argv)
{
	static double batches[MOST_BATCHES];
	double spent = 0;
	size_t count = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: remap AREAS MILLISECONDS FILE\n");
		return 2;
	}
	size_t areas = strtoul(argv[1], NULL, 10);
	int fd = open(argv[3], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(argv[3]);
	unsigned char *window = make_window(fd, areas);
	unsigned char *at = window + areas / 2 / 2 * 2 * PAGE;

	batch(at);
	while (count < MOST_BATCHES && spent < strtod(argv[2], NULL) * 1e6) {
		batches[count] = batch(at);
		spent += batches[count++];
	}
	printf("%.1f\n", median(batches, count) / BATCH);
	return 0;
}
