/* SPDX-License-Identifier: MIT */
/*
 * P5: the only thread of the program ends by the system call exit, not exit_group, with a
 * guarded mapping: "libc" makes the call through libc, "hand" by itself. Ends with 3.
 */
#include <sys/syscall.h>

#include "helper.h"

int main(int argc, char **argv)
{
	long result;

	must(argc == 2);
	file_make("leave.data", 1, 4);
	int fd = open("leave.data", O_RDONLY);
	must(fd >= 0 && mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	if (!strcmp(argv[1], "libc"))
		syscall(SYS_exit, 3);
#ifdef __x86_64__
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_exit), "D"(3L)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("xchg %%ebx, %2; int $0x80"
			 : "=a"(result)
			 : "a"(SYS_exit), "r"(3L)
			 : "memory");
#endif
	return (int)result;
}
