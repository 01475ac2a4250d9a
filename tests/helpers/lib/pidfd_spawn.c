/* SPDX-License-Identifier: MIT */
/*
 * P4, A6: stands for what glibc has since 2.39, after our library and before libc. A pid is what
 * its callers here get; libc's own spawn does the work, and not ours once more.
 */
#include <dlfcn.h>
#include <spawn.h>

#define STANDS_FOR(name, spawn)                                                           \
	__typeof__(posix_spawn) name;                                                     \
	int name(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions, \
		 const posix_spawnattr_t *attributes, char *const argv[],                 \
		 char *const environment[])                                               \
	{                                                                                 \
		__typeof__(&spawn) next = (__typeof__(&spawn))dlsym(RTLD_NEXT, #spawn);   \
		return next(pidfd, path, actions, attributes, argv, environment);         \
	}
STANDS_FOR(pidfd_spawn, posix_spawn)
STANDS_FOR(pidfd_spawnp, posix_spawnp)
