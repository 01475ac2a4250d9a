/* SPDX-License-Identifier: MIT */
/*
 * The next library in the chain: the functions that a wrapper hands on to, which are
 * libc's or another preload library's. Resolved once in the constructor; before it a
 * member is NULL and the wrapper makes the system call itself, because dlsym may
 * allocate and the allocator may be what called us.
 */
#ifndef MMFENCE_KERNEL_NEXT_H
#define MMFENCE_KERNEL_NEXT_H

#include <linux/capability.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

/* NEXT(result, name, parameters) */
#define NEXT_FUNCTIONS(NEXT)                                                                     \
	NEXT(int, open, (const char *, int, ...))                                                \
	NEXT(int, open64, (const char *, int, ...))                                              \
	NEXT(int, openat, (int, const char *, int, ...))                                         \
	NEXT(int, openat64, (int, const char *, int, ...))                                       \
	NEXT(int, creat, (const char *, mode_t))                                                 \
	NEXT(int, creat64, (const char *, mode_t))                                               \
	NEXT(int, __open_2, (const char *, int))                                                 \
	NEXT(int, __open64_2, (const char *, int))                                               \
	NEXT(int, __openat_2, (int, const char *, int))                                          \
	NEXT(int, __openat64_2, (int, const char *, int))                                        \
	NEXT(FILE *, fopen, (const char *, const char *))                                        \
	NEXT(FILE *, fopen64, (const char *, const char *))                                      \
	NEXT(FILE *, freopen, (const char *, const char *, FILE *))                              \
	NEXT(FILE *, freopen64, (const char *, const char *, FILE *))                            \
	NEXT(int, close, (int))                                                                  \
	NEXT(int, close_range, (unsigned int, unsigned int, int))                                \
	NEXT(void, closefrom, (int))                                                             \
	NEXT(int, dup2, (int, int))                                                              \
	NEXT(int, dup3, (int, int, int))                                                         \
	NEXT(int, execve, (const char *, char *const *, char *const *))                          \
	NEXT(int, execvp, (const char *, char *const *))                                         \
	NEXT(int, execvpe, (const char *, char *const *, char *const *))                         \
	NEXT(int, fexecve, (int, char *const *, char *const *))                                  \
	NEXT(int, execveat, (int, const char *, char *const *, char *const *, int))              \
	NEXT(int, posix_spawn,                                                                   \
	     (pid_t *, const char *, const posix_spawn_file_actions_t *,                         \
	      const posix_spawnattr_t *, char *const *, char *const *))                          \
	NEXT(int, posix_spawnp,                                                                  \
	     (pid_t *, const char *, const posix_spawn_file_actions_t *,                         \
	      const posix_spawnattr_t *, char *const *, char *const *))                          \
	NEXT(long, syscall, (long, long, long, long, long, long, long))                          \
	NEXT(void, _exit, (int))                                                                 \
	NEXT(void, quick_exit, (int))                                                            \
	NEXT(int, system, (const char *))                                                        \
	NEXT(FILE *, popen, (const char *, const char *))                                        \
	NEXT(void, _Exit, (int))                                                                 \
	NEXT(int, setuid, (uid_t))                                                               \
	NEXT(int, setgid, (gid_t))                                                               \
	NEXT(int, seteuid, (uid_t))                                                              \
	NEXT(int, setegid, (gid_t))                                                              \
	NEXT(int, setreuid, (uid_t, uid_t))                                                      \
	NEXT(int, setregid, (gid_t, gid_t))                                                      \
	NEXT(int, setresuid, (uid_t, uid_t, uid_t))                                              \
	NEXT(int, setresgid, (gid_t, gid_t, gid_t))                                              \
	NEXT(int, setgroups, (size_t, const gid_t *))                                            \
	NEXT(int, initgroups, (const char *, gid_t))                                             \
	NEXT(int, setfsuid, (uid_t))                                                             \
	NEXT(int, setfsgid, (gid_t))                                                             \
	NEXT(int, capset,                                                                        \
	     (struct __user_cap_header_struct *, const struct __user_cap_data_struct *))         \
	NEXT(int, setrlimit, (__rlimit_resource_t, const struct rlimit *))                       \
	NEXT(int, setrlimit64, (__rlimit_resource_t, const struct rlimit64 *))                   \
	NEXT(int, prlimit, (pid_t, __rlimit_resource_t, const struct rlimit *, struct rlimit *)) \
	NEXT(int, prlimit64,                                                                     \
	     (pid_t, __rlimit_resource_t, const struct rlimit64 *, struct rlimit64 *))           \
	NEXT(int, prctl, (int, unsigned long, unsigned long, unsigned long, unsigned long))      \
	NEXT(int, unshare, (int))                                                                \
	NEXT(int, chroot, (const char *))                                                        \
	NEXT(int, setns, (int, int))

struct next {
#define NEXT_MEMBER(result, name, parameters) result(*name) parameters;
	NEXT_FUNCTIONS(NEXT_MEMBER)
#undef NEXT_MEMBER
};

extern struct next next;

void next_resolve(void);

#endif
