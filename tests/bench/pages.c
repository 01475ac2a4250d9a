/* SPDX-License-Identifier: MIT */
/*
 *	pages target FILE		maps 16 GiB in 10,000 areas, prints "ready", stays until
 *					standard input ends
 *	pages once|scan|each PID	prints the ns that it takes to go once over its page table:
 *					by PAGEMAP_SCAN and nothing else, as if it were one area or
 *					area by area, or page by page
 *	pages run COMMAND PID		prints the ns of `COMMAND pages PID', from start to end
 *
 * A third of the areas maps one small FILE privately, and a few pages of each are copies;
 * a third is anonymous and shows zeros; a third is one small piece of shared memory. All of it
 * is in the page table, and next to nothing in memory.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#define PAGE	   4096UL
#define AREAS	   10000
#define AREA_PAGES 420 /* 16 GiB, and a little */
#define REGIONS	   65536

extern char **environ;

/* ---- the target ---- */

static void populate(char *area)
{
	if (!madvise(area, AREA_PAGES * PAGE, MADV_POPULATE_READ))
		return;
	for (size_t i = 0; i < AREA_PAGES; i++)
		(void)*(volatile char *)(area + i * PAGE);
}

static void map_area(int kind, int file, int memory)
{
	int prot = PROT_READ | (kind == 2 ? 0 : PROT_WRITE);
	int flags = kind == 2 ? MAP_SHARED : MAP_PRIVATE | (kind ? MAP_ANONYMOUS : 0);
	int fd = kind == 2 ? memory : kind ? -1 : file;
	char *area = mmap(NULL, AREA_PAGES * PAGE, prot, flags, fd, 0);

	if (area == MAP_FAILED)
		die("mmap");
	/* A huge page of zeros would spare the table. */
	madvise(area, AREA_PAGES * PAGE, MADV_NOHUGEPAGE);
	populate(area);
	if (kind == 0)
		area[7 * PAGE] = area[8 * PAGE] = area[9 * PAGE] = 1;
}

static int be_target(const char *path)
{
	static char page[PAGE];
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int memory = memfd_create("bench", 0);

	if (file < 0 || memory < 0)
		die(path);
	for (size_t i = 0; i < AREA_PAGES; i++)
		if (write(file, page, PAGE) != (ssize_t)PAGE ||
		    write(memory, page, PAGE) != (ssize_t)PAGE)
			die("write");
	for (int i = 0; i < AREAS; i++)
		map_area(i % 3, file, memory);
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, page, PAGE) > 0)
		;
	return 0;
}

/* ---- the ways to read it ---- */

struct region {
	uint64_t start, end, categories;
};
struct argument {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN _IOWR('f', 16, struct argument)

static int open_of(const char *pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static volatile uint64_t seen;

/* Present or swapped, and which of them are of a file: no less would make a census. */
static void scan(int fd, uint64_t start, uint64_t end)
{
	static struct region regions[REGIONS];
	struct argument argument = {
		.size = sizeof(argument),
		.start = start,
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = REGIONS,
		.category_anyof_mask = 1 << 3 | 1 << 4,
		.return_mask = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5,
	};

	for (; argument.start < argument.end; argument.start = argument.walk_end) {
		int count = ioctl(fd, SCAN, &argument);
		if (count < 0)
			die("PAGEMAP_SCAN");
		for (int i = 0; i < count; i++)
			seen += (regions[i].end - regions[i].start) / PAGE;
	}
}

static void scan_once(int fd, FILE *maps)
{
	(void)maps;
	scan(fd, 0, 0x7ffffffff000);
}

static bool next_area(FILE *maps, unsigned long *start, unsigned long *end)
{
	char line[4096];

	return fgets(line, sizeof(line), maps) && sscanf(line, "%lx-%lx", start, end) == 2 &&
	       !(*start >> 63);
}

static void scan_areas(int fd, FILE *maps)
{
	unsigned long start, end;

	while (next_area(maps, &start, &end))
		scan(fd, start, end);
}

static void read_each(int fd, FILE *maps)
{
	unsigned long start, end;

	while (next_area(maps, &start, &end))
		for (; start < end; start += PAGE) {
			uint64_t entry;
			if (pread(fd, &entry, 8, (off_t)(start / PAGE * 8)) != 8)
				die("pagemap");
			seen += entry >> 63;
		}
}

static const struct way {
	const char *name;
	void (*read)(int fd, FILE *maps);
} ways[] = { { "once", scan_once }, { "scan", scan_areas }, { "each", read_each } };

static int read_table(const char *name, const char *pid)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (strcmp(ways[i].name, name))
			continue;
		int fd = open_of(pid, "pagemap");
		FILE *maps = fdopen(open_of(pid, "maps"), "r");
		double begin = now_ns();
		ways[i].read(fd, maps);
		printf("%.0f\n", now_ns() - begin);
		return 0;
	}
	return 2;
}

static void run(char *command, char *pid)
{
	char *arguments[] = { command, "pages", pid, NULL };
	posix_spawn_file_actions_t actions;
	int status;
	pid_t child;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&child, command, &actions, NULL, arguments, environ) ||
	    waitpid(child, &status, 0) != child)
		die(command);
	if (status) {
		fprintf(stderr, "%s pages failed\n", command);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "target") == 0)
		return be_target(argv[2]);
	if (argc == 4 && strcmp(argv[1], "run") == 0) {
		double begin = now_ns();
		run(argv[2], argv[3]);
		printf("%.0f\n", now_ns() - begin);
		return 0;
	}
	if (argc == 3 && read_table(argv[1], argv[2]) == 0)
		return 0;
	fprintf(stderr, "usage: pages target FILE | once|scan|each PID | run COMMAND PID\n");
	return 2;
}
