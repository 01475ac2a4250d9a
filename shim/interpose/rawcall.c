/* SPDX-License-Identifier: MIT */
/*
 * syscall(): the wrapped calls by number. Declared with all its arguments instead of
 * "...": in both calling conventions they lie where a variadic call puts them, and so
 * a number that is not ours is handed on by a jump, with nothing left on the stack.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interpose/interpose.h"
#include "kernel/next.h"
#include "support/user.h"

typedef long plain_syscall(long, long, long, long, long, long, long);

static long pass(long nr, long a, long b, long c, long d, long e, long f)
{
	plain_syscall *onward = next.syscall;

	if (unlikely(!onward))
		return libc_result(sys_call(nr, a, b, c, d, e, f));
	return onward(nr, a, b, c, d, e, f);
}

/* openat2's are in memory, which may be none: only after the kernel has read it. */
static int open_flags(long nr, long b, long c)
{
	switch (nr) {
	case SYS_open:
		return (int)b;
	case SYS_openat:
		return (int)c;
	case SYS_creat:
		return O_WRONLY;
	default:
		return (int)((const struct open_how *)c)->flags;
	}
}

#ifdef __x86_64__
#define MMAP_NUMBER    SYS_mmap
#define MMAP_OFFSET(f) (f)
#else
#define MMAP_NUMBER    SYS_mmap2
#define MMAP_OFFSET(f) ((int64_t)(uint32_t)(f) << 12)
#endif

/* The calls that process.inject may want to fail, by number. */
static bool request_of(struct inject_request *request, long nr)
{
	static const struct {
		long nr;
		enum inject_call call;
	} calls[] = {
		{ MMAP_NUMBER, INJECT_MMAP },
		{ SYS_munmap, INJECT_MUNMAP },
		{ SYS_mremap, INJECT_MREMAP },
		{ SYS_mprotect, INJECT_MPROTECT },
		{ SYS_pkey_mprotect, INJECT_MPROTECT },
		{ SYS_madvise, INJECT_MADVISE },
		{ SYS_remap_file_pages, INJECT_REMAP_FILE_PAGES },
		{ SYS_open, INJECT_OPEN },
		{ SYS_openat, INJECT_OPEN },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		request->call = calls[i].call;
		if (nr == calls[i].nr)
			return inject_calls & INJECT_BIT(request->call);
	}
	return false;
}

static __attribute__((noinline)) long injected_call(const struct call *call, long nr, long a,
						    long b, long c, long d, long e, long f)
{
	struct inject_request request = { .fd = -1 };

	if (!request_of(&request, nr))
		return 0;
	if (request.call <= INJECT_REMAP_FILE_PAGES) {
		request.address = (uintptr_t)a;
		request.length = (size_t)b;
		request.protection = (int)c;
	}
	if (request.call == INJECT_MMAP) {
		request.flags = (int)d;
		request.fd = d & MAP_ANONYMOUS ? -1 : (int)e;
		request.offset = MMAP_OFFSET(f);
	}
	if (request.call == INJECT_MREMAP) {
		request.new_length = (size_t)c;
		request.flags = (int)d;
		request.new_address = (uintptr_t)e;
	}
	return injected(call, &request);
}

static long call_open(const struct call *call, long nr, long a, long b, long c, long d)
{
	bool at = nr == SYS_openat || nr == SYS_openat2;
	long fd = sys_call(nr, a, b, c, d, 0, 0);

	if (unlikely(fd == -EAGAIN) &&
	    open_again(at ? (int)a : AT_FDCWD, (const char *)(at ? b : a), open_flags(nr, b, c)))
		fd = sys_call(nr, a, b, c, d, 0, 0);
	return fd < 0 ? fd : opened(call, fd, open_flags(nr, b, c));
}

static void call_limit(long nr, long a, long b, long c)
{
	if (nr == SYS_prlimit64)
		limits_change((pid_t)a, (int)b, (const void *)c, sizeof(uint64_t));
	else
		limits_change(0, (int)a, (const void *)b, sizeof(long));
}

static long dup2_by_number(int from, int onto, int flags)
{
	(void)flags;
	return sys_dup2(from, onto);
}

static long dup3_by_number(int from, int onto, int flags)
{
	return sys_dup3(from, onto, flags);
}

static long call_descriptor(long nr, long a, long b, long c)
{
	switch (nr) {
	case SYS_close:
		return descriptors_close((int)a);
	case SYS_close_range:
		return descriptors_close_range((unsigned int)a, (unsigned int)b, (unsigned int)c);
	case SYS_dup3:
		return c & ~O_CLOEXEC ? sys_dup3((int)a, (int)b, (int)c)
				      : descriptors_dup(dup3_by_number, (int)a, (int)b, (int)c);
	default:
		return descriptors_dup(dup2_by_number, (int)a, (int)b, 0);
	}
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
	return memory_mmap(call, a.address, a.length, a.protection, a.flags, a.fd, a.offset);
}
#endif

static long call_memory(const struct call *call, long nr, long a, long b, long c, long d, long e,
			long f)
{
	switch (nr) {
	case MMAP_NUMBER:
		return memory_mmap(call, (uintptr_t)a, (size_t)b, (int)c, (int)d, (int)e,
				   MMAP_OFFSET(f));
	case SYS_munmap:
		return memory_munmap(call, (uintptr_t)a, (size_t)b);
	case SYS_mremap:
		return memory_mremap(call, (uintptr_t)a, (size_t)b, (size_t)c, (int)d,
				     (uintptr_t)e);
	case SYS_mprotect:
		return memory_mprotect(call, (uintptr_t)a, (size_t)b, (int)c);
	case SYS_pkey_mprotect:
		return memory_pkey_mprotect((uintptr_t)a, (size_t)b, (int)c, (int)d);
	case SYS_madvise:
		return memory_madvise((uintptr_t)a, (size_t)b, (int)c);
	case SYS_mlock:
	case SYS_mlock2:
	case SYS_munlock:
		return memory_lock(nr, (uintptr_t)a, (size_t)b, (unsigned int)c);
	case SYS_mlockall:
	case SYS_munlockall:
		return memory_lock_all(nr, (int)a);
	default:
		return memory_remap_file_pages(call, (uintptr_t)a, (size_t)b, (int)c, (size_t)d,
					       (int)e);
	}
}

/* A child with memory of its own that comes back here: not one that shares our memory, nor one that
 * starts on a stack which holds nothing of ours. */
static bool forks(long nr, long a, long b)
{
	struct clone_args args;

	if (scope_silent())
		return false;
	if (nr == SYS_fork)
		return true;
	if (nr == SYS_clone)
		return !(a & CLONE_VM) && !b;
	if (b < CLONE_ARGS_SIZE_VER0 || user_copy_in(&args, (const void *)a, CLONE_ARGS_SIZE_VER0))
		return false; /* the kernel says what is wrong with it */
	return !(args.flags & CLONE_VM) && !args.stack;
}

static long call_identity(long nr, long a, long b, long c, long d, long e, long f)
{
	if (nr == SYS_unshare || nr == SYS_setns)
		credentials_alone();
	else
		credentials_change();
	long r = pass(nr, a, b, c, d, e, f);
	if (nr != SYS_unshare && nr != SYS_setns && r != -1)
		credentials_changed();
	return r;
}

#define INJECT_SYSCALL(...)                                                             \
	do {                                                                            \
		long error = unlikely(inject_calls)                                     \
				     ? injected_call(CALL_HERE("syscall"), __VA_ARGS__) \
				     : 0;                                               \
		if (unlikely(error))                                                    \
			return libc_result(error);                                      \
	} while (0)

/* What is to be done before a call that is then handed on as it is. */
static void before(long nr, long a, long b, long c)
{
	switch (nr) {
	case SYS_mseal:
		memory_settle((uintptr_t)a, (size_t)b);
		break;
	case SYS_chroot:
	case SYS_pivot_root:
		credentials_change_root();
		break;
	case SYS_landlock_restrict_self:
		credentials_change();
		break;
	case SYS_umount2:
		files_let_go();
		break;
	case SYS_exit: /* of a thread; of the last one the process ends, without the keeper too */
		process_thread_ends();
		break;
	case SYS_exit_group:
		process_ends((int)a);
		break;
	default:
		call_limit(nr, a, b, c);
	}
}

/* clang-format off */
#ifdef __i386__
#define IDENTITY_32 \
	case SYS_setuid32: case SYS_setgid32: case SYS_setreuid32: case SYS_setregid32: \
	case SYS_setresuid32: case SYS_setresgid32: case SYS_setgroups32: \
	case SYS_setfsuid32: case SYS_setfsgid32:
#else
#define IDENTITY_32
#endif
#define IDENTITY_CASES IDENTITY_32 \
	case SYS_setuid: case SYS_setgid: case SYS_setreuid: case SYS_setregid: \
	case SYS_setresuid: case SYS_setresgid: case SYS_setgroups: \
	case SYS_setfsuid: case SYS_setfsgid: \
	case SYS_capset: case SYS_unshare: case SYS_setns
/* clang-format on */

#define ALL_ARGUMENTS long nr, long a, long b, long c, long d, long e, long f

EXPORT long syscall_wrapper(ALL_ARGUMENTS) __asm__("syscall");
EXPORT long syscall_wrapper(ALL_ARGUMENTS)
{
	switch (nr) {
	case MMAP_NUMBER:
	case SYS_munmap:
	case SYS_mremap:
	case SYS_mprotect:
	case SYS_pkey_mprotect:
	case SYS_madvise:
	case SYS_remap_file_pages:
	case SYS_mlock:
	case SYS_mlock2:
	case SYS_munlock:
	case SYS_mlockall:
	case SYS_munlockall:
		INJECT_SYSCALL(nr, a, b, c, d, e, f);
		return libc_result(call_memory(CALL_HERE("syscall"), nr, a, b, c, d, e, f));
#ifdef __i386__
	case SYS_mmap:
		return libc_result(call_old_mmap(CALL_HERE("syscall"), a));
#endif
#ifdef SYS_ipc
	case SYS_ipc:
		if ((a & 0xffff) != IPC_CALL_SHMAT && (a & 0xffff) != IPC_CALL_SHMDT)
			return pass(nr, a, b, c, d, e, f);
		__attribute__((fallthrough));
#endif
	case SYS_shmat:
	case SYS_shmdt:
		return libc_result(segments_call(nr, a, b, c, d, e));
	case SYS_open:
	case SYS_openat:
	case SYS_creat:
	case SYS_openat2:
		INJECT_SYSCALL(nr, a, b, c, d, e, f);
		return libc_result(call_open(CALL_HERE("syscall"), nr, a, b, c, d));
	case SYS_close:
	case SYS_close_range:
	case SYS_dup2:
	case SYS_dup3:
		return libc_result(call_descriptor(nr, a, b, c));
	case SYS_execve:
		return libc_result(process_execveat(CALL_HERE("syscall"), AT_FDCWD, (const char *)a,
						    (char *const *)b, (char *const *)c, 0));
	case SYS_execveat:
		return libc_result(process_execveat(CALL_HERE("syscall"), (int)a, (const char *)b,
						    (char *const *)c, (char *const *)d, (int)e));
	case SYS_fork:
	case SYS_clone:
	case SYS_clone3:
		if (forks(nr, a, b))
			return libc_result(process_fork(nr, a, b, c, d, e));
		return pass(nr, a, b, c, d, e, f);
	IDENTITY_CASES:
		return call_identity(nr, a, b, c, d, e, f);
	case SYS_setrlimit:
	case SYS_prlimit64:
	case SYS_mseal:
	case SYS_chroot:
	case SYS_pivot_root:
	case SYS_landlock_restrict_self:
	case SYS_umount2:
	case SYS_exit:
	case SYS_exit_group:
		before(nr, a, b, c);
		return pass(nr, a, b, c, d, e, f);
	case SYS_fanotify_init:
		return fanotify_init((unsigned int)a, (unsigned int)b);
	case SYS_seccomp:
		return libc_result(sandbox_seccomp(CALL_HERE("syscall"), a, b, c));
	case SYS_prctl:
		return libc_result(sandbox_prctl(CALL_HERE("syscall"), a, b, c, d, e));
	default:
		return pass(nr, a, b, c, d, e, f);
	}
}
