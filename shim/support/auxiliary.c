/* SPDX-License-Identifier: MIT */
/*
 * The auxiliary vector where the kernel put it: on the first stack, behind the
 * arguments and the environment. The dynamic linker takes names out of the environment
 * of a set-user-ID program by moving the others down; then more than one end stands there.
 */
#include <link.h>
#include <stdint.h>

#include "support/auxiliary.h"

/* The dynamic linker's: where the first stack was when the process began. */
extern void *__libc_stack_end;

unsigned long auxiliary(unsigned long type)
{
	const uintptr_t *at = __libc_stack_end;

	at += 1 + *at + 1; /* the number of arguments, they, and their end */
	while (*at)
		at++;
	while (!*at)
		at++;
	for (const ElfW(auxv_t) *entry = (void *)at; entry->a_type != AT_NULL; entry++)
		if (entry->a_type == type)
			return entry->a_un.a_val;
	return 0;
}
