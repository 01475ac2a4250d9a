/* SPDX-License-Identifier: MIT */
/*
 * Writes records: see sink.h; how, each medium knows (medium.h). What goes wrong here
 * is counted and nothing else: the program must not notice a log that is full, closed
 * or gone. Several threads may be in here at once; only opening is done by one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "audit/identity.h"
#include "audit/medium.h"
#include "kernel/capability.h"
#include "kernel/guarded.h"
#include "kernel/thread.h"
#include "kernel/lease_thread.h"
#include "support/sys.h"

/* Turns of waiting for a thread that opens the log, and for one that seems to be gone. */
#define PATIENCE      25000
#define SOME_PATIENCE 1000
#define ATTEMPTS      8 /* at writing, while other threads close what is open, or take its number */

static const struct medium *const media[] = {
	[TARGET_FILE] = &sink_file,	  [TARGET_DESCRIPTOR] = &sink_descriptor,
	[TARGET_UNIX] = &sink_unix,	  [TARGET_SYSLOG] = &sink_syslog,
	[TARGET_JOURNAL] = &sink_journal,
};

static const struct medium *medium;
static atomic_bool enabled;
static bool keep_empty;
static atomic_int opening;  /* the thread that does */
static atomic_ulong looked; /* second of the last look at what is open */
static atomic_ulong dropped_pending, dropped_total;
static atomic_int dropped_error;

void sink_configure(const char *where)
{
	struct target target;
	bool usable = where && where[0] && !target_parse(where, &target);

	if (usable) {
		medium = media[target.medium];
		usable = medium->configure(&target);
	}
	atomic_store(&enabled, usable);
}

bool sink_enabled(void)
{
	return atomic_load_explicit(&enabled, memory_order_acquire);
}

/* Only one thread opens; the others wait for it, but not for ever: in a child cloned at the wrong
 * moment that thread does not exist, and a handler may have interrupted it here. One of low
 * priority may not be run for long. */
static bool opening_take(void)
{
	int self = sys_gettid(), holder;

	for (int i = 0; i < PATIENCE; i++) {
		holder = 0;
		if (atomic_compare_exchange_strong(&opening, &holder, self))
			return true;
		if (holder == self ||
		    (i >= SOME_PATIENCE && sys_tgkill(sys_getpid(), holder, 0) == -ESRCH))
			return false;
		sys_wait_turn(i);
	}
	return false;
}

static void opening_drop(void)
{
	atomic_store(&opening, 0);
}

/* True once a second for one thread. */
static bool look_due(void)
{
	struct moment now;
	unsigned long second;

	clock_read(CLOCK_MONOTONIC_COARSE, &now);
	second = (unsigned long)now.seconds;
	return second != atomic_load_explicit(&looked, memory_order_relaxed) &&
	       second != atomic_exchange(&looked, second);
}

/* The log, open for one record. */
struct open_log {
	int fd;
	uint64_t size;
	bool passing; /* not in its slot */
};

static int log_size(struct open_log *log)
{
	struct statx st;
	int r;

	if (!log->passing) {
		log->fd = guarded_get_size(GUARDED_LOG, &log->size);
		return log->fd < 0 ? -EBADF : 0;
	}
	r = sys_fstat(log->fd, &st);
	log->size = st.stx_size;
	return r;
}

static void log_leave(struct open_log *log)
{
	if (log->passing)
		guarded_close(log->fd);
	guarded_leave(GUARDED_LOG);
}

/* What the lease thread has open, where the program may not open it any more: the same open file,
 * or where the kernel (before 6.9) hands out nobody's but the first thread's, another. */
static int fetch(void)
{
	pid_t thread;
	int number = guarded_in_other_table(GUARDED_LOG, &thread);

	if (number < 0)
		return -ENOENT;
	int fd = thread_fetch(thread, number);
	return fd >= 0 ? fd
		       : thread_open_again(-1, thread, number, O_WRONLY | O_APPEND | O_NONBLOCK);
}

static int open_somehow(void)
{
	int fd = medium->refresh(-1);
	int other = fd < 0 && !guarded_is_welcome(GUARDED_LOG) ? fetch() : -1;

	return other >= 0 ? other : fd;
}

/* What to write to from now on is in its slot; or it is passing; or -errno. */
static int install(struct open_log *log)
{
	int before = guarded_get(GUARDED_LOG);

	log->fd = before < 0 ? open_somehow() : medium->refresh(before);
	if (log->fd == before)
		return before;
	if (before >= 0)
		guarded_drop(GUARDED_LOG);
	bool kept = log->fd < 0 || guarded_keep(GUARDED_LOG, &log->fd);
	log->passing = !kept && log->fd >= 0;
	return log->fd;
}

/* What is left to the program keeps its number: the next one is another. */
static int install_somewhere(struct open_log *log)
{
	int r = -EBUSY;

	for (int i = 0; i < ATTEMPTS && r == -EBUSY; i++)
		r = install(log);
	return r;
}

/* One thread at a time. */
static int log_refresh(struct open_log *log)
{
	int r;

	guarded_move_begin();
	r = install_somewhere(log);
	guarded_enter(GUARDED_LOG);
	guarded_move_end();
	if (r >= 0)
		r = log_size(log);
	if (r)
		log_leave(log);
	return r;
}

/* 0, or -errno; log_leave ends it. */
static int log_enter(struct open_log *log)
{
	int r;

	log->passing = false;
	guarded_enter(GUARDED_LOG);
	if (!log_size(log) && !look_due())
		return 0;
	guarded_leave(GUARDED_LOG);
	if (!opening_take())
		return -EAGAIN;
	r = log_refresh(log);
	opening_drop();
	return r;
}

int sink_open(void)
{
	struct open_log log;
	int r = sink_enabled() ? log_enter(&log) : -ENOENT;

	if (!r)
		log_leave(&log);
	return r;
}

bool sink_ready(void)
{
	int r = sink_open();

	return !r || r == -EMFILE;
}

/* ---- where the program does not want it ---- */

bool sink_has_name(void)
{
	int fd = -EAGAIN;

	if (!medium->has_name || !opening_take())
		return false;
	guarded_move_begin();
	fd = medium->refresh(-1);
	guarded_close_new(fd);
	guarded_move_end();
	opening_drop();
	return fd >= 0;
}

static bool can_fetch(void)
{
	guarded_move_begin();
	int fd = fetch();
	guarded_close_new(fd);
	guarded_move_end();
	return fd >= 0 || fd == -EMFILE; /* a record is written apart then */
}

void sink_stay(void)
{
	struct open_log log;

	if (!sink_enabled() || !home_is_here())
		return;
	int r = log_enter(&log);
	guarded_welcome(GUARDED_LOG);
	if (!r)
		log_leave(&log);
}

bool sink_outgrows(uint64_t limit)
{
	struct open_log log;
	struct statx st;

	if (!sink_enabled() || log_enter(&log))
		return false;
	bool outgrows = !sys_fstat(log.fd, &st) && S_ISREG(st.stx_mode) &&
			log.size + PAGE_BYTES > limit; /* as long as most are */
	log_leave(&log);
	return outgrows;
}

void sink_take_back(void)
{
	pid_t thread;

	if (sink_enabled() && !guarded_is_welcome(GUARDED_LOG) &&
	    guarded_in_other_table(GUARDED_LOG, &thread) >= 0 && !sink_has_name())
		sink_stay();
}

/* On the lease thread. */
static void hold(void *fd)
{
	if (guarded_get(GUARDED_LOG) < 0)
		lease_thread_copy_log(*(int *)fd);
	if (guarded_get(GUARDED_LOG) < 0) /* a kernel that hands out no descriptors */
		sink_open();
}

void sink_share(void)
{
	int fd = guarded_number(GUARDED_LOG);
	pid_t thread;

	if (fd >= 0 && home_is_here() && guarded_in_other_table(GUARDED_LOG, &thread) < 0)
		lease_thread_call_running(hold, &fd);
}

bool sink_hand_over(int fd)
{
	pid_t thread;

	return !lease_thread_call(hold, &fd) && guarded_in_other_table(GUARDED_LOG, &thread) >= 0 &&
	       can_fetch();
}

/* ---- over exec ---- */

/* Its directory was removed, or replaced: what is written there is lost, and whoever comes next
 * makes a log of its own under the name. */
static bool is_deleted(void)
{
	int fd = guarded_get(GUARDED_LOG);
	struct statx st;

	return fd >= 0 && !sys_fstat(fd, &st) && S_ISREG(st.stx_mode) && !st.stx_nlink;
}

int sink_hand_on(char *text)
{
	if (!sink_enabled() || !medium->leads || !opening_take())
		return HAND_NEEDLESS;
	guarded_move_begin();
	bool leads = medium->leads();
	guarded_move_end();
	opening_drop();
	if (leads ? !capability_ends_with_exec() : is_deleted())
		return HAND_NEEDLESS;
	int fd = guarded_hand_on(GUARDED_LOG, text);
	return fd >= 0 ? fd : leads ? HAND_NEEDLESS : HAND_IMPOSSIBLE;
}

void sink_adopt(const char *text)
{
	if (sink_enabled() && medium->adopt && guarded_adopt(GUARDED_LOG, text))
		medium->adopt(guarded_get_unchecked(GUARDED_LOG));
}

/* ---- writing ---- */

struct apart {
	const struct line *line;
	int result;
};

/* On a thread of its own, and its table ends with it. */
static void write_apart(void *argument)
{
	struct apart *apart = argument;
	struct open_log log = { .passing = true };

	apart->result = thread_own_table(-1);
	if (apart->result)
		return;
	log.fd = open_somehow();
	apart->result = log.fd < 0 ? log.fd : log_size(&log);
	if (!apart->result)
		apart->result = medium->write(log.fd, log.size, apart->line);
}

/* The program's table is full. */
static int put_apart(const struct line *line)
{
	struct apart apart = { line, 0 };
	int r;

	if (!opening_take())
		return -EMFILE;
	r = thread_run(write_apart, &apart);
	opening_drop();
	return r ? -EMFILE : apart.result;
}

static int put(const struct line *line)
{
	struct open_log log;
	int r = log_enter(&log);

	if (r)
		return r;
	r = medium->write(log.fd, log.size, line);
	log_leave(&log);
	if (r == -EBADF || r == -ECONNABORTED)
		guarded_drop(GUARDED_LOG);
	return r;
}

int sink_put(const struct line *line)
{
	int r = -EBADF;

	/* EBADF: what was open is gone since the look. */
	for (int i = 0; i < ATTEMPTS && r == -EBADF; i++)
		r = put(line);
	return r == -EMFILE ? put_apart(line) : r;
}

void sink_write(const struct line *line)
{
	int r;

	if (!sink_enabled())
		return;
	r = sink_put(line);
	if (!r)
		return;
	atomic_store(&dropped_error, -r);
	atomic_fetch_add(&dropped_total, 1);
	atomic_fetch_add(&dropped_pending, 1);
}

uint64_t sink_dropped_total(void)
{
	return atomic_load(&dropped_total);
}

unsigned long sink_dropped_pending(void)
{
	return atomic_load_explicit(&dropped_pending, memory_order_relaxed);
}

unsigned long sink_dropped_take(int *error)
{
	unsigned long count = sink_dropped_pending();

	*error = atomic_load(&dropped_error);
	return count ? atomic_exchange(&dropped_pending, 0) : 0;
}

void sink_dropped_return(unsigned long count)
{
	atomic_fetch_add(&dropped_pending, count);
}

void sink_keep_empty(void)
{
	keep_empty = true;
}

bool sink_may_be_empty(void)
{
	return sink_enabled() && medium->drop_empty && !keep_empty && medium->own_name();
}

void sink_drop_empty(void)
{
	if (sink_may_be_empty() && medium->drop_empty())
		guarded_drop(GUARDED_LOG); /* a record that comes after all gets a new one */
}

void sink_after_fork(void)
{
	identity_forget();
	opening_drop();
	atomic_store(&dropped_pending, 0);
	atomic_store(&dropped_total, 0);
	if (medium && medium->after_fork && medium->after_fork())
		guarded_drop(GUARDED_LOG);
}
