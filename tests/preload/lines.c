/* SPDX-License-Identifier: MIT */
/*
 * A run that is written as a line: what stands for the build's places, and the words of it.
 */
#include <stdio.h>
#include <string.h>

#include "lines.h"

#define PLACES 4

static size_t place_at(const char *text, const char *const places[PLACES])
{
	size_t i = 0;

	while (i < PLACES && strncmp(text, places[i], strlen(places[i])))
		i++;
	return i;
}

char *line_expand(const char *text, const char *variant)
{
	static const char *const places[PLACES] = { "$mmfence", "$BUILD/", "$HELPERS/", "$DATA/" };
	const char *const paths[PLACES] = { build_path("bin/mmfence"), build_path("%s", ""),
					    build_path("helpers/%s/", variant ? variant : "plain"),
					    build_path("../tests/data/") };
	char *expanded;
	size_t size, place;
	FILE *out = open_memstream(&expanded, &size);

	cr_assert(out);
	for (; *text; text += place < PLACES ? strlen(places[place]) : 1) {
		place = place_at(text, places);
		if (place < PLACES)
			fputs(paths[place], out);
		else
			fputc(*text, out);
	}
	fclose(out);
	return expanded;
}

size_t line_split(char *line, const char **words)
{
	size_t count = 0;

	while (*(line += strspn(line, " "))) {
		bool quoted = false;
		char *to = line;

		words[count++] = to;
		for (; *line && (quoted || *line != ' '); line++)
			if (*line == '\'')
				quoted = !quoted;
			else
				*to++ = *line;
		line += *line != 0;
		*to = 0;
	}
	return count;
}
