/* SPDX-License-Identifier: MIT */
/*
 * Lists of file name patterns. Like fnmatch(3), but that one may allocate, takes
 * the locale's lock the first time and needs kilobytes of stack: a pattern here
 * is matched inside the program's mmap. Never recursive: at every level only the
 * last star is ever widened, so the time is at most pattern times path.
 */
#include <stdint.h>
#include <string.h>

#include "policy/policy.h"
#include "support/text.h"

struct span {
	const char *start;
	const char *end;
};

/* One character of a name: UTF-8, or a byte that is none, which equals only itself. */
static uint32_t char_next(const char **at, const char *end)
{
	uint32_t code;
	size_t length = text_character(*at, (size_t)(end - *at), &code);

	if (code == NO_CHARACTER)
		return code + (unsigned char)*(*at)++;
	*at += length;
	return code;
}

static const struct class
{
	const char *name;
	const char *ranges; /* pairs of first and last */
} classes[] = {
	{ "alnum", "09AZaz" },	 { "alpha", "AZaz" },
	{ "blank", "\t\t  " },	 { "cntrl", "\1\37\177\177" },
	{ "digit", "09" },	 { "graph", "!~" },
	{ "lower", "az" },	 { "print", " ~" },
	{ "punct", "!/:@[`{~" }, { "space", "\t\r  " },
	{ "upper", "AZ" },	 { "xdigit", "09AFaf" },
};

/* The class that "[:alpha:]" at p names, and where it ends; NULL when it is none. */
static const struct class *class_find(const char *p, const char *end, const char **after)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		size_t length = strlen(classes[i].name);

		if ((size_t)(end - p) < length + 4 || memcmp(p, "[:", 2) ||
		    memcmp(p + 2, classes[i].name, length) || memcmp(p + 2 + length, ":]", 2))
			continue;
		*after = p + length + 4;
		return &classes[i];
	}
	return NULL;
}

static bool class_has(const struct class *class, uint32_t c)
{
	for (const char *r = class->ranges; *r; r += 2) {
		if (c >= (unsigned char)r[0] && c <= (unsigned char)r[1])
			return true;
	}
	return false;
}

static uint32_t set_char(const char **at, const char *end)
{
	if (**at == '\\' && end - *at > 1)
		*at += 1;
	return char_next(at, end);
}

/* Whether c is in the set whose '[' is just before *at; *at is left behind its ']'.
 * A set that never ends is no set: false, and *at becomes NULL. */
static bool set_match(const char **at, const char *end, uint32_t c)
{
	const char *p = *at;
	bool negated = p < end && (*p == '!' || *p == '^');
	bool found = false;

	p += negated;
	for (const char *first = p; p < end && (*p != ']' || p == first);) {
		const struct class *class = class_find(p, end, &p);

		if (class) {
			found |= class_has(class, c);
			continue;
		}
		uint32_t low = set_char(&p, end);
		uint32_t high = low;

		if (end - p > 1 && p[0] == '-' && p[1] != ']') {
			p++;
			high = set_char(&p, end);
		}
		found |= low <= c && c <= high;
	}
	*at = p < end ? p + 1 : NULL;
	return p < end && found != negated;
}

/* Takes one step in the pattern and one in the name, if they agree. */
static bool step(struct span *pattern, struct span *name)
{
	const char *p = pattern->start;
	const char *s = name->start;

	if (p == pattern->end || s == name->end)
		return false;
	if (*p == '?') {
		p++;
		char_next(&s, name->end);
	} else if (*p == '[') {
		const char *after = p + 1;
		bool in_set = set_match(&after, pattern->end, char_next(&s, name->end));

		if (after ? !in_set : *name->start != '[')
			return false;
		p = after ? after : p + 1;
		s = after ? s : name->start + 1;
	} else {
		if (*p == '\\' && ++p == pattern->end)
			return false;
		if (*p++ != *s++)
			return false;
	}
	pattern->start = p;
	name->start = s;
	return true;
}

static bool segment_match(struct span pattern, struct span name)
{
	const char *star = NULL;
	const char *retry = NULL;

	for (;;) {
		if (pattern.start < pattern.end && *pattern.start == '*') {
			star = ++pattern.start;
			retry = name.start;
			continue;
		}
		if (pattern.start == pattern.end && name.start == name.end)
			return true;
		if (step(&pattern, &name))
			continue;
		if (!star || retry == name.end)
			return false;
		char_next(&retry, name.end);
		pattern.start = star;
		name.start = retry;
	}
}

/* The first segment of a path or a pattern. */
static struct span segment(struct span path)
{
	const char *slash = memchr(path.start, '/', (size_t)(path.end - path.start));

	return (struct span){ path.start, slash ? slash : path.end };
}

/* What follows it; start is NULL when nothing does. */
static struct span rest(struct span path)
{
	const char *end = segment(path).end;

	return (struct span){ end < path.end ? end + 1 : NULL, path.end };
}

static bool is_any_depth(struct span pattern)
{
	struct span first = segment(pattern);

	return first.end - first.start == 2 && !memcmp(first.start, "**", 2);
}

static bool pattern_match(struct span pattern, struct span path)
{
	struct span star = { NULL, NULL };
	struct span retry = { NULL, NULL };

	for (;;) {
		if (pattern.start && is_any_depth(pattern)) {
			pattern = rest(pattern);
			/* At the end it stands for a name in any directory below: at least one. */
			if (!pattern.start)
				return path.start != NULL;
			star = pattern;
			retry = path;
			continue;
		}
		if (!pattern.start && !path.start)
			return true;
		if (pattern.start && path.start && segment_match(segment(pattern), segment(path))) {
			pattern = rest(pattern);
			path = rest(path);
			continue;
		}
		if (!star.start || !retry.start)
			return false;
		retry = rest(retry);
		pattern = star;
		path = retry;
	}
}

/* The first pattern of a list: up to a ':' that is neither escaped nor part of "[:alpha:]". */
static struct span list_first(const char *patterns)
{
	const char *end = patterns + strlen(patterns);
	const char *p = patterns;

	while (p < end && *p != ':') {
		if (*p == '\\' && p + 1 < end)
			p += 2;
		else if (*p != '[' || !class_find(p, end, &p))
			p++;
	}
	return (struct span){ patterns, p };
}

static const char *list_next(struct span first)
{
	return *first.end ? first.end + 1 : first.end;
}

bool glob_list_match(const char *patterns, const char *path)
{
	if (!patterns || !path)
		return false;
	struct span whole = { path, path + strlen(path) };

	while (*patterns) {
		struct span pattern = list_first(patterns);

		if (pattern.start != pattern.end && pattern_match(pattern, whole))
			return true;
		patterns = list_next(pattern);
	}
	return false;
}

const char *glob_list_futile(const char *patterns, size_t *length)
{
	static const struct span nothing = { "", "" };

	while (*patterns) {
		struct span pattern = list_first(patterns);

		*length = (size_t)(pattern.end - pattern.start);
		if (*length && !segment_match(segment(pattern), nothing))
			return pattern.start;
		patterns = list_next(pattern);
	}
	return NULL;
}
