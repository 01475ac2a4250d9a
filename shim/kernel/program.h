/* SPDX-License-Identifier: MIT */
/*
 * What a program file is to the dynamic linker: whether a preload library can be in
 * it. Reads the file as exec would: "#!" interpreters are followed.
 */
#ifndef MMFENCE_KERNEL_PROGRAM_H
#define MMFENCE_KERNEL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum program_kind {
	PROGRAM_DYNAMIC,
	PROGRAM_STATIC,	    /* no program interpreter (PT_INTERP) */
	PROGRAM_SET_ID,	    /* set-uid, set-gid or file capabilities that change who we are */
	PROGRAM_FOREIGN,    /* ELF of another machine than x86-64 and i386 */
	PROGRAM_MUSL,	    /* of another C library than glibc */
	PROGRAM_UNREADABLE, /* may be executed, and not read */
	PROGRAM_UNKNOWN	    /* nothing that exec takes */
};

struct program {
	enum program_kind kind;
	int bits;	       /* 64 or 32, of x86 programs */
	char loader[128];      /* the dynamic linker (PT_INTERP), or "" */
	char interpreter[256]; /* at the end of a chain of "#!" lines, or "" */
};

/* path relative to directory as in execveat(2); an empty path is directory itself. */
void program_inspect(int directory, const char *path, struct program *out);

/* Whether the one that runs was made by Go's linker, whose library makes system calls of its own.
 */
bool program_is_go(void);

/* Why a program is not fenced: for a record, and what stands behind "is" in a sentence. */
struct gap {
	const char *reason;
	const char *message;
};

/* By what it is. library: there is one for its word size. NULL: it can be fenced, or cannot be
 * started. */
const struct gap *program_gap(const struct program *program, bool library);

#endif
