/* SPDX-License-Identifier: MIT */
/*
 *	copy plain|snapshot ROUNDS FILE
 *
 * Prints the median ns that it takes to have a private, writable copy of the whole FILE
 * mapped. `plain` is the least that such a copy can cost: memfd_create, sendfile, mmap.
 * `snapshot` is one mmap of FILE, which only under the library is a copy, and that is
 * checked: exit status 3 when a change of the file shows through. No page is touched while
 * the clock runs, and giving the copy back is not timed.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "clock.h"

#define MOST_ROUNDS 1000

static void *map_private(int fd, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		die("mmap");
	return map;
}

static void *map_copy(int fd, size_t size)
{
	int memory = memfd_create("copy", MFD_CLOEXEC);
	size_t done = 0;
	off_t offset = 0;
	void *map;

	if (memory < 0)
		die("memfd_create");
	while (done < size) {
		ssize_t count = sendfile(memory, fd, &offset, size - done);

		if (count <= 0)
			die("sendfile");
		done += (size_t)count;
	}
	map = map_private(memory, size);
	close(memory);
	return map;
}

static double round_ns(void *(*map)(int fd, size_t size), int fd, size_t size)
{
	double begin = now_ns(), spent;
	void *at = map(fd, size);

	spent = now_ns() - begin;
	munmap(at, size);
	return spent;
}

static int is_snapshot(const char *path, int fd, size_t size)
{
	volatile char *map = map_private(fd, size);
	char old = map[0], new = (char)~old;
	int writer = open(path, O_WRONLY | O_CLOEXEC);
	int kept;

	if (writer < 0 || pwrite(writer, &new, 1, 0) != 1)
		die(path);
	kept = map[0] == old;
	if (pwrite(writer, &old, 1, 0) != 1)
		die(path);
	close(writer);
	munmap((void *)map, size);
	return kept;
}

int main(int argc, char **argv)
{
	double spent[MOST_ROUNDS];
	int rounds = argc == 4 ? atoi(argv[2]) : 0;
	int plain = argc == 4 && strcmp(argv[1], "plain") == 0;
	struct stat file;
	int fd;

	if (rounds <= 0 || rounds > MOST_ROUNDS) {
		fprintf(stderr, "usage: copy plain|snapshot ROUNDS FILE\n");
		return 2;
	}
	fd = open(argv[3], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &file))
		die(argv[3]);
	if (!plain && !is_snapshot(argv[3], fd, (size_t)file.st_size)) {
		fprintf(stderr, "copy: a change of the file shows through: no snapshot\n");
		return 3;
	}
	if (plain) /* as much work before the clock starts as the check is */
		round_ns(map_copy, fd, (size_t)file.st_size);
	for (int i = 0; i < rounds; i++)
		spent[i] = round_ns(plain ? map_copy : map_private, fd, (size_t)file.st_size);
	printf("%.0f\n", median(spent, (size_t)rounds));
	return 0;
}
