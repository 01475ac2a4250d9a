/* SPDX-License-Identifier: MIT */
/*
 * Starts the command and waits for it, like system(3) without a shell between.
 */
#ifndef MMFENCE_CLI_RUN_LAUNCH_H
#define MMFENCE_CLI_RUN_LAUNCH_H

#include <sys/types.h>

#include "cli/run/program.h"

struct launch {
	pid_t pid;
	int go;	    /* written to when the child may start */
	int failed; /* gives the errno of an exec that failed, or nothing */
};

/* Forks a child that waits. 0, or -1 with a sentence said. In the child, prepare(context) makes
 * its environment. */
int launch_begin(struct launch *launch, const struct program *program, char *const *arguments,
		 void (*prepare)(void *context), void *context);

/* The child ends without having run anything. */
void launch_cancel(struct launch *launch);

/* Lets it start and waits for its end: its exit status, 128+n for signal n, or with a sentence
 * said STATUS_NOT_FOUND or STATUS_NOT_RUNNABLE. */
int launch_finish(struct launch *launch, const char *name);

#endif
