/* SPDX-License-Identifier: MIT */
/*
 * The values of audit.log: see target.h. A log file that is called "journal" is
 * written "./journal".
 */
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "policy/target.h"

/* The digits at *at, which is moved past them and past `end`; false when they are none. */
static bool take_number(const char **at, char end, uint64_t most, uint64_t *out)
{
	const char *p = *at;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned int)(*p - '0'), &n) || n > most)
			return false;
	if (p == *at || *p != end)
		return false;
	*at = end ? p + 1 : p;
	*out = n;
	return true;
}

static const char *parse_descriptor(const char *text, struct target *out)
{
	static const char wrong[] = " is not fd: and the number of a descriptor";
	const char *at = text;
	uint64_t fd, major, minor;

	out->medium = TARGET_DESCRIPTOR;
	out->pinned = strchr(text, '@');
	if (!take_number(&at, out->pinned ? '@' : 0, INT_MAX, &fd))
		return wrong;
	out->fd = (int)fd;
	if (!out->pinned)
		return NULL;
	if (!take_number(&at, ':', UINT32_MAX, &major) ||
	    !take_number(&at, ':', UINT32_MAX, &minor) ||
	    !take_number(&at, 0, UINT64_MAX, &out->place.inode))
		return " is not fd:NUMBER@MAJOR:MINOR:INODE";
	out->place.dev_major = (uint32_t)major;
	out->place.dev_minor = (uint32_t)minor;
	return NULL;
}

static const char *parse_unix(const char *path, struct target *out)
{
	struct sockaddr_un address;

	out->medium = TARGET_UNIX;
	out->path = path;
	if (path[0] != '/')
		return " is not unix: and an absolute path";
	if (strlen(path) >= sizeof(address.sun_path))
		return " is too long for the address of a socket (107 bytes)";
	return NULL;
}

/* A % in it must be one of the placeholders. */
static const char *parse_file(const char *path, struct target *out)
{
	out->medium = TARGET_FILE;
	out->path = path;
	for (const char *p = path; (p = strchr(p, '%')); p += 2)
		if (!p[1] || !strchr("%peht", p[1]))
			return " has a % that is none of %p, %e, %h, %t and %%";
	return NULL;
}

/* "syslog:local0" is meant for a sink, and no file: it would be written unseen. */
static bool is_word_with_more(const char *value)
{
	static const char *const words[] = { "stderr:", "syslog:", "journal:" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strncmp(value, words[i], strlen(words[i])))
			return true;
	return false;
}

const char *target_parse(const char *value, struct target *out)
{
	static const struct target none;

	*out = none;
	if (!strncmp(value, "fd:", 3))
		return parse_descriptor(value + 3, out);
	if (!strncmp(value, "unix:", 5))
		return parse_unix(value + 5, out);
	if (!strcmp(value, "stderr")) {
		out->medium = TARGET_DESCRIPTOR;
		out->fd = 2;
		return NULL;
	}
	if (!strcmp(value, "syslog") || !strcmp(value, "journal")) {
		out->medium = *value == 's' ? TARGET_SYSLOG : TARGET_JOURNAL;
		return NULL;
	}
	if (is_word_with_more(value))
		return " has something behind a sink that takes nothing (for a file of that name "
		       "put ./ in front of it)";
	return parse_file(value, out);
}
