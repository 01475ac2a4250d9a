/* SPDX-License-Identifier: MIT */
/*
 * A1: the time of a record, against libc's calendar.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/identity.h"

#define DAY 86400LL

static void is_right(int64_t seconds, int64_t nanoseconds)
{
	struct moment when = { seconds, nanoseconds };
	time_t libc = (time_t)seconds;
	char ours[64], theirs[80];
	struct text text;
	struct tm tm;

	text_init(&text, ours, sizeof(ours));
	clock_format(&text, &when);
	gmtime_r(&libc, &tm);
	size_t length = strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(theirs + length, sizeof(theirs) - length, ".%06dZ", (int)(nanoseconds / 1000));
	cr_assert_str_eq(ours, theirs);
}

/* Every day of 800 years: all rules for leap years twice. */
Test(clock, days)
{
	for (int64_t day = 0; day < 800 * 366; day++)
		is_right(day * DAY + day % DAY, day % 1000000000);
}

Test(clock, seconds)
{
	for (int64_t second = 0; second < DAY; second++)
		is_right(1700000000 / DAY * DAY + second, 999999999);
}

Test(clock, is_the_kernels)
{
	struct timespec before, after;
	struct moment now;

	clock_gettime(CLOCK_REALTIME, &before);
	clock_read(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_REALTIME, &after);
	cr_assert_geq(now.seconds, before.tv_sec);
	cr_assert_leq(now.seconds, after.tv_sec);
	cr_assert(now.nanoseconds >= 0 && now.nanoseconds < 1000000000);
}
