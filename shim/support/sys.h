/* SPDX-License-Identifier: MIT */
/*
 * System calls made directly, each with its prototype: the kernel's own answer, -errno
 * on failure, errno itself untouched. Usable where libc is not: before the constructor,
 * inside an allocator, in a signal handler, and on a thread that has no TLS. What x86-64
 * and i386 have in different ways, and which numbers old headers lack, is known here alone.
 */
#ifndef MMFENCE_SUPPORT_SYS_H
#define MMFENCE_SUPPORT_SYS_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>

#ifdef __x86_64__

static inline __attribute__((always_inline)) long sys_call(long nr, long a, long b, long c, long d,
							   long e, long f)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#else

/* Calls with { number, six arguments } in memory. Out of line, in sys.c: it moves the stack pointer
 * and uses every register, which unwind tables can only tell of a function of its own. */
long sys_enter(const long *call) __attribute__((regparm(1), visibility("hidden")));

static inline __attribute__((always_inline)) long sys_call(long nr, long a, long b, long c, long d,
							   long e, long f)
{
	const long call[7] = { nr, a, b, c, d, e, f };

	return sys_enter(call);
}

#endif

#ifdef MMFENCE_TEST_FAULTS
#include "support/fault.h"

/* Inline: a call that copies the process, or shares its stack, returns here twice. */
static inline __attribute__((always_inline)) long sys_call_tested(long nr, long a, long b, long c,
								  long d, long e, long f)
{
	const long arguments[6] = { a, b, c, d, e, f };
	long result;

	if (fault_before(nr, arguments, &result))
		return result;
	result = sys_call(nr, a, b, c, d, e, f);
	fault_after(nr, arguments, result);
	return result;
}
#define sys_call sys_call_tested
#endif

static inline int sys_failed(long result)
{
	return (unsigned long)result >= (unsigned long)-4095L;
}

/* O_LARGEFILE as the kernel has it: on x86-64 libc defines it as 0. */
#define KERNEL_O_LARGEFILE 0100000

/* For large variables, and such as are only read once the process has begun: the others lie
 * together in one page, which is all that fork has to copy. */
#define LARGE __attribute__((section(".bss.large")))

#define PAGE_BYTES 4096UL
/* In the type of what is rounded: positions in files have 64 bits everywhere. */
#define PAGE_DOWN(x) ((x) & ~(__typeof__((x) + PAGE_BYTES))(PAGE_BYTES - 1))
#define PAGE_UP(x)   PAGE_DOWN((x) + PAGE_BYTES - 1)
_Static_assert(PAGE_UP(UINT64_C(1) << 40 | 1) == (UINT64_C(1) << 40 | 4096), "cut to 32 bits");

/* ---- numbers ---- */

/* What Debian 12's headers do not have. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#ifdef __i386__
/* System V's calls by ipc(2), as all kernels have them: linux/ipc.h. */
#define IPC_CALL_SHMAT	21
#define IPC_CALL_SHMDT	22
#define IPC_CALL_SHMCTL 24
#define IPC_64		0x100
#endif

/* ---- calls ---- */

#define CALL_IS(result, name, parameters, ...)        \
	static inline result sys_##name parameters    \
	{                                             \
		return (result)sys_call(__VA_ARGS__); \
	}
#define CALL_0(nr, result, name)    CALL_IS(result, name, (void), nr, 0, 0, 0, 0, 0, 0)
#define CALL_1(nr, result, name, A) CALL_IS(result, name, (A a), nr, (long)(a), 0, 0, 0, 0, 0)
#define CALL_2(nr, result, name, A, B) \
	CALL_IS(result, name, (A a, B b), nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define CALL_3(nr, result, name, A, B, C) \
	CALL_IS(result, name, (A a, B b, C c), nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL_4(nr, result, name, A, B, C, D)                                             \
	CALL_IS(result, name, (A a, B b, C c, D d), nr, (long)(a), (long)(b), (long)(c), \
		(long)(d), 0, 0)
#define CALL_5(nr, result, name, A, B, C, D, E)                                               \
	CALL_IS(result, name, (A a, B b, C c, D d, E e), nr, (long)(a), (long)(b), (long)(c), \
		(long)(d), (long)(e), 0)
#define CALL_6(nr, result, name, A, B, C, D, E, F)                                                 \
	CALL_IS(result, name, (A a, B b, C c, D d, E e, F f), nr, (long)(a), (long)(b), (long)(c), \
		(long)(d), (long)(e), (long)(f))
#define CALL_COUNT(_, a, b, c, d, e, f, n, ...) n
#define CALL_PASTE(n, ...)			CALL_##n(__VA_ARGS__)
#define CALL_N(n, ...)				CALL_PASTE(n, __VA_ARGS__)
#define CALL_AS(nr, result, name, ...) \
	CALL_N(CALL_COUNT(0, ##__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0), nr, result, name, ##__VA_ARGS__)

/* CALL(result, name, parameters): sys_name(). CALL_32: on i386 the call of that name has identities
 * of 16 bits. */
#define CALL(result, name, ...) CALL_AS(SYS_##name, result, name, ##__VA_ARGS__)
#ifdef __x86_64__
#define CALL_32(result, name, ...) CALL_AS(SYS_##name, result, name, ##__VA_ARGS__)
#else
#define CALL_32(result, name, ...) CALL_AS(SYS_##name##32, result, name, ##__VA_ARGS__)
#endif

/* cachestat(2), of linux/mman.h since 6.5. */
struct cache_range {
	uint64_t start, length; /* 0: to the end */
};
struct cache_pages {
	uint64_t cached, dirty, being_written, evicted, recently_evicted;
};
/* As getdents64 has them. */
struct directory_entry {
	uint64_t inode;
	int64_t next;
	uint16_t length;
	uint8_t type;
	char name[];
};
typedef struct __user_cap_header_struct cap_header;
typedef struct __user_cap_data_struct cap_data;
struct iovec;
struct msghdr;
struct open_how;
struct shmid_ds;
struct statfs64;
struct statx;
struct sysinfo;
struct utsname;

/* Memory. */
CALL(int, munmap, uintptr_t, size_t)
CALL(long, mremap, uintptr_t, size_t, size_t, int, uintptr_t)
CALL(int, mprotect, uintptr_t, size_t, int)
CALL(int, pkey_mprotect, uintptr_t, size_t, int, int)
CALL(int, madvise, uintptr_t, size_t, int)
CALL(int, mlock, uintptr_t, size_t)
CALL(int, mlock2, uintptr_t, size_t, unsigned int)
CALL(int, munlock, uintptr_t, size_t)
CALL(int, mlockall, int)
CALL(int, munlockall)
CALL(int, mincore, uintptr_t, size_t, unsigned char *)
CALL(int, remap_file_pages, uintptr_t, size_t, int, size_t, int)
CALL(int, memfd_create, const char *, unsigned int)
CALL(int, userfaultfd, int)

/* Descriptors. */
CALL(int, close, int)
CALL(int, close_range, unsigned int, unsigned int, unsigned int)
CALL(int, dup2, int, int)
CALL(int, dup3, int, int, int)
CALL(int, fcntl, int, int, long)
CALL_AS(SYS_fcntl, int, fcntl_owner, int, int, struct f_owner_ex *)
CALL(int, ioctl, int, unsigned long, void *)
CALL_AS(SYS_ioctl, int, ioctl_int, int, unsigned long, int)
CALL(long, read, int, void *, size_t)
CALL(long, write, int, const void *, size_t)
CALL(long, writev, int, const struct iovec *, int)
CALL(long, pwritev2, int, const struct iovec *, int, long, long, int)
CALL(long, getdents64, int, void *, size_t)
CALL(long, fgetxattr, int, const char *, void *, size_t)
CALL(int, pidfd_open, pid_t, unsigned int)
CALL(int, pidfd_getfd, int, int, unsigned int)
CALL(int, fanotify_init, unsigned int, unsigned int)
CALL(int, cachestat, unsigned int, const struct cache_range *, struct cache_pages *, unsigned int)

/* Names. */
CALL(int, openat, int, const char *, int, mode_t)
CALL(int, openat2, int, const char *, const struct open_how *, size_t)
CALL(int, unlink, const char *)
CALL(int, readlinkat, int, const char *, char *, size_t)
CALL(int, faccessat, int, const char *, int)
CALL(int, faccessat2, int, const char *, int, int)
CALL(int, name_to_handle_at, int, const char *, void *, int *, int)
CALL(int, getcwd, char *, size_t)
CALL(int, chroot, const char *)
CALL(int, umount2, const char *, int)
CALL(int, execve, const char *, char *const *, char *const *)
CALL(int, execveat, int, const char *, char *const *, char *const *, int)

/* Processes and threads. */
CALL(pid_t, getpid)
CALL(pid_t, getppid)
CALL(int, getpriority, int, int)
CALL(pid_t, gettid)
CALL(int, tgkill, pid_t, pid_t, int)
CALL(int, kcmp, pid_t, pid_t, int, unsigned long, unsigned long)
CALL(int, prctl, int, unsigned long, unsigned long, unsigned long, unsigned long)
CALL(int, unshare, int)
CALL(int, setns, int, int)
CALL(int, sched_getscheduler, pid_t)
CALL(int, sched_setscheduler, pid_t, int, const int *)
CALL(int, sched_yield)
CALL(int, setpriority, int, int, int)
CALL(int, uname, struct utsname *)
CALL(int, sysinfo, struct sysinfo *)
CALL(int, futex, atomic_int *, int, int, const struct timespec *)
CALL(long, process_vm_readv, pid_t, const struct iovec *, unsigned long, const struct iovec *,
     unsigned long, unsigned long)

/* Identities. */
CALL(int, capget, cap_header *, cap_data *)
CALL(int, capset, cap_header *, const cap_data *)
CALL_32(uid_t, getuid)
CALL_32(gid_t, getgid)
CALL_32(uid_t, geteuid)
CALL_32(int, getresuid, uid_t *, uid_t *, uid_t *)
CALL_32(int, getresgid, gid_t *, gid_t *, gid_t *)
CALL_32(int, setresuid, uid_t, uid_t, uid_t)
CALL_32(int, setresgid, gid_t, gid_t, gid_t)
CALL_32(uid_t, setfsuid, uid_t)
CALL_32(gid_t, setfsgid, gid_t)
CALL_32(int, getgroups, int, gid_t *)
CALL_32(int, setgroups, int, const gid_t *)

/* Signals, in sets of the kernel's, and time. */
#define SIGSET_BYTES 8
#define SIGSET_WORDS (SIGSET_BYTES / sizeof(long))
/* As the kernel has it, on both. */
struct signal_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask[SIGSET_WORDS];
};
CALL(int, rt_sigaction, int, const struct signal_action *, struct signal_action *, size_t)
CALL(int, rt_tgsigqueueinfo, pid_t, pid_t, int, const siginfo_t *)
CALL(int, rt_sigprocmask, int, const unsigned long *, unsigned long *, size_t)
CALL(int, rt_sigpending, unsigned long *, size_t)
CALL(int, rt_sigtimedwait, const unsigned long *, siginfo_t *, const struct timespec *, size_t)
CALL(int, nanosleep, const struct timespec *, struct timespec *)

/* Sockets. */
CALL(int, socket, int, int, int)
CALL(int, socketpair, int, int, int, int *)
CALL(int, connect, int, const void *, unsigned int)
CALL(int, setsockopt, int, int, int, const void *, unsigned int)
CALL(long, sendmsg, int, const struct msghdr *, int)
CALL(long, recvmsg, int, struct msghdr *, int)

/* What takes more than a number of its own on one of the two. Positions have 64 bits. */
#ifdef __x86_64__

CALL(long, mmap, uintptr_t, size_t, int, int, int, int64_t)
CALL(int64_t, lseek, int, int64_t, int)
CALL(int, ftruncate, int, int64_t)
CALL(int, fstatfs, int, struct statfs64 *)
CALL(int, statfs, const char *, struct statfs64 *)
CALL(int, shmctl, int, int, struct shmid_ds *)
CALL(long, sendfile, int, int, int64_t *, size_t)
CALL_AS(SYS_pread64, long, pread, int, void *, size_t, int64_t)
CALL_AS(SYS_pwrite64, long, pwrite, int, const void *, size_t, int64_t)

#else

/* mmap2 counts pages, in 32 bits; what lies beyond libc refuses in the same way. */
static inline long sys_mmap(uintptr_t at, size_t size, int protection, int flags, int fd,
			    int64_t offset)
{
	if (offset & (PAGE_BYTES - 1) || (uint64_t)offset >> 44)
		return -EINVAL;
	return sys_call(SYS_mmap2, (long)at, (long)size, protection, flags, fd,
			(long)((uint64_t)offset >> 12));
}

/* A negative position that was accepted is not written back. */
static inline int64_t sys_lseek(int fd, int64_t offset, int whence)
{
	int64_t result = offset;
	long r = sys_call(SYS__llseek, fd, (long)(offset >> 32), (long)offset, (long)&result,
			  whence, 0);

	return r ? r : result;
}

static inline int sys_ftruncate(int fd, int64_t size)
{
	return (int)sys_call(SYS_ftruncate64, fd, (long)size, (long)(size >> 32), 0, 0, 0);
}

static inline int sys_fstatfs(int fd, struct statfs64 *out)
{
	return (int)sys_call(SYS_fstatfs64, fd, 84, (long)out, 0, 0, 0);
}

static inline int sys_statfs(const char *path, struct statfs64 *out)
{
	return (int)sys_call(SYS_statfs64, (long)path, 84, (long)out, 0, 0, 0);
}

static inline int sys_shmctl(int id, int command, struct shmid_ds *out)
{
	return (int)sys_call(SYS_ipc, IPC_CALL_SHMCTL, id, command | IPC_64, 0, (long)out, 0);
}

static inline long sys_pread(int fd, void *to, size_t size, int64_t at)
{
	return sys_call(SYS_pread64, fd, (long)to, (long)size, (long)at, (long)(at >> 32), 0);
}

static inline long sys_pwrite(int fd, const void *from, size_t size, int64_t at)
{
	return sys_call(SYS_pwrite64, fd, (long)from, (long)size, (long)at, (long)(at >> 32), 0);
}

CALL_AS(SYS_sendfile64, long, sendfile, int, int, int64_t *, size_t)

#endif

/* The end of this thread; of the process. */
_Noreturn static inline void sys_exit(int status)
{
	for (;;)
		sys_call(SYS_exit, status, 0, 0, 0, 0, 0);
}

_Noreturn static inline void sys_exit_group(int status)
{
	for (;;)
		sys_call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/* ---- more than a call ---- */

/* What an open gave, which may be an -errno. */
static inline void sys_close_if_open(int fd)
{
	if (fd >= 0)
		sys_close(fd);
}

/* Whether the kernel has no such call. EPERM: filters of sandboxes and containers that do not know
 * it, or forbid it. Not to be asked of a call to which the kernel itself says EPERM. */
static inline bool sys_is_missing(long result)
{
	return result == -ENOSYS || result == -EPERM;
}

/* statx, and where a kernel (before 4.11) or a filter has none, what fstatat tells. */
int sys_statx(int directory, const char *path, int flags, unsigned int mask, struct statx *out);

#ifndef STATX_SUBVOL
#define STATX_SUBVOL 0x8000U
#endif
/* statx of the open file fd: the basics and the subvolume. */
int sys_fstat(int fd, struct statx *out);

/* Opens for the library itself: close-on-exec, large files too. */
int sys_open(const char *path, int flags, mode_t mode);
int sys_open_in(int directory, const char *path, int flags);

/* The link that /proc/self/fd has for it. */
#define FD_LINK_BYTES 32
void sys_fd_link(int fd, char out[FD_LINK_BYTES]);
/* Where fd leads, as /proc/self/fd has it: the length, the text ended with a NUL; or -errno. */
int sys_fd_path(int fd, char *out, size_t size);
/* Where the kernel says behind a name that the file was deleted or replaced; NULL: it does not. */
char *sys_deleted_mark(char *path);

/* The whole (or first size - 1 bytes) of a small file such as those of /proc, which is closed then:
 * the bytes read, the text ended with a NUL; or -errno, which fd may be. */
long sys_read_text(int fd, char *out, size_t size);
/* The same by its name. */
long sys_read_file(const char *path, char *out, size_t size);

/* Nanoseconds; and of the monotonic one microseconds. */
int64_t sys_clock(int clock);
#define sys_microseconds() ((uint64_t)sys_clock(1 /* CLOCK_MONOTONIC */) / 1000)

/* The process's own limit, in force; UINT64_MAX when there is none, or none is known. */
uint64_t sys_limit(int resource);

/* Lets others run who are to be waited for: for a moment, after some turns for 0.2 ms. */
void sys_wait_turn(int turn);

/* ---- the process ---- */

/* The value of AT_SECURE and the like; 0 when there is none. */
unsigned long auxiliary(unsigned long type);

/* ---- error.c ---- */

/* "ENOENT"; "0" for 0; NULL for a number that Linux has not. */
const char *error_name(int error);

#endif
