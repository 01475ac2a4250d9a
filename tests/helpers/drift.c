/* SPDX-License-Identifier: MIT */
/*
 * S12: maps a file, then changes pages 3, 4 and 9 of it and cuts its last page off. "unmap"
 * ends the snapshot before the process does; "own" stores into page 5 first; "replaced" has a
 * FIFO of its name then, which nobody must open; "whole" is nothing written at all. "parts" and
 * "tail" unmap some pages before the process ends.
 */
#include <sys/inotify.h>

#include "helper.h"

#define PAGES 16

static void change(const char *name)
{
	int fd = sure(open(name, O_WRONLY));

	must(pwrite(fd, "other", 5, 3 * PAGE) == 5 && pwrite(fd, "other", 5, 4 * PAGE) == 5);
	must(pwrite(fd, "other", 5, 9 * PAGE + 100) == 5);
	must(ftruncate(fd, (PAGES - 1) * PAGE) == 0);
	must(close(fd) == 0);
}

static void unmap_and_watch(void *view)
{
	int watch = sure(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	char event[512];

	must(unlink("drift.data") == 0 && mkfifo("drift.data", 0600) == 0);
	sure(inotify_add_watch(watch, "drift.data", IN_OPEN));
	must(munmap(view, PAGES * PAGE) == 0);
	promise(read(watch, event, sizeof(event)) < 0, "the FIFO was opened");
}

int main(int argc, char **argv)
{
	bool own = argc > 1 && !strcmp(argv[1], "own");

	file_make("drift.data", 1, PAGES);
	int fd = open("drift.data", O_RDONLY);
	char *view =
		mmap(NULL, PAGES * PAGE, PROT_READ | (own ? PROT_WRITE : 0), MAP_PRIVATE, fd, 0);
	must(fd >= 0 && view != MAP_FAILED);
	if (own)
		view[5 * PAGE] = 'o';
	if (argc > 1 && strcmp(argv[1], "whole"))
		change("drift.data");
	if (argc > 1 && !strcmp(argv[1], "replaced"))
		unmap_and_watch(view);
	if (argc > 1 && !strcmp(argv[1], "parts"))
		must(munmap(view, PAGE) == 0 && munmap(view + 14 * PAGE, PAGE) == 0);
	if (argc > 1 && !strcmp(argv[1], "tail"))
		must(munmap(view + 15 * PAGE, PAGE) == 0);
	if (argc > 1 && !strcmp(argv[1], "unmap"))
		must(munmap(view, PAGES * PAGE) == 0);
	return 0;
}
