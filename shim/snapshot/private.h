/* SPDX-License-Identifier: MIT */
/*
 * Pages of a private file mapping that are the process's own already, although it
 * cannot be stored to: a debugger's breakpoints, stores through /proc/self/mem, or a
 * mapping made writable by a raw system call. They are kept when it is replaced. On
 * the lease thread.
 */
#ifndef MMFENCE_SNAPSHOT_PRIVATE_H
#define MMFENCE_SNAPSHOT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

struct private_run;

/* Saves the contents of all private pages in [start, end): 0, *runs NULL when there are none;
 * or -errno. */
int private_save(uintptr_t start, uintptr_t end, struct private_run **runs);
/* Writes them where they were, and frees them: 0 or -errno. With NULL nothing. */
int private_restore(struct private_run *runs);
void private_free(struct private_run *runs);

#endif
