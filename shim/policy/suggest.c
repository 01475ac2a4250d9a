/* SPDX-License-Identifier: MIT */
/*
 * What a sentence about a bad setting quotes and suggests. Never allocates.
 */
#include <string.h>

#include "policy/value.h"

void add_quoted(struct text *out, const char *value)
{
	size_t length = strnlen(value, 81);

	text_add_char(out, '"');
	for (size_t i = 0; i < length && i < 80; i++)
		text_add_char(out,
			      (unsigned char)value[i] < ' ' || value[i] == 127 ? '?' : value[i]);
	text_add(out, length > 80 ? "…\"" : "\"");
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Levenshtein's distance. Names too long to be ours are far away. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64];
	size_t width = strlen(b);

	if (width >= 64 || strnlen(a, 64) == 64)
		return 64;
	for (size_t j = 0; j <= width; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			size_t above = row[j];

			row[j] = smallest(above + 1, row[j - 1] + 1,
					  corner + (a[i - 1] != b[j - 1]));
			corner = above;
		}
	}
	return row[width];
}

const char *suggest_nearest(const char *wrong, suggest_word *word)
{
	size_t least = strlen(wrong) / 3 + 1;
	const char *best = NULL;
	const char *known;

	for (size_t i = 0; (known = word(i)); i++) {
		size_t d = distance(wrong, known);

		if (*known && d < least) {
			least = d;
			best = known;
		}
	}
	return best;
}

/* "copy-limit" or "MMFENCE_COPY_LIMIT": the section forgotten. */
static bool is_key(size_t index, const char *name, bool variable)
{
	const struct policy_option *option = &policy_options[index];
	const size_t prefix = strlen("MMFENCE_");

	if (!variable)
		return !strcmp(name, option->key);
	return !strcmp(name + prefix,
		       policy_variable(index) + prefix + strlen(option->section) + 1);
}

static const char *option_word(size_t index)
{
	return index < policy_option_count ? policy_options[index].name : NULL;
}

static const char *variable_word(size_t index)
{
	return index < policy_option_count ? policy_variable(index) : NULL;
}

void add_suggestion(struct text *out, const char *word)
{
	if (!word)
		return;
	text_add(out, "; did you mean \"");
	text_add(out, word);
	text_add(out, "\"?");
}

void add_unknown(struct text *out, const char *name, bool variable)
{
	suggest_word *word = variable ? variable_word : option_word;
	size_t i = 0;

	text_add(out, variable ? "unknown variable " : "unknown option ");
	add_quoted(out, name);
	while (i < policy_option_count && !is_key(i, name, variable))
		i++;
	add_suggestion(out, i < policy_option_count ? word(i) : suggest_nearest(name, word));
}
