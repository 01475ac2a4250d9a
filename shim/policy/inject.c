/* SPDX-License-Identifier: MIT */
/*
 * The grammar of process.inject: see inject.h. Runs in the library's constructor and in
 * the command: never allocates.
 */
#include <errno.h>
#include <string.h>

#include "policy/inject.h"
#include "policy/value.h"
#include "support/sys.h"

#define NUMBER_MOST UINT32_MAX
#define WORD_BYTES  96
#define AREA_CALLS                                                                         \
	(INJECT_BIT(INJECT_MMAP) | INJECT_BIT(INJECT_MUNMAP) | INJECT_BIT(INJECT_MREMAP) | \
	 INJECT_BIT(INJECT_MPROTECT) | INJECT_BIT(INJECT_REMAP_FILE_PAGES))

static const struct {
	const char *name;
	uint32_t calls;
	enum inject_filter filter;
} calls[] = {
#define BIT(call)				INJECT_BIT(INJECT_##call)
#define INJECT(id, name, calls_, filter_, what) { name, calls_, INJECT_IF_##filter_ },
#include "policy/inject.def"
#undef INJECT
#undef BIT
};

#define CALLS (sizeof(calls) / sizeof(*calls))

/* Names that glibc has no other way to. */
static const struct {
	const char *name;
	int error;
} synonyms[] = {
	{ "EWOULDBLOCK", EWOULDBLOCK },
	{ "EDEADLOCK", EDEADLOCK },
	{ "ENOTSUP", ENOTSUP },
};

static const char *call_word(size_t index)
{
	if (index == CALLS)
		return "max_map_count";
	return index < CALLS ? calls[index].name : NULL;
}

#define ERROR_NAMES 134 /* one more than the last errno of Linux */

static const char *error_word(size_t index)
{
	const char *name = index < ERROR_NAMES ? error_name((int)index) : NULL;

	if (index >= ERROR_NAMES)
		return NULL;
	return index && name ? name : "";
}

/* A piece of the list, as a text of its own; longer than any word that is known, it is cut. */
static const char *piece(char word[WORD_BYTES], const char *at, size_t length)
{
	if (length >= WORD_BYTES)
		length = WORD_BYTES - 1;
	memcpy(word, at, length);
	word[length] = 0;
	return word;
}

static int wrong(struct text *error, const char *word, const char *is, const char *suggestion)
{
	add_quoted(error, word);
	text_add(error, is);
	add_suggestion(error, suggestion);
	return -EINVAL;
}

/* FIRST[..LAST][+[STEP]] */
static bool parse_when(const char *at, struct inject_when *out)
{
	if (!number_take(&at, NUMBER_MOST, &out->first) || !out->first)
		return false;
	out->last = out->first;
	out->step = 1;
	if (at[0] == '.' && at[1] == '.') {
		at += 2;
		if (!number_take(&at, NUMBER_MOST, &out->last) || out->last < out->first)
			return false;
	} else if (*at == '+') {
		out->last = UINT64_MAX;
	}
	if (*at == '+' && at[1]) {
		at++;
		if (!number_take(&at, NUMBER_MOST, &out->step) || !out->step)
			return false;
	} else if (*at == '+') {
		at++;
	}
	return !*at;
}

static bool parse_after(const char *at, struct inject_when *out)
{
	if (!number_take(&at, NUMBER_MOST, &out->first) || *at)
		return false;
	*out = (struct inject_when){ out->first + 1, UINT64_MAX, 1 };
	return true;
}

static int parse_suffix(const char *suffix, struct inject_when *when, struct text *error)
{
	if (!strncmp(suffix, "when=", 5)) {
		if (parse_when(suffix + 5, when))
			return 0;
		return wrong(
			error, suffix,
			" is not when=FIRST, FIRST+, FIRST+STEP, FIRST..LAST or FIRST..LAST+STEP, "
			"counted from 1",
			NULL);
	}
	if (!strncmp(suffix, "after=", 6)) {
		if (parse_after(suffix + 6, when))
			return 0;
		return wrong(error, suffix, " is not after=NUMBER", NULL);
	}
	return wrong(error, suffix, " is neither when=EXPR nor after=NUMBER", NULL);
}

/* By name, or by number as strace takes it. */
static int parse_error(const char *name, int *out, struct text *error)
{
	const char *at = name;
	uint64_t number;

	if (number_take(&at, NUMBER_MOST, &number) && !*at && number && number < 4096) {
		*out = (int)number;
		return 0;
	}
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(*synonyms); i++) {
		*out = synonyms[i].error;
		if (!strcmp(name, synonyms[i].name))
			return 0;
	}
	for (*out = 1; *name && *out < ERROR_NAMES; (*out)++) {
		if (!strcmp(name, error_word((size_t)*out)))
			return 0;
	}
	return wrong(error, name, " is no errno", suggest_nearest(name, error_word));
}

static int parse_call(const char *name, struct inject_rule *rule, struct text *error)
{
	for (size_t i = 0; i < CALLS; i++) {
		if (strcmp(name, calls[i].name))
			continue;
		rule->calls = calls[i].calls;
		rule->filter = calls[i].filter;
		return 0;
	}
	return wrong(error, name, " is no call that can be made to fail",
		     suggest_nearest(name, call_word));
}

static int parse_areas(const char *value, struct inject_rule *rule, struct text *error)
{
	rule->calls = AREA_CALLS;
	rule->error = ENOMEM;
	if (number_take(&value, NUMBER_MOST, &rule->areas) && rule->areas && !*value)
		return 0;
	text_add(error, "max_map_count wants a number of areas, and nothing else");
	return -EINVAL;
}

/* ":when=…", several times: the last one counts, as with strace. */
static int parse_suffixes(const char *at, const char *end, struct inject_rule *rule,
			  struct text *error)
{
	char word[WORD_BYTES];
	int result = 0;

	while (!result && at < end) {
		const char *colon = memchr(at + 1, ':', (size_t)(end - at - 1));
		const char *stop = colon ? colon : end;

		result = parse_suffix(piece(word, at + 1, (size_t)(stop - at - 1)), &rule->when,
				      error);
		at = stop;
	}
	return result;
}

static int parse_rule(const char *text, size_t length, struct inject_rule *rule, struct text *error)
{
	const char *end = text + length;
	const char *equals = memchr(text, '=', length);
	char word[WORD_BYTES];

	*rule = (struct inject_rule){ .text = text, .length = length };
	rule->when = (struct inject_when){ 1, UINT64_MAX, 1 };
	if (!equals)
		return wrong(error, piece(word, text, length), " is not CALL=ERRNO[:when=EXPR]",
			     NULL);
	if (!strcmp(piece(word, text, (size_t)(equals - text)), "max_map_count"))
		return parse_areas(piece(word, equals + 1, (size_t)(end - equals - 1)), rule,
				   error);
	if (parse_call(word, rule, error))
		return -EINVAL;
	const char *colon = memchr(equals, ':', (size_t)(end - equals));
	const char *stop = colon ? colon : end;

	if (parse_error(piece(word, equals + 1, (size_t)(stop - equals - 1)), &rule->error, error))
		return -EINVAL;
	return parse_suffixes(stop, end, rule, error);
}

int inject_parse(const char *list, struct inject_rule rules[INJECT_RULES], struct text *error)
{
	int count = 0;

	if (!*list)
		return 0;
	for (const char *next = list; next; count++) {
		const char *comma = strchr(next, ',');
		size_t length = comma ? (size_t)(comma - next) : strlen(next);

		if (count == INJECT_RULES) {
			text_add(error, "more than ");
			text_add_uint(error, INJECT_RULES);
			text_add(error, " calls to fail");
			return -EINVAL;
		}
		if (parse_rule(next, length, &rules[count], error))
			return -EINVAL;
		next = comma ? comma + 1 : NULL;
	}
	return count;
}

bool inject_due(const struct inject_when *when, uint64_t number)
{
	return number >= when->first && number <= when->last &&
	       (number - when->first) % when->step == 0;
}
