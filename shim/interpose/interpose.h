/* SPDX-License-Identifier: MIT */
/*
 * What the wrappers share. The only files that define names of libc's; nothing but
 * thin wrappers: result and errno are what libc's function would give.
 */
#ifndef MMFENCE_INTERPOSE_INTERPOSE_H
#define MMFENCE_INTERPOSE_INTERPOSE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "inject/inject.h"
#include "support/sys.h"
#include "support/call.h"
#include "support/scope.h"

#define EXPORT __attribute__((visibility("default")))
/* Another name that libc has for the same function, from old binaries. */
#define ALIAS(other, name) \
	__asm__(".globl " #other "; .type " #other ", @function; .set " #other ", " #name)
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Starts a scope, with the library ready and aware of which process this is. False inside the
 * shim: then the wrapper passes straight through. */
bool enter(struct scope *scope);

/* False in a process that was copied from the one that the tables speak of, until it enters. */
bool same_process_as_before(void);

/* -errno to -1 and errno. */
static inline long libc_result(long result)
{
	if (likely(!sys_failed(result)))
		return result;
	errno = (int)-result;
	return -1;
}

/* 0, or the -errno that process.inject wants of this call. Its arguments are the system call's, the
 * last one in bytes. */
long injected(const struct call *call, enum inject_call kind, long a, long b, long c, long d,
	      long e, int64_t offset);

/* The same, at the cost of one test where nothing is wanted of this kind of call. */
#define INJECTED(call, kind, ...)                                                           \
	(unlikely(inject_calls & INJECT_BIT(INJECT_##kind))                                 \
		 ? injected(call, INJECT_##kind, INJECT_SIX(__VA_ARGS__, 0, 0, 0, 0, 0, 0)) \
		 : 0)
#define INJECT_SIX(a, b, c, d, e, f, ...) (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), f

/* First in a wrapper: leaves it with this value, and errno, where the call is to fail. */
#define INJECT(value, ...)                           \
	do {                                         \
		long error_ = INJECTED(__VA_ARGS__); \
		if (unlikely(error_)) {              \
			errno = (int)-error_;        \
			return value;                \
		}                                    \
	} while (0)

/* shmat and shmdt, by their numbers or, on i386, by ipc's. */
long segments_call(long nr, long a, long b, long c, long d, long e);

/* A descriptor that was just opened (or -errno): itself, or -EACCES with it closed. */
long opened(const struct call *call, long fd, int flags);

/* The descriptor calls: of ours is taken leave before the program closes them, or wants their
 * numbers. */
long descriptors_close(int fd);
long descriptors_close_range(unsigned int first, unsigned int last, unsigned int flags);
/* dup3 by this call, which returns what the kernel does. */
typedef long duplicate_call(int from, int onto, int flags);
long descriptors_dup(duplicate_call *call, int from, int onto, int flags);

/* An open for writing of that path failed with EAGAIN: whether a lease of ours was the reason and
 * is not any more, so that it is worth another try. */
bool open_again(int directory, const char *path, int flags);

/* umount2: no file is held any more that nobody needs. */
long files_unmount(const char *target, int flags);
/* fanotify_init: the program will be told of opens, and perhaps have to allow them. None of ours
 * from now on. */
long files_watched(unsigned int flags, unsigned int event_flags);

/* The program sets a limit of its own (process 0) or another's; soft, of 4 or 8 bytes, may be NULL.
 */
void limits_change(pid_t process, int resource, const void *soft, size_t size);

/* Before another program replaces this one: reports gaps, and writes the totals. */
long process_execveat(const struct call *call, int directory, const char *path, char *const *argv,
		      char *const *envp, int flags);
/* The program is about to change its credentials, its root or what it may open. */
void credentials_change(void);
void credentials_change_root(void);
/* It did; or it is about to make a call that wants a process of one thread. */
void credentials_changed(void);
void credentials_alone(void);

/* seccomp(2) and prctl(2): the program may put itself under a filter. */
long sandbox_seccomp(const struct call *call, long operation, long flags, long arguments);
long sandbox_prctl(const struct call *call, long option, long a, long b, long c, long d);

/* A fork that libc knows nothing of: the system call itself between the handlers. */
long process_fork(long nr, long a, long b, long c, long d, long e);

/* A thread ends by the system call itself: if it is the program's last one, the lease thread ends
 * too. */
void process_thread_ends(void);

/* The end of the process, with its exit status or -1. */
void process_ends(int status);

#endif
