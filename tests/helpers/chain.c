/* SPDX-License-Identifier: MIT */
/*
 * P3: calls that two other preload libraries hand on, each a number of times: open 3, posix_spawnp,
 * dup2 and setresuid once.
 */
#include <spawn.h>

#include "helper.h"

int main(void)
{
	char *argv[] = { (char *)(uintptr_t) "true", NULL };
	char *none[] = { NULL };
	pid_t child;
	int fd = -1;

	for (int i = 0; i < 3; i++)
		promise((fd = open("/dev/null", O_RDONLY)) >= 0, "open");
	promise(dup2(fd, 50) == 50, "dup2");
	promise(posix_spawnp(&child, "true", NULL, NULL, argv, none) == 0, "posix_spawnp");
	child_wait(child);
	promise(setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1) == 0, "setresuid");
	/* A name of libc's alone, and one that came with glibc 2.34. */
	promise(close_range(50, 50, 0) == 0 || errno == ENOSYS, "close_range");
	promise(close(fd) == 0, "close");
	return 0;
}
