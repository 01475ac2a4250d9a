/* SPDX-License-Identifier: MIT */
/*
 * Read leases (fcntl(2), F_SETLEASE): while one is held, whoever would write to the file or
 * cut it waits, and the owner is told by a signal. The kernel takes a lease away that is not
 * released in time. On bare threads too: raw calls only.
 */
#ifndef MMFENCE_KERNEL_LEASE_H
#define MMFENCE_KERNEL_LEASE_H

#include <stdbool.h>
#include <sys/types.h>

#include "kernel/file.h"

/* Tells of a break, with the descriptor in si_fd. libc keeps it for itself: no program waits for
 * it, and it is never sent to a process as a whole. */
#define LEASE_SIGNAL 33

/* Which thread a break is told to. */
void lease_set_owner(int fd, pid_t thread);

/* Whether a lease on such a file would prove anything. */
bool lease_is_trusted(const struct file *file);
/* For that thread: 0 or -errno. */
int lease_take(int fd, pid_t thread);
/* False once it is breaking, too. The question itself takes away what is overdue. */
bool lease_is_held(int fd);
/* 0; -EAGAIN when the kernel had taken it away; or another -errno. */
int lease_release(int fd);
/* Takes one and gives it back: 0 or -errno. */
int lease_try(int fd);

/* Who holds a lease on this inode, or is about to release it: another process in which mmfence is
 * (the lease is mmfence's then, or as good as), or one in which it is not. */
enum lease_owner { LEASE_NOBODYS, LEASE_FENCED, LEASE_FOREIGN };
enum lease_owner lease_owner_of(uint64_t inode);

/* Why there is none, for events and doctor: of lease_take's -errno, or 0 where it is not trusted.
 */
const char *lease_refusal(int error);

#endif
