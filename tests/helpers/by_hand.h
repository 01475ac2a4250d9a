/* SPDX-License-Identifier: MIT */
/*
 * A system call that no library sees.
 */
#ifndef MMFENCE_TESTS_BY_HAND_H
#define MMFENCE_TESTS_BY_HAND_H

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

#endif
