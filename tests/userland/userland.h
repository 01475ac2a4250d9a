/* SPDX-License-Identifier: MIT */
/* What the helpers take from a newer libc's headers. */
#ifndef MMFENCE_TESTS_USERLAND_H
#define MMFENCE_TESTS_USERLAND_H

#include <errno.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2U
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif

/* Functions that this libc has not: the helpers find them in our library. */
#if !__GLIBC_PREREQ(2, 34)
__attribute__((weak)) int close_range(unsigned int first, unsigned int last, int flags);
__attribute__((weak)) void closefrom(int first);
__attribute__((weak)) int execveat(int directory, const char *path, char *const argv[],
				   char *const envp[], int flags);
__attribute__((weak)) int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *,
								   int first);
#endif

#if !__GLIBC_PREREQ(2, 32)
char __libc_single_threaded = 1;      /* nobody can ask */
#include "../../shim/support/error.c" /* a helper is one file */
#define strerrorname_np(error) error_name(error)
#endif

#endif
