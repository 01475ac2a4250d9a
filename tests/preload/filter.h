/* SPDX-License-Identifier: MIT */
/*
 * A seccomp filter that is there before the program, as a container has it: calls fail, or
 * look as on an older kernel. To be installed in run->prepare; it lets everything else pass.
 */
#ifndef MMFENCE_TESTS_FILTER_H
#define MMFENCE_TESTS_FILTER_H

#include <linux/filter.h>

#include "runner.h"

struct filter {
	struct sock_filter code[2048];
	unsigned short length;
};

/* The call fails with error: by its number in 64 and in 32 bit, and with this second argument
 * unless that is 0. */
void filter_fail(struct filter *filter, unsigned int nr64, unsigned int nr32, unsigned int second,
		 unsigned int error);
void filter_install(struct filter *filter);

/* The calls, flags and commands of this process that are younger than this kernel, "3.10", fail as
 * they would there (filter.c says what cannot be played). */
void filter_as_kernel(const char *version);

/* A version as a number that can be compared: 418 for "4.18". */
unsigned int filter_version(const char *version);

/* For run->prepare: no PROCMAP_QUERY (Linux 6.11), no PAGEMAP_SCAN (6.7). */
void filter_as_before_6_7(struct run *run);

#endif
