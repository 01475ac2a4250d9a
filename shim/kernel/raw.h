/* SPDX-License-Identifier: MIT */
/*
 * System calls made directly: the kernel's own answer, -errno on failure, errno
 * itself untouched. Usable where libc is not: before the constructor, inside an
 * allocator, in a signal handler, and on a thread that has no TLS.
 */
#ifndef MMFENCE_KERNEL_RAW_H
#define MMFENCE_KERNEL_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <linux/stat.h>

struct statx;

#ifdef __x86_64__

static inline __attribute__((always_inline)) long raw6(long nr, long a, long b, long c, long d,
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

/* Calls with { number, six arguments } in memory. Out of line, in raw.c: it moves the stack pointer
 * and uses every register, which unwind tables can only tell of a function of its own. */
long raw_enter(const long *call) __attribute__((regparm(1), visibility("hidden")));

static inline __attribute__((always_inline)) long raw6(long nr, long a, long b, long c, long d,
						       long e, long f)
{
	const long call[7] = { nr, a, b, c, d, e, f };

	return raw_enter(call);
}

#endif

#ifdef MMFENCE_TEST_FAULTS
#include "support/fault.h"

/* Inline: a call that copies the process, or shares its stack, returns here twice. */
static inline __attribute__((always_inline)) long raw6_tested(long nr, long a, long b, long c,
							      long d, long e, long f)
{
	const long arguments[6] = { a, b, c, d, e, f };
	long result;

	if (fault_before(nr, arguments, &result))
		return result;
	result = raw6(nr, a, b, c, d, e, f);
	fault_after(nr, arguments);
	return result;
}
#define raw6 raw6_tested
#endif

#define RAW_ARG_(x)					 ((long)(x))
#define RAW_PICK_(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define RAW0_(nr)					 raw6(nr, 0, 0, 0, 0, 0, 0)
#define RAW1_(nr, a)					 raw6(nr, RAW_ARG_(a), 0, 0, 0, 0, 0)
#define RAW2_(nr, a, b)					 raw6(nr, RAW_ARG_(a), RAW_ARG_(b), 0, 0, 0, 0)
#define RAW3_(nr, a, b, c)				 raw6(nr, RAW_ARG_(a), RAW_ARG_(b), RAW_ARG_(c), 0, 0, 0)
#define RAW4_(nr, a, b, c, d)				 raw6(nr, RAW_ARG_(a), RAW_ARG_(b), RAW_ARG_(c), RAW_ARG_(d), 0, 0)
#define RAW5_(nr, a, b, c, d, e) \
	raw6(nr, RAW_ARG_(a), RAW_ARG_(b), RAW_ARG_(c), RAW_ARG_(d), RAW_ARG_(e), 0)
#define RAW6_(nr, a, b, c, d, e, f) \
	raw6(nr, RAW_ARG_(a), RAW_ARG_(b), RAW_ARG_(c), RAW_ARG_(d), RAW_ARG_(e), RAW_ARG_(f))

/* raw(SYS_close, fd): any system call with up to six arguments of register size. */
#define raw(...) \
	RAW_PICK_(__VA_ARGS__, RAW6_, RAW5_, RAW4_, RAW3_, RAW2_, RAW1_, RAW0_)(__VA_ARGS__)

static inline int raw_failed(long result)
{
	return (unsigned long)result >= (unsigned long)-4095L;
}

#define PAGE_BYTES   4096UL
#define PAGE_UP(x)   (((x) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1))
#define PAGE_DOWN(x) ((x) & ~(PAGE_BYTES - 1))

/* mmap with a 64-bit byte offset on both architectures; an offset that is not a
 * multiple of the page size is EINVAL, as the kernel has it. */
long raw_mmap(uintptr_t addr, size_t length, int prot, int flags, int fd, int64_t offset);

/* lseek with a 64-bit offset: the new position, or -errno. A file that accepts
 * negative positions returns one that is below -4095. */
int64_t raw_lseek(int fd, int64_t offset, int whence);

/* statx, and where a kernel (before 4.11) or a filter has none, what fstatat tells. */
int raw_statx(int directory, const char *path, int flags, unsigned int mask, struct statx *out);

#ifndef STATX_SUBVOL
#define STATX_SUBVOL 0x8000U
#endif
/* statx of the open file fd: the basics and the subvolume. */
int raw_fstat(int fd, struct statx *out);

/* sendfile from a 64-bit position, which moves on. */
int64_t raw_sendfile(int to, int from, int64_t *at, size_t most);

int64_t raw_pread(int fd, void *buffer, size_t size, int64_t offset);
int raw_ftruncate(int fd, int64_t size);

/* Opens for reading, close-on-exec. */
int raw_open(const char *path, int flags, int mode);
int raw_open_in(int directory, const char *path, int flags);
int raw_close(int fd);

/* Whether a pointer of the program's leads to memory that can be read, for as long as nobody
 * changes that. */
bool raw_readable(const void *at, size_t size);

/* The same for a string. *page is the last page that was found readable: 1 at first, and kept from
 * string to string. */
bool raw_readable_string(const char *at, uintptr_t *page);

/* Copies what a pointer of the program's leads to, which may be nowhere: 0 or -EFAULT. */
int raw_copy_in(void *to, const void *from, size_t size);

/* Where fd leads, as /proc/self/fd has it: the length, the text ended with a NUL; or -errno. */
int raw_fd_path(int fd, char *out, size_t size);

/* The whole (or first size - 1 bytes) of a small file such as those of /proc:
 * the bytes read, the text ended with a NUL; or -errno. */
long raw_read_file(const char *path, char *out, size_t size);

#endif
