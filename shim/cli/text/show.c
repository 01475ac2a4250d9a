/* SPDX-License-Identifier: MIT */
/*
 * For people's eyes: see show.h.
 */
#include <stdbool.h>
#include <string.h>

#include "cli/text/show.h"

const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

void put_size(FILE *out, int64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && unit < 4; unit++)
		value /= 1024;
	if (unit)
		fprintf(out, "%.1f %s", value, units[unit]);
	else
		fprintf(out, "%.0f %s", value, bytes == 1 ? "byte" : units[0]);
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

/* U+200E, U+200F, U+2028 to U+202E and U+2066 to U+2069 turn what stands beside them round, or
 * break the line. */
static bool turns_text(const unsigned char *at)
{
	if (*at != 0xe2)
		return false;
	if (at[1] == 0x80)
		return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae);
	return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9;
}

/* Also the C1 controls, which terminals obey in UTF-8 too: U+0080 to U+009F, 0xc2 0x80 to 0x9f. */
size_t control_length(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	if (*at < ' ' || *at == 127)
		return 1;
	if (turns_text(at))
		return 3;
	return *at == 0xc2 && at[1] < 0xa0 ? 2 : 0;
}

void put_visible(FILE *out, const char *text, size_t most)
{
	size_t length = strlen(text);

	if (length > most) {
		text += length - most;
		while ((*text & 0xc0) == 0x80)
			text++;
		fputs("…", out);
	}
	while (*text) {
		size_t control = control_length(text);

		fputc(control ? '?' : *text, out);
		text += control ? control : 1;
	}
}
