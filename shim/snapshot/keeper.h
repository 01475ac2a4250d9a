/* SPDX-License-Identifier: MIT */
/*
 * The keeper: one bare thread (kernel/thread.h) per process that holds the leases in
 * a descriptor table of its own and serves their breaks. It waits with
 * rt_sigtimedwait for two signals that libc keeps for itself, 32 (a request) and 33
 * (a lease breaks): no program can wait for these, and none of them is ever sent to a
 * process as a whole.
 */
#ifndef MMFENCE_SNAPSHOT_KEEPER_H
#define MMFENCE_SNAPSHOT_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#define KEEPER_REQUEST_SIGNAL 32
#define KEEPER_LEASE_SIGNAL   33

/* Runs on the keeper: raw calls only, no TLS. */
typedef void keeper_task(void *argument);

/* Runs task on the keeper and waits for it; starts the keeper if need be. 0, or -errno when there
 * is none to be had, and task was not run. Never with the snapshot lock held. */
int keeper_call(keeper_task *task, void *argument);

/* The same, but only if there is a keeper: -ESRCH if not. */
int keeper_call_running(keeper_task *task, void *argument);

/* The same while keeper_hold is in force. */
int keeper_call_held(keeper_task *task, void *argument);

/* Has the keeper look for leases that nobody needs any more; does not wait. */
void keeper_poke(void);

/* Has it look again at what it serves; from any thread of this process. */
void keeper_wake(void);

bool keeper_running(void);
pid_t keeper_thread(void);

/* On the keeper: whether this number leaves enough free ones, under RLIMIT_NOFILE, to serve a
 * break. */
bool keeper_can_spare(int fd);
/* The same for its first free number, under another limit. */
bool keeper_could_serve(uint64_t limit);

/* Whether the calling thread and the keeper are all threads of the process. */
bool keeper_is_company(void);

/* On the keeper: its descriptors of /proc/self, and of maps, pagemap and mem there. Opened when it
 * starts: later the program may have dropped the right to open them, or have another root
 * directory. The last two may be -errno. */
int keeper_proc(void);
int keeper_maps(void);
int keeper_pagemap(void);
int keeper_memory(void);

/* Has it keep what fd is open on, which is the log, in its own table; starts it if need be. False
 * if it cannot. */
bool keeper_hold_log(int fd);
/* The same of the log in the program's table, if there is a keeper: later it may not be allowed to
 * open it. */
void keeper_share_log(void);

/* Ends it and waits until it is gone. Its leases are given back first, by last, which runs on it.
 */
void keeper_stop(keeper_task *last);

/* No request is under way while held: around fork. */
void keeper_hold(void);
void keeper_release(void);
/* In a child: there is none yet. */
void keeper_forget(void);

#endif
