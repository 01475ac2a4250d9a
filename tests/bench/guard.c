/* SPDX-License-Identifier: MIT */
/*
 *	guard snapshot|allowance|growth DIRECTORY...
 *
 * Each DIRECTORY holds FILES sparse files of one size, named by numbers. `snapshot` maps all
 * of all directories, in turn, and prints for each directory the median ns of an mmap, and
 * then of a munmap; every mapping is checked to be guarded, and each is of a file that was
 * not guarded before. The first round, in which the lease thread starts, does not count.
 * `allowance` prints in the same places what that may cost: a plain mmap and four times a
 * bare open, F_SETLEASE and close of the same file, and a plain munmap. `growth` prints the
 * KiB by which RSS and Shmem grew for each snapshot of the last directory.
 */
#include "guarded.h"

#define FILES  32
#define ROUNDS 6
#define MOST   8

struct times {
	double map[FILES * ROUNDS], unmap[FILES * ROUNDS];
	size_t count;
};

static struct view views[MOST][FILES];
static struct times times[MOST];

static double lease_ns(const char *directory, size_t number)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%zu", directory, number);
	double begin = now_ns();
	int fd = lease_bare(path);

	if (close(fd))
		die("close");
	return now_ns() - begin;
}

static double map_ns(struct view *view)
{
	double begin = now_ns();

	view_map(view);
	return now_ns() - begin;
}

static double unmap_ns(struct view *view)
{
	double begin = now_ns();

	view_unmap(view);
	return now_ns() - begin;
}

static void measure_round(char **directories, size_t count, bool fenced, size_t at)
{
	for (size_t i = 0; i < FILES; i++)
		for (size_t d = 0; d < count; d++) {
			times[d].map[at + i] = map_ns(&views[d][i]);
			if (fenced)
				view_expect_guard(&views[d][i]);
			else
				times[d].map[at + i] += 4 * lease_ns(directories[d], i);
		}
	for (size_t i = 0; i < FILES; i++)
		for (size_t d = 0; d < count; d++)
			times[d].unmap[at + i] = unmap_ns(&views[d][i]);
	let_lease_thread_work();
}

static int measure(char **directories, size_t count, bool fenced)
{
	measure_round(directories, count, fenced, 0);
	for (size_t round = 0; round < ROUNDS; round++)
		measure_round(directories, count, fenced, round * FILES);
	for (size_t d = 0; d < count; d++)
		printf("%.0f ", median(times[d].map, FILES * ROUNDS));
	for (size_t d = 0; d < count; d++)
		printf("%.0f ", median(times[d].unmap, FILES * ROUNDS));
	putchar('\n');
	return 0;
}

/* KiB of the lines of /proc's file that begin so. */
static long kib(const char *file, const char *name)
{
	FILE *lines = fopen(file, "re");
	char line[256];
	long value = 0;

	while (lines && fgets(line, sizeof(line), lines))
		if (strncmp(line, name, strlen(name)) == 0)
			value += strtol(line + strlen(name), NULL, 10);
	if (lines)
		fclose(lines);
	return value;
}

static long memory_in_use(void)
{
	return kib("/proc/self/status", "VmRSS:") + kib("/proc/meminfo", "Shmem:");
}

static int growth(size_t directory)
{
	long before;

	view_map(&views[directory][0]);
	view_unmap(&views[directory][0]);
	let_lease_thread_work();
	before = memory_in_use();
	before = memory_in_use(); /* what the reading itself takes is there now */
	for (size_t i = 0; i < FILES; i++) {
		view_map(&views[directory][i]);
		view_expect_guard(&views[directory][i]);
	}
	printf("%.1f\n", (double)(memory_in_use() - before) / FILES);
	return 0;
}

int main(int argc, char **argv)
{
	size_t count = argc > 2 ? (size_t)(argc - 2) : 0;

	if (!count || count > MOST) {
		fprintf(stderr, "usage: guard snapshot|allowance|growth DIRECTORY...\n");
		return 2;
	}
	for (size_t d = 0; d < count; d++)
		for (size_t i = 0; i < FILES; i++)
			view_open_numbered(&views[d][i], argv[2 + d], i);
	if (strcmp(argv[1], "growth") == 0)
		return growth(count - 1);
	return measure(argv + 2, count, strcmp(argv[1], "snapshot") == 0);
}
