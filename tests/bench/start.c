/* SPDX-License-Identifier: MIT */
/*
 *	start PAIRS VARIABLES PROGRAM
 *
 * Starts PROGRAM and waits for its end, bare and with VARIABLES (NAME=VALUE, separated by
 * spaces) in its environment, in turn, and prints for each pair the two times in ns. The
 * start is posix_spawn: a copy of the parent's memory is no part of it.
 */
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include "clock.h"

static double start(const char *program, char **environment)
{
	char *argv[] = { (char *)program, NULL };
	double begin = now_ns();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environment))
		die(program);
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "start: %s did not end well (status %d)\n", program, status);
		exit(1);
	}
	return now_ns() - begin;
}

int main(int argc, char **argv)
{
	char *bare[] = { "PATH=/usr/bin:/bin", NULL };
	char *fenced[16] = { bare[0] };
	int pairs = argc == 4 ? atoi(argv[1]) : 0;
	size_t count = 1;

	if (pairs <= 0) {
		fprintf(stderr, "usage: start PAIRS VARIABLES PROGRAM\n");
		return 2;
	}
	for (char *word = strtok(argv[2], " "); word && count < 15; word = strtok(NULL, " "))
		fenced[count++] = word;
	for (int i = 0; i < 10; i++) {
		start(argv[3], bare);
		start(argv[3], fenced);
	}
	for (int i = 0; i < pairs; i++) {
		double without = start(argv[3], bare);

		printf("%.0f %.0f\n", without, start(argv[3], fenced));
	}
	return 0;
}
