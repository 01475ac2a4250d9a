/* SPDX-License-Identifier: MIT */
/*
 * Whose memory this is. Another process may live in it (vfork, clone with CLONE_VM), with a
 * descriptor table of its own and a life that may be shorter: it must leave alone what memory says
 * of the table and of the threads of this one.
 */
#include "kernel/thread.h"
#include "support/sys.h"

static pid_t home;

void home_settle(void)
{
	home = sys_getpid();
}

pid_t home_process(void)
{
	return home;
}

/* Before anybody settled there is but one. */
bool home_is_here(void)
{
	return !home || home == sys_getpid();
}
