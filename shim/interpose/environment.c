/* SPDX-License-Identifier: MIT */
/*
 * Following a program into the next: see environment.h. Allocates nothing when it is
 * asked: it runs in children of vfork, whose memory is their parent's.
 */
#include <string.h>

#include "interpose/environment.h"
#include "support/arena.h"

#define PRELOAD	     "LD_PRELOAD="
#define PRELOAD_SIZE (sizeof(PRELOAD) - 1)
#define OPTION	     "MMFENCE_"
#define OPTION_SIZE  (sizeof(OPTION) - 1)
#define LIBRARY	     "libmmfence.so"
#define MOST_OPTIONS 64

static char *our_entry;
static char *our_options[MOST_OPTIONS];
static size_t option_count;

static size_t name_length(const char *assignment)
{
	return strcspn(assignment, "=");
}

const char *environment_get(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (name_length(*environment) == length && !strncmp(*environment, name, length))
			return *environment + length + ((*environment)[length] == '=');
	return NULL;
}

/* The entry of an LD_PRELOAD value that names our library; its length in *length. */
static const char *find_entry(const char *value, size_t *length)
{
	while (value && *value) {
		*length = strcspn(value, " :");
		if (*length >= sizeof(LIBRARY) - 1 &&
		    !strncmp(value + *length - (sizeof(LIBRARY) - 1), LIBRARY, sizeof(LIBRARY) - 1))
			return value;
		value += *length;
		value += strspn(value, " :");
	}
	return NULL;
}

void environment_remember(char *const *environment)
{
	size_t length;
	const char *entry = find_entry(environment_get(environment, "LD_PRELOAD"), &length);

	if (!entry)
		return;
	our_entry = arena_alloc(length + 1);
	if (our_entry)
		memcpy(our_entry, entry, length);
	for (; *environment && option_count < MOST_OPTIONS; environment++)
		if (!strncmp(*environment, OPTION, OPTION_SIZE)) {
			our_options[option_count] = arena_strdup(*environment);
			option_count += our_options[option_count] != NULL;
		}
}

const char *environment_preload(void)
{
	return our_entry;
}

bool environment_has_preload(char *const *environment)
{
	size_t length;

	return find_entry(environment_get(environment, "LD_PRELOAD"), &length);
}

size_t environment_pointers(char *const *environment)
{
	size_t count = 0;

	while (environment && environment[count])
		count++;
	return count + option_count + 2;
}

size_t environment_bytes(char *const *environment)
{
	const char *value = environment_get(environment, "LD_PRELOAD");

	return PRELOAD_SIZE + strlen(our_entry) + 1 + (value ? strlen(value) : 0) + 1;
}

static void preload_text(char *const *environment, char *out)
{
	const char *value = environment_get(environment, "LD_PRELOAD");

	strcpy(out, PRELOAD);
	strcat(out, our_entry);
	if (value && *value) {
		strcat(out, ":");
		strcat(out, value);
	}
}

static bool option_given(char *const *environment, const char *assignment)
{
	size_t length = name_length(assignment);

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, assignment, length) && (*environment)[length] == '=')
			return true;
	return false;
}

void environment_follow(char *const *environment, char **pointers, char *bytes)
{
	preload_text(environment, bytes);
	*pointers++ = bytes;
	for (char *const *at = environment; at && *at; at++)
		if (strncmp(*at, PRELOAD, PRELOAD_SIZE))
			*pointers++ = *at;
	for (size_t i = 0; i < option_count; i++)
		if (!option_given(environment, our_options[i]))
			*pointers++ = our_options[i];
	*pointers = NULL;
}
