/* SPDX-License-Identifier: MIT */
/*
 * The environment that a program hands to the next one: our preload and our options
 * are put back where it left them out (process.follow=exec).
 */
#ifndef MMFENCE_INTERPOSE_ENVIRONMENT_H
#define MMFENCE_INTERPOSE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/* The value of name, or NULL. */
const char *environment_get(char *const *environment, const char *name);

/* At start: which LD_PRELOAD entry is ours, and our options. */
void environment_remember(char *const *environment);

/* False when it, or a string of it, is not the program's memory: exec says EFAULT. */
bool environment_readable(char *const *environment);
/* Whether the dynamic linker would preload us. */
bool environment_has_preload(char *const *environment);

/* The preload entry as the linker was given it ("/…/$LIB/libmmfence.so"), or NULL. */
const char *environment_preload(void);

/* Shell commands that set what environment_follow would: their length, and the text in out if that
 * is not NULL. */
size_t environment_shell(char *const *environment, char *out);

/* How much memory environment_copy needs for this environment, whatever is added. */
size_t environment_bytes(char *const *environment);

enum preload {
	PRELOAD_STAYS,
	PRELOAD_ADDED,	/* first, and our options with it */
	PRELOAD_DROPPED /* where the linker would only complain of it */
};

/* A copy of the environment, in the memory given; with the log that is handed on (audit/sink.h), or
 * NULL. */
void environment_copy(char *const *environment, enum preload preload, const char *log,
		      char **pointers);

/* Whether a program of this many bits would find the library where the preload entry says. */
bool environment_library_is_there(int bits);

/* At start: the log that was handed on to this program, or NULL; nobody else finds it afterwards.
 */
const char *environment_take_log(char **environment);

#endif
