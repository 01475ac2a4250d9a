/* SPDX-License-Identifier: MIT */
/*
 * The name of the log: a template, made a path when the log is first opened.
 */
#ifndef MMFENCE_AUDIT_TEMPLATE_H
#define MMFENCE_AUDIT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

/* Copies the template; a relative one gets the working directory of now in front. */
int template_absolute(const char *path, char *out, size_t size);
/* %p pid, %e program, %h host, %t seconds since 1970, %% percent. 0, or -ENAMETOOLONG. */
int template_expand(const char *template, char *out, size_t size);
/* Whether each process has a file of its own. */
bool template_has_pid(const char *template);

#endif
