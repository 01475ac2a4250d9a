/* SPDX-License-Identifier: MIT */
/*
 * A9: the same mappings over and over, of two files from two call sites, one
 * of which maps both. Some are unmapped; then somebody opens one of the files for writing. `fork`:
 * a child does it all again first.
 */
#include "helper.h"

#define TIMES 20

static volatile int files_from_one_site = 2; /* a compiler would make two sites of it */

static __attribute__((noinline, noclone)) char *again(int fd)
{
	return sure(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
}

/* Out of the loop, which a compiler would double for it, and the call sites too. */
static __attribute__((noinline, noclone)) void unmap_odd(char *at, int number)
{
	if (number % 2)
		must(!munmap(at, PAGE));
}

static void map_all(void)
{
	int files[] = { file_open("first"), file_open("second") };

	for (int i = 0; i < TIMES; i++) {
		must(mmap(NULL, PAGE, RW, MAP_PRIVATE, files[1], 0) != MAP_FAILED);
		const int numbers[] = { i, 0 };
		for (int file = 0; file < files_from_one_site; file++)
			unmap_odd(again(files[file]), numbers[file]);
	}
	must(!close(open("first", O_RDWR)));
}

int main(int argc, char **argv)
{
	int status;

	file_make("first", 1, 1);
	file_make("second", 2, 1);
	pid_t child = argc > 1 && !strcmp(argv[1], "fork") ? fork() : -1;
	if (child > 0)
		must(waitpid(child, &status, 0) == child && !status);
	map_all();
	return 0;
}
