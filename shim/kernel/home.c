/* SPDX-License-Identifier: MIT */
/*
 * Whose memory this is: see home.h.
 */
#include "kernel/home.h"
#include "kernel/raw.h"

static pid_t home;

void home_settle(void)
{
	home = (pid_t)raw(SYS_getpid);
}

pid_t home_process(void)
{
	return home;
}

/* Before anybody settled there is but one. */
bool home_is_here(void)
{
	return !home || home == (pid_t)raw(SYS_getpid);
}
