/* SPDX-License-Identifier: MIT */
/*
 * What every measuring program here needs: nanoseconds, the median, and a way out.
 * Knows nothing of what is measured.
 */
#ifndef MMFENCE_BENCH_CLOCK_H
#define MMFENCE_BENCH_CLOCK_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static inline double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), order);
	return (values[count / 2] + values[(count - 1) / 2]) / 2;
}

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

#endif
