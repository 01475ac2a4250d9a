/* SPDX-License-Identifier: MIT */
/*
 * What a command is, before it is started: the file that the kernel will run, the
 * interpreters in between, and whether the dynamic linker will preload into it.
 */
#ifndef MMFENCE_CLI_RUN_PROGRAM_H
#define MMFENCE_CLI_RUN_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/run/elf.h"
#include "cli/run/preload.h"

struct program {
	char path[PATH_MAX];   /* what execve gets */
	char binary[PATH_MAX]; /* the program at the end of a chain of #! lines */
	bool script;	       /* these differ */
	bool unknown;	       /* binary is neither ELF nor a script, or cannot be read */
	struct elf_facts elf;
};

/* Finds name as execvp(3) does and follows it. 0, STATUS_NOT_FOUND or STATUS_NOT_RUNNABLE, then
 * with a sentence. */
int program_find(const char *name, struct program *out, char *sentence, size_t size);

enum gap {
	GAP_NONE,
	GAP_FOREIGN,
	GAP_STATIC,
	GAP_LOADER,
	GAP_OLD_LIBC,
	GAP_SET_ID,
	GAP_NO_LIBRARY
};

/* Why the library would not be in it, and a sentence about it. */
enum gap program_gap(const struct program *program, const struct preload *preload, char *sentence,
		     size_t size);

#endif
