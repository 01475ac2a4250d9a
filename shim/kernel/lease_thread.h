/* SPDX-License-Identifier: MIT */
/*
 * The lease thread: one bare thread (kernel/thread.h) per process that holds the leases in
 * a descriptor table of its own and serves their breaks. It waits with
 * rt_sigtimedwait for two signals that libc keeps for itself, 32 (a request) and 33
 * (a lease breaks): no program can wait for these, and none of them is ever sent to a
 * process as a whole.
 */
#ifndef MMFENCE_KERNEL_LEASE_THREAD_H
#define MMFENCE_KERNEL_LEASE_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/file.h"

#define REQUEST_SIGNAL 32 /* and kernel/lease.h's, one above */

/* Runs on the lease thread: raw calls only, no TLS. */
typedef void lease_thread_task(void *argument);

/* What it does for the holder of the leases (snapshot/guard.c). */
struct lease_thread_duties {
	void (*begins)(void);		/* it has all rights of the program still */
	void (*broken)(int fd);		/* a lease breaks, of the descriptor that had this number */
	void (*ask_all)(void);		/* now and then, as a signal may have been lost */
	lease_thread_task *drop_unused; /* after lease_thread_poke */
	void (*woken)(void);		/* before each request, and after lease_thread_wake */
};
extern const struct lease_thread_duties lease_thread_duties;

/* Runs task on it and waits for that; starts it if need be. 0, or -errno when there
 * is none to be had, and task was not run. Never with the snapshot lock held. */
int lease_thread_call(lease_thread_task *task, void *argument);

/* The same, but only if there is a lease thread: -ESRCH if not. */
int lease_thread_call_running(lease_thread_task *task, void *argument);

/* The same while lease_thread_hold is in force. */
int lease_thread_call_held(lease_thread_task *task, void *argument);

/* Has the lease thread look for leases that nobody needs any more; does not wait. */
void lease_thread_poke(void);

/* Has it look again at what it serves; from any thread of this process. */
void lease_thread_wake(void);

bool lease_thread_running(void);
pid_t lease_thread_number(void);

/* On the lease thread: whether this number leaves enough free ones, under RLIMIT_NOFILE, to serve a
 * break. */
bool lease_thread_can_spare(int fd);
/* The same for its first free number, under another limit. */
bool lease_thread_could_serve(uint64_t limit);

/* Whether the calling thread and the lease thread are all threads of the process. */
bool lease_thread_is_company(void);

/* On the lease thread: its descriptors of /proc/self, and of maps, pagemap and mem there. Opened
 * when it starts, the last two a moment later or when they are wanted: later the program may have
 * dropped the right to open them, or have another root directory. These may be -errno. */
extern struct lease_thread_files {
	int proc, maps;
} lease_thread_files;
int lease_thread_pagemap(void);
int lease_thread_memory(void);

/* On the lease thread: what fd is open on in the program's table, which is the log, is open in its
 * own from now on, if the kernel hands it out. */
void lease_thread_copy_log(int fd);

/* Ends it and waits until it is gone. Its leases are released first, by last, which runs on it.
 */
void lease_thread_stop(lease_thread_task *last);

/* No request is under way while held: around fork. */
void lease_thread_hold(void);
void lease_thread_release(void);
/* In a child: there is none yet. */
void lease_thread_forget(void);

/* ---- lease.c ---- */

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
/* Who holds leases on this file, or is about to release them: other processes in which mmfence is
 * (they are mmfence's then, or as good as); also this one, or one that has ended, as a lease is
 * said to be of who took it, before a fork; or also the program itself, or one in which mmfence is
 * not. */
enum lease_owner { LEASE_NOBODYS, LEASE_FENCED, LEASE_UNSURE, LEASE_FOREIGN };
/* With signals blocked. */
enum lease_owner lease_owner_of(const struct file *file);

/* Why there is none, for events and doctor: of lease_take's -errno, or 0 where it is not trusted.
 */
const char *lease_refusal(int error);

#endif
