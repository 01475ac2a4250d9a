/* SPDX-License-Identifier: MIT */
/*
 * Following a program into the next: see environment.h. Allocates nothing when it is
 * asked: it runs in children of vfork, whose memory is their parent's.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <string.h>

#include "interpose/environment.h"
#include "kernel/guarded.h"
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
#define LOG	     "MMFENCE_HANDED_LOG="
#define LOG_SIZE     (sizeof(LOG) - 1)

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
		if (!strncmp(*environment, OPTION, OPTION_SIZE) &&
		    strncmp(*environment, LOG, LOG_SIZE)) {
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

	return PRELOAD_SIZE + (our_entry ? strlen(our_entry) : 0) + 1 +
	       (value ? strlen(value) : 0) + 1;
}

/* The pointers come first. */
static size_t array_bytes(char *const *environment)
{
	size_t count = 0;

	while (environment && environment[count])
		count++;
	return (count + option_count + 3) * sizeof(char *);
}

size_t environment_bytes(char *const *environment)
{
	return array_bytes(environment) + text_bytes(environment) + LOG_SIZE + GUARDED_TEXT_BYTES;
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

/* The others' entries. */
static void text_without(char *const *environment, char *out)
{
	const char *value = environment_get(environment, "LD_PRELOAD");
	size_t length = 0;
	const char *entry = find_entry(value, &length);
	struct text text;

	text_init(&text, out, text_bytes(environment));
	text_add(&text, PRELOAD);
	if (!entry)
		return;
	text_add_bytes(&text, value, (size_t)(entry - value));
	text_add(&text, entry + length);
}

void environment_copy(char *const *environment, enum preload preload, const char *log,
		      char **pointers)
{
	char *bytes = (char *)pointers + array_bytes(environment);

	if (preload != PRELOAD_STAYS) {
		(preload == PRELOAD_ADDED ? preload_text : text_without)(environment, bytes);
		*pointers++ = bytes;
		bytes += strlen(bytes) + 1;
	}
	for (char *const *at = environment; at && *at; at++)
		if (preload == PRELOAD_STAYS || strncmp(*at, PRELOAD, PRELOAD_SIZE))
			*pointers++ = *at;
	for (size_t i = 0; preload == PRELOAD_ADDED && i < option_count; i++)
		if (!option_given(environment, our_options[i]))
			*pointers++ = our_options[i];
	if (log) {
		strcpy(bytes, LOG);
		strcat(bytes, log);
		*pointers++ = bytes;
	}
	*pointers = NULL;
}

/* ---- the library ---- */

/* What $LIB is to the dynamic linkers of Debian, of Fedora and Arch, and others. */
static const char *const lib64[] = { "lib/x86_64-linux-gnu", "lib64", "lib" };
static const char *const lib32[] = { "lib/i386-linux-gnu", "lib32", "lib" };
#define LIB_NAMES 3

#define TOKEN "$LIB"

static bool is_there(const char *before, size_t length, const char *lib, const char *after)
{
	char path[1024];
	struct text text;

	text_init(&text, path, sizeof(path));
	text_add_bytes(&text, before, length);
	text_add(&text, lib);
	text_add(&text, after);
	return text.overflow || !sys_faccessat(AT_FDCWD, path, F_OK);
}

bool environment_library_is_there(int bits)
{
	const char *token = our_entry ? strstr(our_entry, TOKEN) : NULL;
	const char *const *names = bits == 64 ? lib64 : lib32;
	bool found = false;

	/* A name is searched for, and other tokens are for the linker to know. */
	if (!our_entry || our_entry[0] != '/' || strchr(our_entry, '$') != token ||
	    strchr(our_entry, '{'))
		return true;
	if (!token)
		return is_there(our_entry, strlen(our_entry), "", "");
	for (int i = 0; !found && i < LIB_NAMES; i++)
		found = is_there(our_entry, (size_t)(token - our_entry), names[i],
				 token + strlen(TOKEN));
	return found;
}

/* ---- the log ---- */

const char *environment_take_log(char **environment)
{
	const char *log = NULL;
	char **to = environment;

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, LOG, LOG_SIZE))
			log = *environment + LOG_SIZE;
		else
			*to++ = *environment;
	if (to)
		*to = NULL;
	return log;
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
