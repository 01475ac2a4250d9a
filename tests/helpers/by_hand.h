/* SPDX-License-Identifier: MIT */
/*
 * A system call that no library sees.
 */
#ifndef MMFENCE_TESTS_BY_HAND_H
#define MMFENCE_TESTS_BY_HAND_H

#include <stddef.h>
#include <sys/syscall.h>

/* The kernel's answer: -errno on failure. */
static inline long by_hand(long number, long a, long b, long c, long d, long e)
{
	long result;

#ifdef __x86_64__
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
#endif
	return result;
}

/* A new mapping, which has six arguments: in 32 bits by the old call, to which they are in memory.
 */
static inline long map_by_hand(size_t length, int prot, int flags, int fd)
{
#ifdef __x86_64__
	register long r10 __asm__("r10") = flags;
	register long r8 __asm__("r8") = fd;
	register long r9 __asm__("r9") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_mmap), "D"(0), "S"(length), "d"(prot), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#else
	long arguments[6] = { 0, (long)length, prot, flags, fd, 0 };

	return by_hand(SYS_mmap, (long)arguments, 0, 0, 0, 0);
#endif
}

#endif
