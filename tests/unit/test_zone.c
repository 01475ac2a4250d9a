/* SPDX-License-Identifier: MIT */
/*
 * Local time of the system log's header: what libc says of the same zone files.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/clock.h"
#include "audit/zone.h"

#define ZONES "/usr/share/zoneinfo/"

static long expected(const char *name, time_t when)
{
	struct tm local;

	setenv("TZ", name, 1);
	tzset();
	localtime_r(&when, &local);
	return local.tm_gmtoff;
}

/* Every nine days and some, and so on both sides of each change; past 2037 the rule counts. */
static void same_as_libc(const char *name)
{
	static char data[65536];
	char path[128];

	snprintf(path, sizeof(path), ZONES "%s", name);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		cr_skip_test("no time zones here");
	ssize_t size = read(fd, data, sizeof(data));
	close(fd);
	for (int64_t when = 0; when < 5000000000; when += 800000) {
		int got = zone_parse(data, (size_t)size, when);
		cr_assert_eq(got, expected(name, (time_t)when), "%s at %jd: %d and not %ld", name,
			     (intmax_t)when, got, expected(name, (time_t)when));
	}
}

Test(zone, is_what_libc_says)
{
	static const char *const zones[] = { "UTC",
					     "Europe/Berlin",
					     "Europe/Dublin",
					     "America/New_York",
					     "America/St_Johns",
					     "America/Sao_Paulo",
					     "Asia/Kolkata",
					     "Asia/Kathmandu",
					     "Asia/Tokyo",
					     "Australia/Lord_Howe",
					     "Pacific/Auckland",
					     "Pacific/Apia",
					     "Africa/Casablanca" };

	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++)
		same_as_libc(zones[i]);
}

/* To the second. */
Test(zone, changes_at_its_moment)
{
	static char data[65536];
	int fd = open(ZONES "Europe/Berlin", O_RDONLY);

	if (fd < 0)
		cr_skip_test("no time zones here");
	size_t size = (size_t)read(fd, data, sizeof(data));
	close(fd);
	cr_assert_eq(zone_parse(data, size, 1774746000 - 1), 3600);
	cr_assert_eq(zone_parse(data, size, 1774746000), 7200);
	/* 2050-03-27 and 2050-10-30, 01:00 UTC: by the rule. */
	cr_assert_eq(zone_parse(data, size, 2531955600 - 1), 3600);
	cr_assert_eq(zone_parse(data, size, 2531955600), 7200);
	cr_assert_eq(zone_parse(data, size, 2550704400 - 1), 7200);
	cr_assert_eq(zone_parse(data, size, 2550704400), 3600);
}

Test(zone, damaged_files_are_utc)
{
	static char data[65536];
	int fd = open(ZONES "Europe/Berlin", O_RDONLY);

	if (fd < 0)
		cr_skip_test("no time zones here");
	ssize_t size = read(fd, data, sizeof(data));
	close(fd);
	/* A copy that ends where the memory ends, so that reading on is a crash under valgrind and
	 * the like; and whatever the byte, no crash. */
	for (ssize_t cut = 0; cut < size; cut++) {
		char *copy = malloc((size_t)cut + 1);
		memcpy(copy, data, (size_t)cut);
		copy[cut] = 0;
		zone_parse(copy, (size_t)cut, 1774746000);
		free(copy);
	}
	memset(data + 20, 0xff, 24);
	cr_assert_eq(zone_parse(data, (size_t)size, 1774746000), 0);
	cr_assert_eq(zone_parse("TZif", 4, 1774746000), 0);
}

Test(zone, times_of_rfc_3164)
{
	struct moment when = { 1772353805, 999999999 };
	char buffer[64];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	clock_format_syslog(&text, &when, 3600);
	cr_assert_str_eq(buffer, "Mar  1 09:30:05");
	text_init(&text, buffer, sizeof(buffer));
	clock_format_syslog(&text, &when, -8 * 3600 - 2 * 86400);
	cr_assert_str_eq(buffer, "Feb 27 00:30:05");
}
