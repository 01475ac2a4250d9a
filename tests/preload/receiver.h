/* SPDX-License-Identifier: MIT */
/*
 * The other end of a log that is no file: a socket that the test reads, or a child that
 * writes what comes to a file. And a helper that is let go step by step.
 */
#ifndef MMFENCE_TESTS_RECEIVER_H
#define MMFENCE_TESTS_RECEIVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner.h"

/* Binds a datagram (or SOCK_STREAM: and listens) socket there, in place of what there was. */
int receiver_bind(const char *path, int type);

/* Appends what waits in the socket to run.log_path, and reads that. How many datagrams. */
size_t receiver_drain(int socket, struct run *run);

/* The next datagram, ended with a NUL, or the file that came in its place; -1: there is none. */
ssize_t receiver_next(int socket, char *out, size_t size);

/* Directories of this test alone, in a mount namespace of its own: an empty /run, a /dev without
 * anything but what a program needs. Skips the test where that cannot be had. */
void private_run(void);
void private_dev(void);

/* For "steady" with gate=18 and pipe=17: opened before it is started, and prepare gives it the
 * pipes. */
struct steps {
	int gate[2], told[2];
};
extern struct steps steps;
void steps_open(void);
void steps_prepare(struct run *run);
/* Lets it make this many mappings, and waits until it has. */
void steps_take(unsigned int count);

#endif
