/* SPDX-License-Identifier: MIT */
/*
 * Credentials of one thread, by raw calls: libc would change those of all threads
 * that it knows, and of no other.
 */
#ifndef MMFENCE_KERNEL_CAPABILITY_H
#define MMFENCE_KERNEL_CAPABILITY_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CREDENTIAL_GROUPS 1024

struct credentials {
	uint32_t uid[4], gid[4]; /* real, effective, saved, file system */
	int group_count;
	uint32_t groups[CREDENTIAL_GROUPS];
	uint64_t effective, permitted;
};

/* Of the calling thread: 0 or -errno. */
int credentials_get(struct credentials *out);
/* Makes the calling thread's the same; capabilities only as far as leases need them. 0 or -errno.
 */
int credentials_set(const struct credentials *wanted);

/* Whether exec takes capabilities away: what opens now may not open afterwards. */
bool capability_ends_with_exec(void);

/* Gives up all capabilities of the calling thread but those that opening files again, leases, and
 * following a change of identity need; and no exec could bring any back. */
void capability_keep_for_leases(void);

/* ---- seccomp.c ---- */

/* Whether it lets every call through, whatever its arguments, but some that mmfence never makes. In
 * memory that can be read. */
bool seccomp_spares_us(const struct sock_fprog *program);
/* Whether every way of this number through the program ends in its being let through. */
bool seccomp_lets_through(const struct sock_fprog *program, int number);

#endif
