/* SPDX-License-Identifier: MIT */
/*
 *	alias KIND MIB
 *
 * Second views of a resident region of so many MiB, in ns:
 *	memcpy	one memcpy of it into a fresh mapping of a memfd (needs no fence)
 *	first	mapping it through /proc/self/mem, which turns it
 *	second	the same once more, the median of many
 *	plain	loading and storing all over plain memory (needs no fence)
 *	view	the same through a view
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "clock.h"

#define RW     (PROT_READ | PROT_WRITE)
#define ROUNDS 200
#define PASSES 9

static size_t length;
static char *region;
static int memory;

static char *map(int flags, int fd, off_t offset)
{
	char *at = mmap(NULL, length, RW, flags, fd, offset);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static char *view(void)
{
	return map(MAP_SHARED, memory, (off_t)(uintptr_t)region);
}

static double copy(void)
{
	int fd = memfd_create("alias", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)length))
		die("memfd_create");
	char *to = map(MAP_SHARED, fd, 0);
	double begin = now_ns();
	memcpy(to, region, length);
	return now_ns() - begin;
}

static double first(void)
{
	double begin = now_ns();

	view();
	return now_ns() - begin;
}

static double second(void)
{
	static double times[ROUNDS];

	view();
	for (int i = 0; i < ROUNDS; i++) {
		double begin = now_ns();
		char *at = view();
		times[i] = now_ns() - begin;
		munmap(at, length);
	}
	return median(times, ROUNDS);
}

static void pass(volatile uint64_t *at)
{
	for (size_t i = 0; i < length / sizeof(*at); i++)
		at[i] += i;
}

static double use(char *at)
{
	double times[PASSES];

	pass((uint64_t *)(void *)at);
	for (int i = 0; i < PASSES; i++) {
		double begin = now_ns();
		pass((uint64_t *)(void *)at);
		times[i] = now_ns() - begin;
	}
	return median(times, PASSES);
}

static double measure(const char *kind)
{
	if (!strcmp(kind, "memcpy"))
		return copy();
	if (!strcmp(kind, "first"))
		return first();
	if (!strcmp(kind, "second"))
		return second();
	return use(strcmp(kind, "view") ? region : view());
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: alias memcpy|first|second|plain|view MIB\n");
		return 2;
	}
	length = strtoul(argv[2], NULL, 10) << 20;
	memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (memory < 0)
		die("/proc/self/mem");
	region = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(region, 1, length);
	printf("%.1f\n", measure(argv[1]));
	return 0;
}
