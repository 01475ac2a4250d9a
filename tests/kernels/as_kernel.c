/* SPDX-License-Identifier: MIT */
/*
 *	as_kernel VERSION COMMAND…
 *
 * Runs a command whose calls fail as on that kernel (preload/filter.h).
 */
#include <stdio.h>
#include <unistd.h>

#include "../preload/filter.h"

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	filter_as_kernel(argv[1]);
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
