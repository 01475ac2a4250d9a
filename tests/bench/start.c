/* SPDX-License-Identifier: MIT */
/*
 *	start ROUNDS PROGRAM VARIABLES…
 *
 * Starts PROGRAM and waits for its end, once with each VARIABLES (NAME=VALUE, separated by
 * spaces, or nothing) in its environment, in turn, and prints for each round these times in ns.
 * The start is posix_spawn: a copy of the parent's memory is no part of it.
 */
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include "clock.h"

#define MOST 8

struct environment {
	char *variables[16];
};

static double start(const char *program, struct environment *environment)
{
	char *argv[] = { (char *)program, NULL };
	double begin = now_ns();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environment->variables))
		die(program);
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "start: %s did not end well (status %d)\n", program, status);
		exit(1);
	}
	return now_ns() - begin;
}

int main(int argc, char **argv)
{
	static struct environment environments[MOST];
	int kinds = argc - 3, rounds = argc > 3 ? atoi(argv[1]) : 0;

	if (rounds <= 0 || kinds > MOST) {
		fprintf(stderr, "usage: start ROUNDS PROGRAM VARIABLES…\n");
		return 2;
	}
	for (int i = 0; i < kinds; i++) {
		char **to = environments[i].variables;
		size_t count = 0;

		to[count++] = "PATH=/usr/bin:/bin";
		for (char *word = strtok(argv[3 + i], " "); word && count < 15;
		     word = strtok(NULL, " "))
			to[count++] = word;
	}
	for (int round = -10; round < rounds; round++) /* the first do not count */
		for (int i = 0; i < kinds; i++) {
			double took = start(argv[2], &environments[i]);

			if (round >= 0)
				printf("%.0f%c", took, i == kinds - 1 ? '\n' : ' ');
		}
	return 0;
}
