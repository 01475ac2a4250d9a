/* SPDX-License-Identifier: MIT */
/*
 * Reads a file through a private mapping, twice, while somebody else changes the file.
 *
 *	private_reader FILE	waits for a line on standard input between the two readings
 *	private_reader --self	makes a file in the current directory; a child process changes it
 *
 * MAP_PRIVATE keeps the program's own stores out of the file, and that is all. What others
 * write into the file shows through, and a page that they cut off is gone: touching it
 * raises SIGBUS, which ends a program that does not expect it. This one catches it, and
 * counts.
 *
 * Exit status: 0 when the second reading saw what the first had seen, 1 when it did not.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static sigjmp_buf lost_page;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(lost_page, 1);
}

static void die(const char *what)
{
	fprintf(stderr, "private_reader: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* FNV-1a over one page. */
static uint64_t checksum(const volatile unsigned char *page)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < PAGE; i++)
		sum = (sum ^ page[i]) * 0x100000001b3;
	return sum;
}

static int read_page(const unsigned char *page, uint64_t *sum)
{
	if (sigsetjmp(lost_page, 1))
		return -1;
	*sum = checksum(page);
	return 0;
}

static void make_file(size_t pages, char *path)
{
	unsigned char page[PAGE];
	int fd = mkstemp(path);

	if (fd < 0)
		die(path);
	for (size_t i = 0; i < pages; i++) {
		memset(page, 'a' + (int)(i % 26), sizeof(page));
		if (write(fd, page, sizeof(page)) != sizeof(page))
			die("writing the file");
	}
	close(fd);
}

/* The other program: overwrites the first half of the file and cuts off the second. */
static void meddle(const char *path, size_t size)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0) {
		size_t half = size / 2 / PAGE * PAGE;
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		int failed = ftruncate(fd, (off_t)half);

		for (size_t at = 0; at < half && !failed; at += 16)
			failed = pwrite(fd, "not yours at all", 16, (off_t)at) != 16;
		_exit(failed);
	}
	waitpid(child, NULL, 0);
}

static void wait_for_line(void)
{
	printf("Read it once. Change the file now, then press Enter.\n");
	fflush(stdout);
	while (getchar() != '\n' && !feof(stdin))
		;
}

static void first_reading(const unsigned char *map, uint64_t *sums, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (read_page(map + i * PAGE, &sums[i]))
			die("first reading");
}

/* Whether it saw what the first had seen. */
static int second_reading(const unsigned char *map, const uint64_t *sums, size_t pages)
{
	size_t changed = 0, lost = 0;
	uint64_t now;

	for (size_t i = 0; i < pages; i++) {
		if (read_page(map + i * PAGE, &now))
			lost++;
		else if (now != sums[i])
			changed++;
	}
	printf("Of %zu private pages, %zu changed under the program and %zu were lost (SIGBUS).\n",
	       pages, changed, lost);
	return changed + lost == 0;
}

int main(int argc, char **argv)
{
	char own_file[] = "private_reader.XXXXXX";
	int self = argc == 2 && strcmp(argv[1], "--self") == 0;
	const char *path = self ? own_file : argv[1];
	size_t pages;
	unsigned char *map;
	uint64_t *sums;
	struct stat file;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: private_reader FILE | --self\n");
		return 1;
	}
	signal(SIGBUS, on_sigbus);
	if (self)
		make_file(64, own_file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &file) || file.st_size == 0)
		die(path);
	map = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	pages = ((size_t)file.st_size + PAGE - 1) / PAGE;
	sums = calloc(pages, sizeof(*sums));
	if (map == MAP_FAILED || !sums)
		die(path);

	first_reading(map, sums, pages);
	if (self) {
		meddle(path, (size_t)file.st_size);
		unlink(path);
	} else {
		wait_for_line();
	}
	return second_reading(map, sums, pages) ? 0 : 1;
}
