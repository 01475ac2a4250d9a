/* SPDX-License-Identifier: MIT */
/*
 * Whose memory this is: see home.h.
 */
#include "kernel/home.h"
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
