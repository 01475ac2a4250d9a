/* SPDX-License-Identifier: MIT */
/*
 * Whose memory this is. Another process may live in it (vfork, clone with CLONE_VM),
 * with a descriptor table of its own and a life that may be shorter: it must leave alone
 * what memory says of the table and of the threads of this one.
 */
#ifndef MMFENCE_KERNEL_HOME_H
#define MMFENCE_KERNEL_HOME_H

#include <stdbool.h>
#include <sys/types.h>

/* The calling process's, from now on. */
void home_settle(void);
pid_t home_process(void);
bool home_is_here(void);

#endif
