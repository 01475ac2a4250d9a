/* SPDX-License-Identifier: MIT */
/*
 * Following a program into the next: see environment.h. Allocates nothing when it is
 * asked: it runs in children of vfork, whose memory is their parent's.
 */
#include <errno.h>
#include <string.h>

#include "interpose/environment.h"
#include "support/sys.h"
#include "support/user.h"
#include "support/arena.h"
#include "support/scope.h"
#include "support/text.h"

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
		if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
			return *environment + length + 1;
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

bool environment_readable(char *const *environment)
{
	uintptr_t array = 1, strings = 1; /* no pages */

	if (scope_silent()) /* no call may be made that could tell */
		return true;
	for (; environment; environment++) {
		uintptr_t page = PAGE_DOWN((uintptr_t)(environment + 1) - 1);

		if (page != array && !user_readable(environment, sizeof(*environment)))
			return false;
		array = page;
		if (!*environment)
			return true;
		if (!user_readable_string(*environment, &strings))
			return false;
	}
	return true;
}

bool environment_has_preload(char *const *environment)
{
	size_t length;

	return find_entry(environment_get(environment, "LD_PRELOAD"), &length);
}

static size_t text_bytes(char *const *environment)
{
	const char *value = environment_get(environment, "LD_PRELOAD");

	return PRELOAD_SIZE + strlen(our_entry) + 1 + (value ? strlen(value) : 0) + 1;
}

/* The pointers come first. */
static size_t array_bytes(char *const *environment)
{
	size_t count = 0;

	while (environment && environment[count])
		count++;
	return (count + option_count + 2) * sizeof(char *);
}

size_t environment_bytes(char *const *environment)
{
	return array_bytes(environment) + text_bytes(environment);
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

void environment_follow(char *const *environment, char **pointers)
{
	char *bytes = (char *)pointers + array_bytes(environment);

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

/* "export NAME='value'; ", with each quote in the value as '\''. */
static size_t export(const char *assignment, char *out)
{
	size_t name = name_length(assignment), used = 0;
	struct text text;
	char nothing[1];

	for (const char *at = assignment; *at; at++)
		used += *at == '\'' ? 4 : 1;
	used += strlen("export ''; ");
	text_init(&text, out ? out : nothing, out ? used + 1 : 1);
	text_add(&text, "export ");
	text_add_bytes(&text, assignment, name + 1);
	text_add_char(&text, '\'');
	for (const char *at = assignment + name + 1; out && *at; at++) {
		if (*at == '\'')
			text_add(&text, "'\\''");
		else
			text_add_char(&text, *at);
	}
	text_add(&text, "'; ");
	return used;
}

size_t environment_shell(char *const *environment, char *out)
{
	size_t size = text_bytes(environment), used = 0;
	char *preload = arena_alloc(size);

	if (!preload)
		return 0;
	preload_text(environment, preload);
	used += export(preload, out);
	arena_free(preload, size);
	for (size_t i = 0; i < option_count; i++)
		if (!option_given(environment, our_options[i]))
			used += export(our_options[i], out ? out + used : NULL);
	return used;
}
