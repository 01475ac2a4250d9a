/* SPDX-License-Identifier: MIT */
/*
 * syscall(): the wrapped calls by number. Declared with all its arguments instead of
 * "...": in both calling conventions they lie where a variadic call puts them, and so
 * a number that is not ours is handed on by a jump, with nothing left on the stack.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "support/user.h"

typedef long plain_syscall(long, long, long, long, long, long, long);

static inline __attribute__((always_inline)) long pass(long nr, long a, long b, long c, long d,
						       long e, long f)
{
	plain_syscall *onward = NEXT_OF(syscall);

	if (unlikely(!onward))
		return libc_result(sys_call(nr, a, b, c, d, e, f));
	return onward(nr, a, b, c, d, e, f);
}

#ifdef __x86_64__
#define MMAP_NUMBER    SYS_mmap
#define MMAP_OFFSET(f) (f)
#else
#define MMAP_NUMBER    SYS_mmap2
#define MMAP_OFFSET(f) ((int64_t)(uint32_t)(f) << 12)
#endif

static long dup2_by_number(int from, int onto, int flags)
{
	(void)flags;
	return sys_dup2(from, onto);
}

static long dup3_by_number(int from, int onto, int flags)
{
	return sys_dup3(from, onto, flags);
}

#ifdef __i386__
/* The first mmap, whose arguments are in memory. */
static long call_old_mmap(const struct call *call, long arguments)
{
	struct {
		unsigned long address, length;
		long protection, flags, fd;
		unsigned long offset;
	} a;

	if (scope_silent())
		return sys_call(SYS_mmap, arguments, 0, 0, 0, 0, 0);
	if (user_copy_in(&a, (const void *)arguments, sizeof(a)))
		return -EFAULT;
	return road_mmap(call, a.address, a.length, a.protection, a.flags, a.fd, a.offset);
}
#endif

/* A child with memory of its own that comes back here: not one that shares our memory, nor one that
 * starts on a stack which holds nothing of ours. */
static bool forks(long nr, long a, long b)
{
	struct clone_args args;

	if (nr == SYS_fork)
		return true;
	if (nr == SYS_clone)
		return !(a & CLONE_VM) && !b;
	if (scope_silent() || b < CLONE_ARGS_SIZE_VER0 ||
	    user_copy_in(&args, (const void *)a, CLONE_ARGS_SIZE_VER0))
		return false; /* the kernel says what is wrong with it */
	return !(args.flags & CLONE_VM) && !args.stack;
}

static long change_identity(long nr, long a, long b, long c, long d, long e, long f)
{
	credentials_change();
	long r = pass(nr, a, b, c, d, e, f);
	if (r != -1)
		credentials_changed();
	return r;
}

/* In calls.def: the numbers of a change of identity. On i386 the older one has 16 bits. */
#define ONE(name) case SYS_##name:
#ifdef __i386__
#define IDS(name)        \
	case SYS_##name: \
	case SYS_##name##32:
#else
#define IDS(name) ONE(name)
#endif

#define ALL_ARGUMENTS long nr, long a, long b, long c, long d, long e, long f

/* The calls of ours. */
static __attribute__((noinline)) long wrapped(const struct call *call, ALL_ARGUMENTS)
{
	switch (nr) {
#define NUMBER(number, kind, ...)                                                 \
	case number: {                                                            \
		long error = INJECTED(call, kind, a, b, c, d, e, MMAP_OFFSET(f)); \
		return libc_result(error ? error : (__VA_ARGS__));                \
	}
#define NUMBER_IF(number, condition, ...)                \
	case number:                                     \
		if (condition)                           \
			return libc_result(__VA_ARGS__); \
		break;
#define PLAIN(result, name, parameters, arguments, kind, ...) NUMBER(SYS_##name, kind, __VA_ARGS__)
#define BEFORE(number, ...)  \
	case number:         \
		__VA_ARGS__; \
		break;
#define HANDS(result, name, parameters, arguments, ...) BEFORE(SYS_##name, __VA_ARGS__)
#define CHANGE(result, name, parameters, arguments, numbers) \
	numbers return change_identity(nr, a, b, c, d, e, f);
#include "interpose/calls.def"
	}
	return pass(nr, a, b, c, d, e, f);
}

EXPORT long syscall_wrapper(ALL_ARGUMENTS) __asm__("syscall");
EXPORT long syscall_wrapper(ALL_ARGUMENTS)
{
	switch (nr) {
#define NUMBER(number, ...)				     case number:
#define NUMBER_IF(number, ...)				     case number:
#define BEFORE(number, ...)				     case number:
#define PLAIN(result, name, ...)			     case SYS_##name:
#define HANDS(result, name, ...)			     case SYS_##name:
#define CHANGE(result, name, parameters, arguments, numbers) numbers
#include "interpose/calls.def"
		return wrapped(CALL_HERE("syscall"), nr, a, b, c, d, e, f);
	default:
		return pass(nr, a, b, c, d, e, f);
	}
}
