/* SPDX-License-Identifier: MIT */
/*
 * P3: a preload library, before or after ours, that hands on what it is called with, as they all
 * do. Built once with the GNU hash table alone, once with the System V one. It counts, and says so
 * at the end: "CHAIN: open 3, posix_spawnp 1". Its setresuid is an indirect function.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int opens, spawns, dups, identities;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int open(const char *path, int flags, ...)
{
	va_list list;

	va_start(list, flags);
	mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
	va_end(list);
	opens++;
	return NEXT(open)(path, flags, mode);
}

int posix_spawnp(pid_t *restrict pid, const char *restrict file,
		 const posix_spawn_file_actions_t *restrict actions,
		 const posix_spawnattr_t *restrict attributes, char *const *restrict argv,
		 char *const *restrict environment)
{
	spawns++;
	return NEXT(posix_spawnp)(pid, file, actions, attributes, argv, environment);
}

int dup2(int from, int onto)
{
	dups++;
	return NEXT(dup2)(from, onto);
}

static int change(uid_t real, uid_t effective, uid_t saved)
{
	identities++;
	return NEXT(setresuid)(real, effective, saved);
}

static __typeof__(&change) choose(void)
{
	return change;
}

int setresuid(uid_t real, uid_t effective, uid_t saved) __attribute__((ifunc("choose")));

__attribute__((destructor)) static void say(void)
{
	dprintf(STDOUT_FILENO, CHAIN ": open %d, posix_spawnp %d, dup2 %d, setresuid %d\n", opens,
		spawns, dups, identities);
}
