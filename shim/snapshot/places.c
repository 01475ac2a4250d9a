/* SPDX-License-Identifier: MIT */
/*
 * Where clones may go: the user's own directory for them, then those for temporary and
 * for cached files.
 */
#include <stddef.h>

#include "policy/policy.h"
#include "snapshot/places.h"
#include "support/text.h"

static const char *temporary_directory, *cache_directory;

/* As the XDG base directory specification has it. */
static const char *cache_below(const char *home)
{
	static char buffer[1024];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, home);
	text_add(&text, "/.cache");
	return text.overflow ? NULL : buffer;
}

void clone_places_settle(const char *temporary, const char *cache, const char *home)
{
	temporary_directory = temporary;
	cache_directory = (cache && *cache) || !home ? cache : cache_below(home);
}

void clone_places(const char *places[CLONE_PLACES])
{
	places[0] = the_policy.snapshot_clone_dir;
	places[1] = temporary_directory;
	places[2] = "/var/tmp";
	places[3] = cache_directory;
}
