/* SPDX-License-Identifier: MIT */
/*
 * A program that ends while its threads write records. "hasty exit" or "hasty _exit".
 */
#include <stdatomic.h>

#include "helper.h"

#define THREADS 3

static atomic_int opened[THREADS];

static void *open_for_ever(void *count)
{
	for (;;) {
		int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
		must(fd >= 0 && close(fd) == 0);
		atomic_fetch_add((atomic_int *)count, 1);
	}
}

int main(int argc, char **argv)
{
	for (int i = 0; i < THREADS; i++)
		thread_start(open_for_ever, &opened[i]);
	for (int i = 0; i < THREADS; i++)
		while (opened[i] < 100)
			sched_yield();
	if (argc == 2 && !strcmp(argv[1], "_exit"))
		_exit(0);
	return 0;
}
