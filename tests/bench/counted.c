/* SPDX-License-Identifier: MIT */
/*
 *	counted KIND COUNT FILE
 *
 * Makes one kind of call COUNT times, for tests/lint/instructions.sh: the call alone goes through
 * libc, and so through the library; what it needs before and after are system calls made directly.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "clock.h"
#include "support/sys.h"

#define SIZE	   (4 * 4096UL)
#define PROTECTION (PROT_READ | PROT_WRITE)

static const char *path;

static void *map_directly(void)
{
	long at = sys_mmap(0, SIZE, PROTECTION, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_failed(at) ? NULL : (void *)at;
}

static int open_one(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || sys_close(fd);
}

static int close_one(void)
{
	return close((int)sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
}

static int mmap_one(void)
{
	void *at = mmap(NULL, SIZE, PROTECTION, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED || sys_munmap((uintptr_t)at, SIZE);
}

static int munmap_one(void)
{
	return munmap(map_directly(), SIZE);
}

static int mprotect_one(void)
{
	static void *at;

	at = at ? at : map_directly();
	return mprotect(at, SIZE, PROT_READ);
}

static const struct {
	const char *name;
	int (*make)(void);
} kinds[] = {
	{ "open", open_one },	  { "close", close_one },	{ "mmap", mmap_one },
	{ "munmap", munmap_one }, { "mprotect", mprotect_one },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 4 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		path = argv[3];
		for (long count = strtol(argv[2], NULL, 10); count > 0; count--)
			if (kinds[i].make())
				die(argv[1]);
		return 0;
	}
	fprintf(stderr, "usage: counted open|close|mmap|munmap|mprotect COUNT FILE\n");
	return 2;
}
