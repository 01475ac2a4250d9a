/* SPDX-License-Identifier: MIT */
/*
 * The environment that a program hands to the next one: our preload and our options are put back
 * where it left them out (process.follow=exec). Allocates nothing when it is asked: it runs in
 * children of vfork, whose memory is their parent's.
 */
#include <fcntl.h>
#include <unistd.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "interpose/interpose.h"
#include "kernel/guarded.h"
#include "policy/policy.h"
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
static char *our_options[MOST_OPTIONS] LARGE;
static size_t option_count;

static size_t name_length(const char *assignment)
{
	return strcspn(assignment, "=");
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

/* The dynamic linker takes the last one. */
static const char *preload_in(char *const *environment)
{
	const char *value = NULL;

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, PRELOAD, PRELOAD_SIZE))
			value = *environment + PRELOAD_SIZE;
	return value;
}

void environment_remember(char *const *environment)
{
	size_t length;
	const char *entry = find_entry(preload_in(environment), &length);

	if (!entry)
		return;
	our_entry = arena_alloc(length + 1);
	if (our_entry)
		memcpy(our_entry, entry, length);
	for (; *environment && option_count < MOST_OPTIONS; environment++)
		if (policy_is_variable(*environment)) {
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

	return find_entry(preload_in(environment), &length);
}

static bool has_option(char *const *environment)
{
	for (; environment && *environment; environment++)
		if (!strncmp(*environment, OPTION, OPTION_SIZE))
			return true;
	return false;
}

bool environment_has_ours(char *const *environment)
{
	return environment_has_preload(environment) && (!option_count || has_option(environment));
}

static size_t text_bytes(char *const *environment)
{
	const char *value = preload_in(environment);

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
	const char *value = preload_in(environment);

	if (environment_has_preload(environment))
		text_make(out, text_bytes(environment), PRELOAD "%s", value);
	else
		text_make(out, text_bytes(environment), PRELOAD "%s%s%s", our_entry,
			  value && *value ? ":" : "", value ? value : "");
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
	const char *value = preload_in(environment);
	size_t length = 0;
	const char *entry = find_entry(value, &length);

	text_make(out, text_bytes(environment), PRELOAD "%.*s%s", entry ? (int)(entry - value) : 0,
		  value ? value : "", entry ? entry + length : "");
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
	struct statfs64 fs;

	if (!text_make(path, sizeof(path), "%.*s%s%s", (int)length, before, lib, after))
		return true;
	return !sys_faccessat(AT_FDCWD, path, R_OK) &&
	       (sys_statfs(path, &fs) || !(fs.f_flags & ST_NOEXEC));
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

/* The last one. What stays moves up: behind the end of it all is the auxiliary vector, which some
 * programs look for there. Who has the old beginning finds the first one again and again. */
static const char *take(const char *prefix, size_t size)
{
	char **at = environ, **to;
	const char *taken = NULL;

	if (!at)
		return NULL;
	while (*at)
		at++;
	for (to = at; at-- > environ;)
		if (strncmp(*at, prefix, size))
			*--to = *at;
		else if (!taken)
			taken = *at + size;
	for (at = environ; at < to; at++)
		*at = *to;
	environ = to;
	return taken;
}

const char *environment_take_log(void)
{
	return take(LOG, LOG_SIZE);
}

void environment_take_options(void)
{
	take(OPTION, OPTION_SIZE);
}

/* ---- for a shell ---- */

/* "export NAME='value'; ", with each quote in the value as '\''. The name is ours. */
static void export(struct text *out, const char *assignment)
{
	size_t name = name_length(assignment);

	text_add(out, "export ");
	text_add_bytes(out, assignment, name + 1);
	text_add_char(out, '\'');
	for (const char *at = assignment + name + 1; *at; at++) {
		if (*at == '\'')
			text_add(out, "'\\''");
		else
			text_add_char(out, *at);
	}
	text_add(out, "'; ");
}

static void export_preload(char *const *environment, struct text *out)
{
	size_t size = text_bytes(environment);
	char *preload = arena_alloc(size);

	if (!preload)
		return;
	preload_text(environment, preload);
	export(out, preload);
	arena_free(preload, size);
	for (size_t i = 0; i < option_count; i++)
		if (!option_given(environment, our_options[i]))
			export(out, our_options[i]);
}

void environment_shell(char *const *environment, enum preload preload, const char *log,
		       struct text *out)
{
	char text[LOG_SIZE + GUARDED_TEXT_BYTES];

	if (preload == PRELOAD_ADDED)
		export_preload(environment, out);
	if (log && text_make(text, sizeof(text), LOG "%s", log))
		export(out, text);
}
