/* SPDX-License-Identifier: MIT */
/*
 * Reads a TZif file (RFC 8536): the list of changes, and the rule at its end for the
 * years behind them (the TZ of POSIX, with the Mm.w.d dates that all zones with a rule
 * have). Whatever is wrong with it, the answer is UTC.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "audit/zone.h"
#include "kernel/raw.h"

#define HEADER	44
#define QUARTER 900 /* clocks are changed at quarters of an hour */

struct block {
	const unsigned char *times, *types, *local;
	const unsigned char *end;
	uint32_t time_count, type_count;
};

struct rule {
	int month, week, day;
	int time; /* seconds after midnight */
};

static int64_t big_endian(const unsigned char *at, int bytes)
{
	int64_t value = (signed char)*at;

	for (int i = 1; i < bytes; i++)
		value = (int64_t)((uint64_t)value << 8 | at[i]);
	return value;
}

static bool read_block(const unsigned char *at, const unsigned char *end, int width,
		       struct block *out)
{
	uint32_t count[6]; /* isut, isstd, leap, time, type, char */
	uint64_t bytes;

	if (end - at < HEADER || memcmp(at, "TZif", 4))
		return false;
	for (int i = 0; i < 6; i++) {
		count[i] = (uint32_t)big_endian(at + 20 + 4 * i, 4);
		if (count[i] > 4096)
			return false;
	}
	out->time_count = count[3];
	out->type_count = count[4];
	out->times = at + HEADER;
	out->types = out->times + (size_t)width * count[3];
	out->local = out->types + count[3];
	bytes = (uint64_t)(width + 1) * count[3] + 6 * count[4] + count[5] +
		(uint64_t)(width + 4) * count[2] + count[1] + count[0];
	out->end = out->times + bytes;
	return bytes <= (uint64_t)(end - out->times) && count[4];
}

static bool take_char(const char **at, char c)
{
	bool there = **at == c;

	*at += there;
	return there;
}

static int take_digits(const char **at)
{
	int n = 0;

	for (; **at >= '0' && **at <= '9' && n < 10000; (*at)++)
		n = 10 * n + (**at - '0');
	return n;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static int take_time(const char **at)
{
	int sign = take_char(at, '-') ? -1 : 1;
	int seconds, unit = 3600;

	take_char(at, '+');
	seconds = take_digits(at) * 3600;
	while (unit > 1 && take_char(at, ':'))
		seconds += take_digits(at) * (unit /= 60);
	return sign * seconds;
}

static void skip_name(const char **at)
{
	if (take_char(at, '<')) {
		while (**at && !take_char(at, '>'))
			(*at)++;
		return;
	}
	while ((**at | 0x20) >= 'a' && (**at | 0x20) <= 'z')
		(*at)++;
}

/* ",M3.5.0/2" */
static bool take_rule(const char **at, struct rule *out)
{
	if (!take_char(at, ',') || !take_char(at, 'M'))
		return false;
	out->month = take_digits(at);
	take_char(at, '.');
	out->week = take_digits(at);
	take_char(at, '.');
	out->day = take_digits(at);
	out->time = take_char(at, '/') ? take_time(at) : 7200;
	return out->month >= 1 && out->month <= 12 && out->week >= 1 && out->week <= 5 &&
	       out->day <= 6;
}

/* Days from 1970-01-01 to the first of a month (H. Hinnant, chrono-compatible algorithms). */
static int64_t first_of(int64_t year, int month)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t yoe = y % 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;

	return y / 400 * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* When the clocks are changed in a year, in the local time that holds until then. */
static int64_t change(int64_t year, const struct rule *rule)
{
	int64_t first = first_of(year, rule->month);
	int64_t next = rule->month == 12 ? first_of(year + 1, 1) : first_of(year, rule->month + 1);
	int64_t day = first + (rule->day + 7 - (first + 4) % 7) % 7 + 7 * (rule->week - 1);

	while (day >= next)
		day -= 7;
	return day * 86400 + rule->time;
}

/* The footer: "CET-1CEST,M3.5.0,M10.5.0/3". */
static int rule_offset(const char *text, int64_t now)
{
	struct rule start, end;
	int standard, summer;
	int64_t year = 1970 + (now / 86400 * 400 + 200) / 146097, on, off;

	skip_name(&text);
	standard = -take_time(&text);
	if (!*text)
		return standard;
	skip_name(&text);
	summer = *text && *text != ',' ? -take_time(&text) : standard + 3600;
	if (!take_rule(&text, &start) || !take_rule(&text, &end))
		return standard;
	if (now + standard < first_of(year, 1) * 86400)
		year--;
	else if (now + standard >= first_of(year + 1, 1) * 86400)
		year++;
	on = change(year, &start) - standard;
	off = change(year, &end) - summer;
	if (on < off)
		return now >= on && now < off ? summer : standard;
	return now >= off && now < on ? standard : summer;
}

static int listed_offset(const struct block *block, int64_t now, int width, uint32_t *at)
{
	uint32_t type;

	*at = 0;
	while (*at < block->time_count &&
	       big_endian(block->times + (size_t)width * *at, width) <= now)
		++*at;
	type = *at ? block->types[*at - 1] : 0;
	return type < block->type_count ? (int)big_endian(block->local + 6 * type, 4) : 0;
}

int zone_parse(const char *data, size_t size, int64_t now)
{
	const unsigned char *at = (const unsigned char *)data, *end = at + size;
	struct block block;
	uint32_t index;
	int width = 4, offset;
	bool more;

	if (!read_block(at, end, 4, &block))
		return 0;
	more = at[4] >= '2';
	if (more && !read_block(block.end, end, width = 8, &block))
		return 0;
	offset = listed_offset(&block, now, width, &index);
	/* "\nRULE\n" */
	if (!more || index < block.time_count || end - block.end < 3 || block.end[1] == '\n' ||
	    end[-1] != '\n')
		return offset;
	return rule_offset((const char *)block.end + 1, now);
}

int zone_offset(int64_t now, char *room, size_t size)
{
	static atomic_uint known_quarter;
	static atomic_int known;
	unsigned int quarter = (unsigned int)(now / QUARTER);
	long length;

	if (atomic_load(&known_quarter) == quarter)
		return atomic_load(&known);
	length = raw_read_file("/etc/localtime", room, size);
	atomic_store(&known, length > 0 ? zone_parse(room, (size_t)length, now) : 0);
	atomic_store(&known_quarter, quarter);
	return atomic_load(&known);
}
