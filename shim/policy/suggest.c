/* SPDX-License-Identifier: MIT */
/*
 * What a sentence about a bad setting quotes and suggests. Never allocates.
 */
#include <string.h>

#include "policy/suggest.h"
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
static bool is_key(const struct policy_option *option, const char *name, bool variable)
{
	const size_t prefix = strlen("MMFENCE_");

	if (!variable)
		return !strcmp(name, option->key);
	return !strcmp(name + prefix, option->variable + prefix + strlen(option->section) + 1);
}

/* The option whose name (or variable) looks most like this one, if one does. */
static const struct policy_option *nearest(const char *name, bool variable)
{
	const struct policy_option *best = NULL;
	size_t least = strlen(name) / 3 + 1;

	for (size_t i = 0; i < policy_option_count; i++) {
		const struct policy_option *option = &policy_options[i];
		size_t d = distance(name, variable ? option->variable : option->name);

		if (is_key(option, name, variable))
			d = 0;
		if (d < least) {
			least = d;
			best = option;
		}
	}
	return best;
}

void add_unknown(struct text *out, const char *name, bool variable)
{
	const struct policy_option *option = nearest(name, variable);

	text_add(out, variable ? "unknown variable " : "unknown option ");
	add_quoted(out, name);
	if (!option)
		return;
	text_add(out, "; did you mean \"");
	text_add(out, variable ? option->variable : option->name);
	text_add(out, "\"?");
}
