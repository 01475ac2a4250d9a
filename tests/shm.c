/* SPDX-License-Identifier: MIT */
/*
 * What Criterion's processes share it keeps in POSIX shared memory, by these two names. A bare root
 * has no /dev/shm, or one that is root's alone: here it is in the tests' own directory.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *place(char *path, const char *name)
{
	const char *tmp = getenv("MMFENCE_TMP");

	snprintf(path, PATH_MAX, "%s/%s", tmp ? tmp : "/tmp", name + (name[0] == '/'));
	return path;
}

int shm_open(const char *name, int flags, mode_t mode)
{
	char path[PATH_MAX];

	return open(place(path, name), flags | O_CLOEXEC | O_NOFOLLOW, mode);
}

int shm_unlink(const char *name)
{
	char path[PATH_MAX];

	return unlink(place(path, name));
}
