/* SPDX-License-Identifier: MIT */
/*
 * Where the library is, and how LD_PRELOAD names it for 64-bit and 32-bit programs
 * alike. Found from the command's own place: never from a path set at build time.
 */
#ifndef MMFENCE_CLI_RUN_PRELOAD_H
#define MMFENCE_CLI_RUN_PRELOAD_H

#include <limits.h>
#include <stddef.h>

struct preload {
	char name[PATH_MAX];   /* PREFIX/$LIB/libmmfence.so: the dynamic linker expands $LIB */
	char file64[PATH_MAX]; /* where they are; empty: nowhere */
	char file32[PATH_MAX];
};

/* 0; or -1 with a sentence, when there is none for 64-bit programs or the loader
 * could not preload it from there. */
int preload_find(struct preload *out, char *sentence, size_t size);

/* Puts it in front of what LD_PRELOAD has, in this process's environment. */
void preload_export(const struct preload *preload);

#endif
