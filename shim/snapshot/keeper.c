/* SPDX-License-Identifier: MIT */
/*
 * The keeper's life and its mailbox, which holds one request at a time. What it does
 * is told by others: see keeper.h, and guard.c for the leases.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "audit/sink.h"
#include "kernel/capability.h"
#include "kernel/guarded.h"
#include "kernel/home.h"
#include "kernel/proc_text.h"
#include "support/sys.h"
#include "kernel/thread.h"
#include "snapshot/guard.h"
#include "snapshot/keeper.h"
#include "support/lock.h"

enum state { ABSENT, STARTING, RUNNING, ENDING };

static struct {
	struct lock mailbox; /* whoever holds it may put a request */
	atomic_int state;
	int start_error;
	struct thread thread;
	int proc, maps, pagemap, memory, stat;
	keeper_task *task;
	void *argument;
	atomic_int answered;
	atomic_int poked;
	bool end;
} keeper;

/* A signal that was lost because the queue was full is made good for by asking each lease now and
 * then: the kernel gives a writer's opponent tens of seconds. */
#define ASK_SECONDS 1

static void wait_set(unsigned long set[8 / sizeof(long)])
{
	for (unsigned int i = 0; i < 8 / sizeof(long); i++)
		set[i] = 0;
	for (int number = KEEPER_REQUEST_SIGNAL; number <= KEEPER_LEASE_SIGNAL; number++)
		set[(unsigned int)(number - 1) / (8 * sizeof(long))] |=
			1UL << (unsigned int)(number - 1) % (8 * sizeof(long));
}

static void serve_request(void)
{
	keeper_task *task = keeper.task;

	lease_serve_done();
	if (atomic_exchange(&keeper.poked, 0))
		guard_drop_unused();
	if (!task)
		return;
	task(keeper.argument);
	keeper.task = NULL;
	atomic_store(&keeper.answered, 1);
	futex_wake(&keeper.answered, 1);
}

/* In "pid (name) state ppid …" the name may hold anything; at is its end, the state is field 3. */
static long stat_field(const char *at, int wanted)
{
	long value = 0;

	at++;
	for (int field = 3; field < wanted && at; field++)
		at = strchr(at + 1, ' ');
	for (at = at ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (*at - '0');
	return value;
}

#define STAT_THREADS 20
#define STAT_STATUS  52

/* Ends as the program's last thread did: the status of a process is that of the thread which goes
 * last, and that would be us. */
static void end_like(long status)
{
	unsigned long none[SIGSET_WORDS] = { 0 }, action[8] = { 0 };
	int number = (int)(status & 0x7f);

	if (number) {
		sys_rt_sigaction(number, action, NULL, SIGSET_BYTES);
		sys_tgkill(sys_getpid(), sys_gettid(), number);
		sys_rt_sigprocmask(SIG_SETMASK, none, NULL, SIGSET_BYTES);
	}
	sys_exit(status >> 8 & 0xff);
}

/* When all other threads are gone, none of them by exit_group, the process has ended but for us.
 * The kernel keeps the first thread as a zombie. */
static void end_if_alone(void)
{
	char text[1024];
	int64_t got = sys_pread(keeper.stat, text, sizeof(text) - 1, 0);

	if (got <= 0)
		return;
	text[got] = 0;
	const char *at = strrchr(text, ')');
	if (at && at[2] == 'Z' && stat_field(at, STAT_THREADS) == 2)
		end_like(stat_field(at, STAT_STATUS));
}

static void serve(void)
{
	unsigned long set[SIGSET_WORDS];
	siginfo_t info;

	wait_set(set);
	while (!keeper.end) {
		struct timespec ask = { ASK_SECONDS, 0 };
		long number = sys_rt_sigtimedwait(set, &info, &ask, SIGSET_BYTES);
		if (number == KEEPER_LEASE_SIGNAL) {
			guard_broken(info.si_fd);
			continue;
		}
		serve_request(); /* with a full queue the signal itself may have been refused */
		if (number == KEEPER_REQUEST_SIGNAL)
			continue;
		guard_ask_all();
		end_if_alone();
	}
}

/* The program's: later it may not be allowed to open it. */
static void log_copy(int fd)
{
	int copy = thread_fetch(0, fd);

	if (copy >= 0 && !guarded_keep(GUARDED_LOG, &copy))
		sys_close(copy);
}

static void log_inherit(int fd)
{
	if (sys_fcntl(fd, F_GETFD, 0) < 0)
		log_copy(fd);
	else /* left to this thread's table */
		guarded_keep(GUARDED_LOG, &fd);
}

static void hold_log(void *fd)
{
	if (guarded_get(GUARDED_LOG) < 0)
		log_copy(*(int *)fd);
	if (guarded_get(GUARDED_LOG) < 0) /* a kernel that hands out no descriptors */
		sink_open();
}

void keeper_share_log(void)
{
	int fd = guarded_number(GUARDED_LOG);
	pid_t thread;

	if (fd >= 0 && home_is_here() && guarded_in_other_table(GUARDED_LOG, &thread) < 0)
		keeper_call_running(hold_log, &fd);
}

bool keeper_hold_log(int fd)
{
	pid_t thread;

	return !keeper_call(hold_log, &fd) && guarded_in_other_table(GUARDED_LOG, &thread) >= 0;
}

static int prepare(void)
{
	int log = guarded_get(GUARDED_LOG);
	int r = thread_own_table_with(log);

	if (r)
		return r;
	guarded_other_table((uintptr_t)keeper.thread.stack,
			    (uintptr_t)keeper.thread.stack + THREAD_STACK_BYTES);
	if (log >= 0)
		log_inherit(log);
	/* The first number, 0, is taken by it, so that no lease has the number that means nothing.
	 */
	keeper.proc = sys_open("/proc/self", O_PATH | O_DIRECTORY, 0);
	if (keeper.proc < 0)
		return keeper.proc;
	keeper.maps = proc_open_own(keeper.proc, "maps", O_RDONLY);
	if (keeper.maps < 0)
		return keeper.maps;
	keeper.pagemap = proc_open_own(keeper.proc, "pagemap", O_RDONLY);
	keeper.memory = proc_open_own(keeper.proc, "mem", O_RDWR);
	keeper.stat = sys_open_in(keeper.proc, "stat", O_RDONLY);
	capability_keep_for_leases();
	return 0;
}

static void body(void *unused)
{
	(void)unused;
	int r = prepare();

	keeper.start_error = r;
	atomic_store(&keeper.state, r ? ENDING : RUNNING);
	futex_wake(&keeper.state, 1);
	if (!r)
		serve();
}

static int start(void)
{
	if (atomic_load(&keeper.state) == RUNNING)
		return 0;
	atomic_store(&keeper.state, STARTING);
	keeper.end = false;
	keeper.task = NULL;
	int r = thread_start(&keeper.thread, body, NULL);
	if (r) {
		atomic_store(&keeper.state, ABSENT);
		return r;
	}
	while (atomic_load(&keeper.state) == STARTING)
		futex_wait(&keeper.state, STARTING);
	if (atomic_load(&keeper.state) == RUNNING)
		return 0;
	thread_join(&keeper.thread);
	atomic_store(&keeper.state, ABSENT);
	return keeper.start_error;
}

static int wake(void)
{
	return sys_tgkill(home_process(), keeper.thread.number, KEEPER_REQUEST_SIGNAL);
}

/* With a full signal queue (RLIMIT_SIGPENDING) the signal is refused; then the keeper finds the
 * request when it asks its leases. */
static int wake_surely(void)
{
	struct timespec pause = { 0, 10000000 };
	int r;

	while ((r = wake()) == -EAGAIN && !atomic_load(&keeper.answered))
		sys_nanosleep(&pause, NULL);
	return r == -EAGAIN ? 0 : r;
}

/* With the mailbox held. */
static int post(keeper_task *task, void *argument)
{
	keeper.argument = argument;
	atomic_store(&keeper.answered, 0);
	keeper.task = task;
	int r = wake_surely();
	if (r) {
		keeper.task = NULL;
		return r;
	}
	while (!atomic_load(&keeper.answered))
		futex_wait(&keeper.answered, 0);
	return 0;
}

int keeper_call(keeper_task *task, void *argument)
{
	if (!home_is_here())
		return -EXDEV;
	lock_take(&keeper.mailbox);
	int r = start();
	if (!r)
		r = post(task, argument);
	lock_drop(&keeper.mailbox);
	return r;
}

int keeper_call_running(keeper_task *task, void *argument)
{
	lock_take(&keeper.mailbox);
	int r = keeper_call_held(task, argument);
	lock_drop(&keeper.mailbox);
	return r;
}

int keeper_call_held(keeper_task *task, void *argument)
{
	return keeper_running() ? post(task, argument) : -ESRCH;
}

void keeper_poke(void)
{
	if (!keeper_running() || atomic_exchange(&keeper.poked, 1))
		return;
	wake();
}

void keeper_wake(void)
{
	wake();
}

bool keeper_running(void)
{
	return atomic_load(&keeper.state) == RUNNING;
}

pid_t keeper_thread(void)
{
	return keeper.thread.number;
}

int keeper_proc(void)
{
	return keeper.proc;
}

int keeper_maps(void)
{
	return keeper.maps;
}

/* The target, its read-only twin, a directory of /proc, and some. */
#define SPARE_DESCRIPTORS 8

bool keeper_can_spare(int fd)
{
	return (uint64_t)fd + SPARE_DESCRIPTORS < sys_limit(RLIMIT_NOFILE);
}

bool keeper_could_serve(uint64_t limit)
{
	int free = sys_fcntl(keeper.proc, F_DUPFD_CLOEXEC, 0);

	if (free >= 0)
		sys_close(free);
	return free >= 0 && (uint64_t)free + SPARE_DESCRIPTORS < limit;
}

bool keeper_is_company(void)
{
	char text[1024];
	const char *at;

	if (!keeper_running() || sys_read_file("/proc/self/stat", text, sizeof(text)) <= 0)
		return false;
	at = strrchr(text, ')');
	return at && stat_field(at, STAT_THREADS) == 2;
}

int keeper_pagemap(void)
{
	return keeper.pagemap;
}

int keeper_memory(void)
{
	return keeper.memory;
}

static void finish(void *last)
{
	keeper_task *task = *(keeper_task **)last;

	if (task)
		task(NULL);
	keeper.end = true;
}

void keeper_stop(keeper_task *last)
{
	lock_take(&keeper.mailbox);
	if (keeper_running() && !post(finish, &last)) {
		thread_join(&keeper.thread);
		atomic_store(&keeper.state, ABSENT);
	}
	lock_drop(&keeper.mailbox);
}

void keeper_hold(void)
{
	lock_take(&keeper.mailbox);
}

void keeper_release(void)
{
	lock_drop(&keeper.mailbox);
}

void keeper_forget(void)
{
	lock_reset(&keeper.mailbox);
	guarded_other_table(0, 0);
	thread_forget(&keeper.thread);
	keeper.task = NULL;
	atomic_store(&keeper.poked, 0);
	atomic_store(&keeper.state, ABSENT);
}
