/* SPDX-License-Identifier: MIT */
/*
 * The time, without libc: its clock_gettime may be another preload library's, which lies, locks or
 * needs TLS. Async-signal-safe, and usable on the lease thread. Read
 * through the kernel's vdso, found once by the constructor, and by a system call before that or
 * where there is none.
 */

#include "audit/identity.h"
#include "support/sys.h"
#include "kernel/symbol.h"

#ifdef __x86_64__
#define CLOCK_SYMBOL "__vdso_clock_gettime"
#else
#define CLOCK_SYMBOL "__vdso_clock_gettime64"
#endif

typedef int clock_function(int clock, struct moment *now);

static clock_function *vdso_clock;

static __attribute__((constructor)) void clock_find(void)
{
	const struct link_map *vdso = symbol_vdso();

	if (vdso)
		vdso_clock = (clock_function *)symbol_in(vdso, CLOCK_SYMBOL);
}

void clock_read(int clock, struct moment *now)
{
	if (vdso_clock && !vdso_clock(clock, now))
		return;
	int64_t ns = sys_clock(clock);
	*now = (struct moment){ ns / 1000000000, ns % 1000000000 };
}

/* The civil date of a day counted from 1970-01-01 (H. Hinnant, chrono-compatible algorithms). */
static void civil_date(int64_t day, unsigned int *year, unsigned int *month, unsigned int *of_month)
{
	uint64_t z = (uint64_t)(day + 719468);
	unsigned int era = (unsigned int)(z / 146097);
	unsigned int doe = (unsigned int)(z % 146097);
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned int shifted = (5 * doy + 2) / 153;

	*of_month = doy - (153 * shifted + 2) / 5 + 1;
	*month = shifted < 10 ? shifted + 3 : shifted - 9;
	*year = era * 400 + yoe + (*month <= 2);
}

/* value in exactly `digits` digits, and the separator behind it. */
static char *put(char *at, unsigned int value, int digits, char separator)
{
	for (int i = digits - 1; i >= 0; i--) {
		at[i] = (char)('0' + value % 10);
		value /= 10;
	}
	at[digits] = separator;
	return at + digits + 1;
}

void clock_format(struct text *out, const struct moment *when)
{
	int64_t seconds = when->seconds < 0 ? 0 : when->seconds;
	unsigned int of_day = (unsigned int)(seconds % 86400);
	unsigned int year, month, day;
	char buffer[32], *at = buffer;

	civil_date(seconds / 86400, &year, &month, &day);
	at = put(at, year, 4, '-');
	at = put(at, month, 2, '-');
	at = put(at, day, 2, 'T');
	at = put(at, of_day / 3600, 2, ':');
	at = put(at, of_day / 60 % 60, 2, ':');
	at = put(at, of_day % 60, 2, '.');
	at = put(at, (unsigned int)(when->nanoseconds / 1000), 6, 'Z');
	text_add_bytes(out, buffer, (size_t)(at - buffer));
}
