/* SPDX-License-Identifier: MIT */
/*
 * Does nothing, well; also built static, and copied set-user-ID.
 */
#include <stdlib.h>

int main(int argc, char **argv)
{
	return argc > 1 ? atoi(argv[1]) : 0;
}
