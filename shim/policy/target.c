/* SPDX-License-Identifier: MIT */
/*
 * The values of audit.log: see target.h. A log file that is called "journal" is
 * written "./journal".
 */
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "policy/target.h"
#include "policy/value.h"

static const char *parse_descriptor(const char *text, struct target *out)
{
	static const char wrong[] = " is not fd: and the number of a descriptor";
	const char *at = text;
	uint64_t fd, major, minor;

	out->medium = TARGET_DESCRIPTOR;
	out->pinned = strchr(text, '@');
	if (!number_take(&at, INT_MAX, &fd) || *at++ != (out->pinned ? '@' : 0))
		return wrong;
	out->fd = (int)fd;
	if (!out->pinned)
		return NULL;
	if (!number_take(&at, UINT32_MAX, &major) || *at++ != ':' ||
	    !number_take(&at, UINT32_MAX, &minor) || *at++ != ':' ||
	    !number_take(&at, UINT64_MAX, &out->place.inode) || *at)
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

const char *target_refusal(uint32_t mode, uint32_t owner, uint32_t links, uint32_t user)
{
	if (!S_ISREG(mode))
		return NULL;
	if (owner && owner != user)
		return "it belongs to another user";
	if (links > 1)
		return "it has another name too (a hard link)";
	return mode & (S_IWGRP | S_IWOTH) ? "others may write to it" : NULL;
}
