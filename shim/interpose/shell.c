/* SPDX-License-Identifier: MIT */
/*
 * system and popen, which start the shell inside libc, with the environment as it is.
 * Where that has no preload any more, the command itself puts it back, for what the
 * shell starts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interpose/environment.h"
#include "interpose/interpose.h"
#include "interpose/process.h"
#include "kernel/next.h"
#include "policy/policy.h"
#include "support/arena.h"

/* The longest string that exec takes, its end included. */
#define STRING_MOST 131072

/* "export A='…'; export B='…'; command": a shell of POSIX's on one line, so that line numbers in
 * its messages stay. NULL when there is nothing to put back, or no memory. */
static char *followed(const struct call *call, const char *command, size_t *size)
{
	struct scope scope;
	char *text = NULL;

	if (!command || the_policy.process_follow != FOLLOW_EXEC || !environment_preload() ||
	    !environment_readable(environ) || environment_has_preload(environ) || !enter(&scope))
		return NULL;
	*size = environment_shell(environ, NULL) + strlen(command) + 1;
	bool fits = *size <= STRING_MOST || strlen(command) >= STRING_MOST;
	text = fits ? arena_alloc(*size) : NULL;
	if (text)
		strcpy(text + environment_shell(environ, text), command);
	scope_leave(&scope);
	if (!fits)
		process_not_followed(call, "/bin/sh");
	return text;
}

static void release(char *text, size_t size)
{
	struct scope scope;

	if (!text || !enter(&scope))
		return;
	arena_free(text, size);
	scope_leave(&scope);
}

EXPORT int system(const char *command)
{
	size_t size = 0;
	char *text = followed(CALL_HERE("system"), command, &size);

	if (!next.system)
		next_resolve();
	int status = next.system(text ? text : command);
	release(text, size);
	return status;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	size_t size = 0;
	char *text = followed(CALL_HERE("popen"), command, &size);

	if (!next.popen)
		next_resolve();
	FILE *file = next.popen(text ? text : command, mode);
	release(text, size);
	return file;
}
