/* SPDX-License-Identifier: MIT */
/*
 * The lease thread's life and its mailbox, which holds one request at a time. What it does
 * is told by others: see lease_thread.h, and guard.c for the leases.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "kernel/capability.h"
#include "kernel/guarded.h"
#include "kernel/symbol.h"
#include "kernel/thread.h"
#include "kernel/lease_thread.h"
#include "kernel/vma.h"
#include "support/sys.h"
#include "support/lock.h"
#include "support/scope.h"
#include "support/text.h"

/* A process that is over in a moment needs none of these, and each takes longer to open than a
 * lease to take. */
#define NOT_YET 0

static struct {
	struct lock mailbox; /* whoever holds it may put a request */
	atomic_bool running;
	int start_error;
	struct thread thread;
	int pagemap, memory, stat; /* of /proc/self: NOT_YET, or -errno */
	_Atomic(lease_thread_task *) task;
	void *argument;
	atomic_int answered;	      /* WAITING: somebody sleeps until then */
	atomic_uint processor, asker; /* that it last answered on, and that it was asked on */
	atomic_bool awake;	      /* it looks for a request without being woken */
	atomic_int poked;
	atomic_bool queue_full;
	bool end;
	bool first_asks; /* the process's first thread starts it, and so is not gone */
} lease_thread;

struct lease_thread_files lease_thread_files;

static int open_once(int *fd, const char *name, int flags)
{
	if (*fd == NOT_YET)
		*fd = proc_open_own(lease_thread_files.proc, name, flags);
	return *fd;
}

int lease_thread_pagemap(void)
{
	return open_once(&lease_thread.pagemap, "pagemap", O_RDONLY);
}

int lease_thread_memory(void)
{
	return open_once(&lease_thread.memory, "mem", O_RDWR);
}

static void open_the_rest(void)
{
	lease_thread_pagemap();
	lease_thread_memory();
	if (lease_thread.stat == NOT_YET)
		lease_thread.stat = sys_open_in(lease_thread_files.proc, "stat", O_RDONLY);
}

/* Where the signal queue is full (RLIMIT_SIGPENDING) a request cannot be told by a real-time
 * signal: from then on another one stands in, which nothing sends on x86. */
#define FULL_QUEUE_SIGNAL SIGSTKFLT

/* How often is looked whether a signal was lost, and whether the program is there yet: a part of
 * what the kernel gives whoever holds a writer up. */
#define MOST_SECONDS 5

static long look_seconds(void)
{
	uint64_t seconds;
	char text[24];

	if (sys_read_file("/proc/sys/fs/lease-break-time", text, sizeof(text)) <= 0)
		return MOST_SECONDS;
	text_read_number(text, 10, &seconds);
	seconds /= 4;
	return seconds > MOST_SECONDS ? MOST_SECONDS : seconds ? (long)seconds : 1;
}

static void wait_set(unsigned long set[SIGSET_WORDS])
{
	memset(set, 0, SIGSET_BYTES);
	signal_add(set, REQUEST_SIGNAL);
	signal_add(set, LEASE_SIGNAL);
	if (atomic_load(&lease_thread.queue_full))
		signal_add(set, FULL_QUEUE_SIGNAL);
}

#define WAITING 2

static int (*vdso_getcpu)(unsigned int *processor, unsigned int *node, void *unused);

/* Not by a system call, which a filter might kill for; where the vdso has none (32 bit), it is
 * always the same. */
static unsigned int processor_now(void)
{
	unsigned int processor = 0;

	if (vdso_getcpu)
		vdso_getcpu(&processor, NULL, NULL);
	return processor;
}

static void answer(void)
{
	atomic_store(&lease_thread.task, NULL);
	atomic_store(&lease_thread.processor, processor_now());
	if (atomic_exchange(&lease_thread.answered, 1) == WAITING)
		futex_wake(&lease_thread.answered, 1);
}

static void serve_request(void)
{
	lease_thread_task *task = atomic_load(&lease_thread.task);

	lease_thread_duties.woken();
	if (!task)
		return;
	task(lease_thread.argument);
	answer();
}

#define TURNS	 1000	/* some 40 us */
#define SOON	 200000 /* nanoseconds */
#define IN_A_ROW 16

/* Who maps many files asks from another processor again and again: to go to sleep and to be woken
 * there takes longer than what is asked. So it does for the breaks of many files: a processor that
 * is awake takes the signal sooner. True when there is a request. */
static bool linger(int64_t *last)
{
	if (atomic_load(&lease_thread.asker) == atomic_load(&lease_thread.processor))
		return false;
	int64_t now = sys_clock(CLOCK_MONOTONIC), since = now - *last;
	*last = now;
	if (since > SOON)
		return false;
	atomic_store(&lease_thread.awake, true);
	for (int turn = 0; turn < TURNS && !atomic_load(&lease_thread.task); turn++)
		__builtin_ia32_pause();
	atomic_store(&lease_thread.awake, false);
	return atomic_load(&lease_thread.task);
}

/* In "pid (name) state ppid …" the name may hold anything; at is its end, the state is field 3. */
static long stat_field(const char *at, int wanted)
{
	uint64_t value;

	at++;
	for (int field = 3; field < wanted && at; field++)
		at = strchr(at + 1, ' ');
	text_read_number(at ? at + 1 : "", 10, &value);
	return (long)value;
}

#define STAT_THREADS 20
#define STAT_STATUS  52

/* Ends as the program's last thread did: the status of a process is that of the thread which goes
 * last, and that would be us. */
static void end_like(long status)
{
	static const struct signal_action normal;
	unsigned long none[SIGSET_WORDS] = { 0 };
	int number = (int)(status & 0x7f);

	if (number) {
		sys_rt_sigaction(number, &normal, NULL, SIGSET_BYTES);
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
	int64_t got = sys_pread(lease_thread.stat, text, sizeof(text) - 1, 0);

	if (got <= 0)
		return;
	text[got] = 0;
	const char *at = strrchr(text, ')');
	if (at && at[2] == 'Z' && stat_field(at, STAT_THREADS) == 2)
		end_like(stat_field(at, STAT_STATUS));
}

#define A_MOMENT 2000000 /* nanoseconds */

/* Files that nobody needs are let go together, a moment after the first of them: who maps one again
 * finds its lease. False when it is not time yet; *left is how long that is. */
static bool drop_in_time(int64_t *due, struct timespec *left)
{
	int64_t now = sys_clock(CLOCK_MONOTONIC);
	if (!*due)
		*due = now + A_MOMENT;
	*left = (struct timespec){ 0, (long)(*due - now) };
	if (now < *due)
		return false;
	*due = 0;
	atomic_store(&lease_thread.poked, 0);
	lease_thread_duties.drop_unused(NULL);
	open_the_rest();
	return true;
}

static void serve(void)
{
	unsigned long set[SIGSET_WORDS];
	struct timespec left;
	siginfo_t info;
	int64_t due = 0, last = 0;
	int lingered = 0;
	long seconds = 0;

	while (!lease_thread.end) {
		if (atomic_load(&lease_thread.poked)) {
			if (drop_in_time(&due, &left))
				continue;
		} else {
			seconds = seconds ? seconds : look_seconds();
			left = (struct timespec){ seconds, 0 };
		}
		if (linger(&last)) {
			serve_request();
			if (++lingered % IN_A_ROW)
				continue;
			left = (struct timespec){ 0, 0 };
		}
		wait_set(set);
		long number = sys_rt_sigtimedwait(set, &info, &left, SIGSET_BYTES);
		if (number == LEASE_SIGNAL) {
			lease_thread_duties.broken(info.si_fd);
			continue;
		}
		if (number < 0 && !left.tv_sec)
			continue;
		if (number < 0 && atomic_load(&lease_thread.task))
			atomic_store(&lease_thread.queue_full, true);
		serve_request();
		if (number >= 0)
			continue;
		/* For a break that finds no room in the queue the kernel sends SIGIO instead, which
		 * stays pending: nobody takes it. */
		if (signal_pending(SIGIO))
			lease_thread_duties.ask_all();
		end_if_alone();
	}
}

void lease_thread_copy_log(int fd)
{
	int copy = thread_fetch(0, fd);

	if (copy >= 0 && !guarded_keep(GUARDED_LOG, &copy))
		sys_close(copy);
}

static void log_inherit(int fd)
{
	if (sys_fcntl(fd, F_GETFD, 0) < 0)
		lease_thread_copy_log(fd);
	else /* left to this thread's table */
		guarded_keep(GUARDED_LOG, &fd);
}

#define NORMAL_NICE 20 /* as the kernel counts it, downwards */

/* Writers wait for this thread, not for the program, which may have taken the lowest priority. What
 * is not allowed (to users without privilege) is not done; a filter might kill for the question. */
static void take_normal_priority(void)
{
	static const int none;

	if (sys_prctl(PR_GET_SECCOMP, 0, 0, 0, 0))
		return;
	int policy = sys_sched_getscheduler(0);
	if (policy == SCHED_IDLE || policy == SCHED_BATCH)
		sys_sched_setscheduler(0, SCHED_OTHER, &none);
	if (sys_getpriority(PRIO_PROCESS, 0) < NORMAL_NICE)
		sys_setpriority(PRIO_PROCESS, 0, 0);
}

static int prepare(void)
{
	int log = guarded_get(GUARDED_LOG);
	int r = thread_own_table(log);

	if (r)
		return r;
	guarded_other_table((uintptr_t)lease_thread.thread.stack,
			    (uintptr_t)lease_thread.thread.stack + THREAD_STACK_BYTES);
	if (log >= 0)
		log_inherit(log);
	/* The first number, 0, is taken by it, so that no lease has the number that means nothing.
	 */
	lease_thread_files.proc = sys_open("/proc/self", O_PATH | O_DIRECTORY, 0);
	if (lease_thread_files.proc < 0)
		return lease_thread_files.proc;
	lease_thread_files.maps =
		lease_thread.first_asks ? sys_open_in(lease_thread_files.proc, "maps", O_RDONLY)
					: proc_open_own(lease_thread_files.proc, "maps", O_RDONLY);
	if (lease_thread_files.maps < 0)
		return lease_thread_files.maps;
	lease_thread.pagemap = lease_thread.memory = lease_thread.stat = NOT_YET;
	lease_thread_duties.begins();
	take_normal_priority();
	capability_keep_for_leases();
	if (!sys_limit(RLIMIT_SIGPENDING))
		atomic_store(&lease_thread.queue_full, true);
	return 0;
}

static void body(void *unused)
{
	(void)unused;
	int r = prepare();

	lease_thread.start_error = r;
	atomic_store(&lease_thread.running, !r);
	if (r) {
		answer();
		return;
	}
	serve_request();
	atomic_store(&lease_thread.poked, 1); /* to open the rest in a moment */
	serve();
}

static int wake(void)
{
	int r = sys_tgkill(home_process(), lease_thread.thread.number, REQUEST_SIGNAL);

	if (r == -EAGAIN && atomic_load(&lease_thread.queue_full))
		r = sys_tgkill(home_process(), lease_thread.thread.number, FULL_QUEUE_SIGNAL);
	return r;
}

/* The first one that finds no room in the queue is found when the thread looks. */
static int wake_surely(void)
{
	struct timespec pause = { 0, 10000000 };
	int r;

	while ((r = wake()) == -EAGAIN && !atomic_load(&lease_thread.answered))
		sys_nanosleep(&pause, NULL);
	return r == -EAGAIN ? 0 : r;
}

/* To sleep and be woken takes longer than the answer, if another processor is at work on it. */
static void wait_for_answer(void)
{
	int unanswered = 0;

	if (atomic_load(&lease_thread.asker) != atomic_load(&lease_thread.processor))
		for (int turn = 0; turn < TURNS && !atomic_load(&lease_thread.answered); turn++)
			__builtin_ia32_pause();
	atomic_compare_exchange_strong(&lease_thread.answered, &unanswered, WAITING);
	while (atomic_load(&lease_thread.answered) == WAITING)
		futex_wait(&lease_thread.answered, WAITING);
}

/* With the mailbox held. */
static void put(lease_thread_task *task, void *argument)
{
	lease_thread.argument = argument;
	atomic_store(&lease_thread.answered, 0);
	atomic_store(&lease_thread.asker, processor_now());
	atomic_store(&lease_thread.task, task);
}

static int post(lease_thread_task *task, void *argument)
{
	put(task, argument);
	int r = atomic_load(&lease_thread.awake) ? 0 : wake_surely();
	if (r) {
		atomic_store(&lease_thread.task, NULL);
		return r;
	}
	wait_for_answer();
	return 0;
}

/* With its first request. */
static int start(lease_thread_task *task, void *argument)
{
	const struct link_map *vdso = symbol_vdso();

	vdso_getcpu = vdso ? symbol_in(vdso, "__vdso_getcpu") : NULL;
	lease_thread.end = false;
	lease_thread.first_asks = sys_gettid() == home_process();
	atomic_store(&lease_thread.awake, false);
	put(task, argument);
	atomic_store(&lease_thread.processor, atomic_load(&lease_thread.asker));
	int r = thread_start(&lease_thread.thread, body, NULL);
	if (r) {
		atomic_store(&lease_thread.task, NULL);
		return r;
	}
	wait_for_answer();
	if (atomic_load(&lease_thread.running))
		return 0;
	thread_join(&lease_thread.thread);
	return lease_thread.start_error;
}

int lease_thread_call(lease_thread_task *task, void *argument)
{
	if (!home_is_here())
		return -EXDEV;
	lock_take(&lease_thread.mailbox);
	int r = lease_thread_running() ? post(task, argument) : start(task, argument);
	lock_drop(&lease_thread.mailbox);
	return r;
}

int lease_thread_call_running(lease_thread_task *task, void *argument)
{
	lock_take(&lease_thread.mailbox);
	int r = lease_thread_call_held(task, argument);
	lock_drop(&lease_thread.mailbox);
	return r;
}

int lease_thread_call_held(lease_thread_task *task, void *argument)
{
	return lease_thread_running() ? post(task, argument) : -ESRCH;
}

void lease_thread_poke(void)
{
	if (!lease_thread_running() || atomic_exchange(&lease_thread.poked, 1))
		return;
	wake();
}

void lease_thread_wake(void)
{
	wake();
}

bool lease_thread_running(void)
{
	return atomic_load(&lease_thread.running);
}

pid_t lease_thread_number(void)
{
	return lease_thread.thread.number;
}

/* The target, its read-only twin, a directory of /proc, and some. */
#define SPARE_DESCRIPTORS 8

bool lease_thread_can_spare(int fd)
{
	return (uint64_t)fd + SPARE_DESCRIPTORS < sys_limit(RLIMIT_NOFILE);
}

bool lease_thread_could_serve(uint64_t limit)
{
	int free = sys_fcntl(lease_thread_files.proc, F_DUPFD_CLOEXEC, 0);

	sys_close_if_open(free);
	return free >= 0 && (uint64_t)free + SPARE_DESCRIPTORS < limit;
}

bool lease_thread_is_company(void)
{
	char text[1024];
	const char *at;

	if (!lease_thread_running() || sys_read_file("/proc/self/stat", text, sizeof(text)) <= 0)
		return false;
	at = strrchr(text, ')');
	return at && stat_field(at, STAT_THREADS) == 2;
}

static void finish(void *last)
{
	(*(lease_thread_task **)last)(NULL);
	lease_thread.end = true;
}

void lease_thread_stop(lease_thread_task *last)
{
	lock_take(&lease_thread.mailbox);
	if (lease_thread_running() && !post(finish, &last)) {
		thread_join(&lease_thread.thread);
		atomic_store(&lease_thread.running, false);
	}
	lock_drop(&lease_thread.mailbox);
}

void lease_thread_hold(void)
{
	lock_take(&lease_thread.mailbox);
}

void lease_thread_release(void)
{
	lock_drop(&lease_thread.mailbox);
}

void lease_thread_forget(void)
{
	lock_reset(&lease_thread.mailbox);
	guarded_other_table(0, 0);
	thread_forget(&lease_thread.thread);
	atomic_store(&lease_thread.task, NULL);
	atomic_store(&lease_thread.poked, 0);
	atomic_store(&lease_thread.running, false);
}
