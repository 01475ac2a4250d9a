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

/* How much memory environment_follow needs for this environment. */
size_t environment_bytes(char *const *environment);

/* A copy of the environment with our preload first and our options, in the memory given. */
void environment_follow(char *const *environment, char **pointers);

#endif
