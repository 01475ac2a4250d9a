/* SPDX-License-Identifier: MIT */
/*
 * The auxiliary vector where the kernel put it: on the first stack, behind the
 * arguments and the environment.
 */
#include <link.h>
#include <stdint.h>

#include "support/auxiliary.h"

/* The dynamic linker's: where the first stack was when the process began. */
extern void *__libc_stack_end;

unsigned long auxiliary(unsigned long type)
{
	uintptr_t *at = (uintptr_t *)__libc_stack_end + 1; /* behind the number of arguments */

	for (int lists = 2; lists; at++)
		lists -= !*at;
	for (const ElfW(auxv_t) *entry = (void *)at; entry->a_type != AT_NULL; entry++)
		if (entry->a_type == type)
			return entry->a_un.a_val;
	return 0;
}
