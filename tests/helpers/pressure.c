/* SPDX-License-Identifier: MIT */
/*
 * N4: drives a window to vm.max_map_count, one area a call, and says how many areas there
 * are: after the first call, when ENOMEM came, and when the window is gone again. Twice.
 *
 *	pressure remap|mmap|protect
 *	pressure turns		and fails there from two call sites in turn, and says for how long
 */
#include "helper.h"

#define WINDOW_PAGES 200000UL

/* Descriptors and buffers that are there from the start: nothing here changes the count. */
static int maps;

static unsigned long count_areas(void)
{
	static char buffer[65536];
	unsigned long lines = 0;
	ssize_t got;

	must(lseek(maps, 0, SEEK_SET) == 0);
	while ((got = read(maps, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < got; i++)
			lines += buffer[i] == '\n';
	/* The vsyscall page is listed and is no area. */
	return lines - (sizeof(long) == 8);
}

static int fd;

__attribute__((noinline)) static int one_more(const char *how, char *at, size_t i)
{
	size_t page = i % 2 ? 0 : WINDOW_PAGES;

	if (!strcmp(how, "remap"))
		return remap_file_pages(at, PAGE, 0, page, MAP_NONBLOCK);
	if (!strcmp(how, "protect") || !strcmp(how, "turns"))
		return mprotect(at, PAGE, i % 2 ? PROT_READ : PROT_NONE);
	return mmap(at, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)(page * PAGE)) ==
	       MAP_FAILED;
}

static void fail_in_turn(char *at, size_t i)
{
	time_t begun = time(NULL);

	for (int turn = 0; turn < 500; turn++) {
		must(one_more("protect", at, i));
		must(one_more("protect", at, i));
	}
	printf("seconds %lld\n", (long long)(time(NULL) - begun));
}

static void drive(const char *how)
{
	char *window = mmap(NULL, WINDOW_PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	size_t calls = 0;

	must(window != MAP_FAILED);
	must(!one_more(how, window, 0));
	unsigned long first = count_areas();
	while (++calls < WINDOW_PAGES && !one_more(how, window + calls * PAGE, calls))
		;
	int error = errno;
	if (!strcmp(how, "turns"))
		fail_in_turn(window + calls * PAGE, calls);
	unsigned long most = count_areas();
	must(!munmap(window, WINDOW_PAGES * PAGE));
	printf("first %lu calls %zu %s areas %lu left %lu\n", first, calls, strerrorname_np(error),
	       most, count_areas());
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "remap";

	/* Or the first line of output would make an area. */
	static char buffer[BUFSIZ];
	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	fd = file_in_memory();
	maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && maps >= 0);
	drive(how);
	drive(how);
	return 0;
}
