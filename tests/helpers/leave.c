/* SPDX-License-Identifier: MIT */
/*
 * P5: the only thread of the program ends by the system call exit, not exit_group, with a
 * guarded mapping: "libc" makes the call through libc, "hand" by itself. Ends with 3.
 */

#include "helper.h"

int main(int argc, char **argv)
{
	must(argc == 2);
	file_make("leave.data", 1, 4);
	int fd = file_open("leave.data");
	sure(mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	if (!strcmp(argv[1], "libc"))
		syscall(SYS_exit, 3);
	return (int)by_hand(SYS_exit, 3, 0, 0, 0, 0);
}
