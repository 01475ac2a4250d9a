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

#include "audit/event.h"
#include "audit/sink.h"
#include "interpose/interpose.h"
#include "kernel/guarded.h"
#include "policy/policy.h"
#include "support/arena.h"

/* The longest string that exec takes, its end included. */
#define STRING_MOST 131072

#define SHELL "/bin/sh"

/* What the shell gets instead of the command; the log is open as long as that is. */
struct shell_command {
	char *text; /* of STRING_MOST; NULL: nothing is to be put back, or there is no memory */
	int log;
	char log_text[GUARDED_TEXT_BYTES];
};

/* "export A='…'; export B='…'; command": a shell of POSIX's on one line, so that line numbers in
 * its messages stay. A command that is too long by itself is for exec to refuse. */
static void fill(const struct call *call, const char *command, struct shell_command *it)
{
	bool there = environment_has_ours(environ);
	bool follows = there || the_policy.process_follow == FOLLOW_EXEC;
	enum preload preload = there ? PRELOAD_STAYS : PRELOAD_ADDED;
	struct text text;

	if (audit_enabled())
		it->log = process_before_shell(call, SHELL, follows, it->log_text);
	char *block = follows ? arena_alloc(STRING_MOST) : NULL;
	if (!block)
		return;
	text_init(&text, block, STRING_MOST);
	environment_shell(environ, preload, it->log >= 0 ? it->log_text : NULL, &text);
	if (text.length) {
		text_add(&text, command);
		it->text = text.overflow ? NULL : block;
		if (text.overflow && strlen(command) < STRING_MOST)
			process_not_followed(call, SHELL);
	}
	if (!it->text)
		arena_free(block, STRING_MOST);
}

static struct shell_command follow(const struct call *call, const char *command)
{
	struct shell_command it = { .log = HAND_NEEDLESS };

	if (!command || scope_silent() || !environment_preload() || !environment_readable(environ))
		return it;
	DO_IN_SCOPE(fill(call, command, &it));
	return it;
}

static void end(const struct shell_command *it)
{
	if (it->log >= 0)
		guarded_close_copy(it->log_text);
	if (it->text)
		DO_IN_SCOPE(arena_free(it->text, STRING_MOST));
}

EXPORT int system(const char *command)
{
	struct shell_command it = follow(CALL_HERE("system"), command);
	int status = NEXT_OF(system)(it.text ? it.text : command);

	end(&it);
	return status;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	struct shell_command it = follow(CALL_HERE("popen"), command);
	FILE *file = NEXT_OF(popen)(it.text ? it.text : command, mode);

	end(&it);
	return file;
}
