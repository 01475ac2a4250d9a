/* SPDX-License-Identifier: MIT */
/*
 * Sentences on standard error, memory that is there or ends the command (see cli.h), and numbers
 * and names for people's eyes.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/text/text.h"
#include "support/text.h"

void complain(const char *format, ...)
{
	char *sentence;
	va_list list;

	va_start(list, format);
	if (vasprintf(&sentence, format, list) >= 0) {
		char *visible = printable(sentence);

		fprintf(stderr, "mmfence: %s\n", visible);
		free(visible);
		free(sentence);
	}
	va_end(list);
}

static void *must(void *block)
{
	if (block)
		return block;
	complain("out of memory");
	exit(STATUS_USAGE);
}

void *take(size_t size)
{
	return must(calloc(1, size));
}

char *keep(const char *text)
{
	return must(strdup(text));
}

void *resize(void *block, size_t size)
{
	return must(realloc(block, size));
}

char *format_list(const char *format, va_list list)
{
	char *text;

	return must(vasprintf(&text, format, list) >= 0 ? text : NULL);
}

char *format_text(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	char *text = format_list(format, list);
	va_end(list);
	return text;
}

FILE *open_text(char **text)
{
	static size_t size;

	return must(open_memstream(text, &size));
}

void finish_output(void)
{
	struct pollfd reader = { .fd = STDOUT_FILENO };
	int error = fflush(stdout) ? errno : 0;

	if (!ferror(stdout) || error == EPIPE ||
	    (poll(&reader, 1, 0) > 0 && reader.revents & (POLLERR | POLLHUP)))
		return;
	complain("standard output cannot be written: %s",
		 error ? strerror(error) : "a part of it was lost");
	_exit(STATUS_USAGE);
}

int complain_of_logs(const char *path, int64_t damaged)
{
	complain("%s: none of %lld line%s is a record of mmfence", path ? path : "these logs",
		 (long long)damaged, plural(damaged));
	return STATUS_USAGE;
}

const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* What would be rounded to 1024.0 is 1.0 of the next. */
const char *size_text(uint64_t bytes, char out[SIZE_BYTES])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	for (; value >= 1023.95 && unit < 5; unit++)
		value /= 1024;
	if (bytes < 1024)
		snprintf(out, SIZE_BYTES, "%u byte%s", (unsigned int)bytes, plural((int64_t)bytes));
	else
		snprintf(out, SIZE_BYTES, "%.1f %s", value, units[unit]);
	return out;
}

void put_size(FILE *out, int64_t bytes)
{
	char text[SIZE_BYTES];

	fputs(size_text(bytes > 0 ? (uint64_t)bytes : 0, text), out);
}

void put_duration(FILE *out, int64_t microseconds)
{
	if (microseconds < 1000)
		fprintf(out, "%lld µs", (long long)microseconds);
	else if (microseconds < 1000000)
		fprintf(out, "%.1f ms", (double)microseconds / 1e3);
	else
		fprintf(out, "%.1f s", (double)microseconds / 1e6);
}

const char *time_text(const struct timespec *moment, char out[TIME_BYTES])
{
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	moment = moment ? moment : &now;
	size_t length = strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%S",
				 gmtime_r(&moment->tv_sec, &utc) ?: memset(&utc, 0, sizeof(utc)));

	snprintf(out + length, TIME_BYTES - length, ".%06uZ",
		 (unsigned int)(moment->tv_nsec / 1000) % 1000000);
	return out;
}

/* Not controls (C1 too, which terminals obey in UTF-8), what XML does not have, and what turns text
 * round or breaks lines: U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069. */
size_t character_length(const char *text)
{
	uint32_t code;
	size_t length = text_character(text, 4, &code);
	bool bad = code == NO_CHARACTER || code < ' ' || (code >= 0x7f && code < 0xa0) ||
		   code == 0xfffe || code == 0xffff || code == 0x200e || code == 0x200f ||
		   (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);

	return bad ? 0 : length;
}

char *printable(const char *text)
{
	char *out = keep(text), *to = out;

	while (*text) {
		size_t length = character_length(text);

		if (length)
			memmove(to, text, length);
		else
			*to = '?';
		to += length ? length : 1;
		text += length ? length : 1;
	}
	*to = 0;
	return out;
}

char *visible(const char *text, size_t most)
{
	size_t length = strlen(text);

	if (length <= most)
		return printable(text);
	text += length - most;
	while ((*text & 0xc0) == 0x80)
		text++;
	char *end = printable(text), *out = format_text("…%s", end);
	free(end);
	return out;
}

void put_visible(FILE *out, const char *text, size_t most)
{
	char *shown = visible(text, most);

	fputs(shown, out);
	free(shown);
}
