/* SPDX-License-Identifier: MIT */
/*
 * Writes records: see sink.h. What goes wrong here is counted and nothing else:
 * the program must not notice a log that is full, closed or gone. Several threads
 * may be in here at once; only opening is done by one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "audit/clock.h"
#include "audit/identity.h"
#include "audit/sink.h"
#include "audit/template.h"
#include "kernel/guarded.h"
#include "kernel/raw.h"
#include "support/scope.h"

#define PATIENCE 1000 /* turns of waiting for a thread that opens the log */

/* How often, and how far apart, a log that ends in part of a record is looked at. */
#define TORN_LOOKS	 20
#define TORN_NANOSECONDS 100000

/* Nonblocking, so that a pipe nobody reads delays nobody. */
#define OPEN_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK)

struct place {
	uint64_t inode;
	uint32_t dev_major, dev_minor;
};

static char template[PATH_MAX];
static char path[PATH_MAX]; /* the template expanded; empty before the first open */
static atomic_bool enabled;
static atomic_flag opening;
static struct place log_place; /* what was opened, and under which root directory */
static struct place root_place;
static atomic_int
	raises; /* the signal that a failed write may raise and that is looked for before */
static atomic_bool readable;
static atomic_bool torn;	    /* the file ends in part of a record */
static _Atomic uint64_t whole_size; /* how large the file was after our last record, or 0 */
static atomic_ulong looked;	    /* second of the last look at the path */
static atomic_ulong dropped_pending, dropped_total;
static atomic_int dropped_error;

void sink_configure(const char *name)
{
	bool usable = name && name[0] && !template_absolute(name, template, sizeof(template));

	path[0] = 0;
	atomic_store(&enabled, usable);
}

bool sink_enabled(void)
{
	return atomic_load_explicit(&enabled, memory_order_acquire);
}

static void place_set(struct place *place, const struct statx *st)
{
	place->inode = st->stx_ino;
	place->dev_major = st->stx_dev_major;
	place->dev_minor = st->stx_dev_minor;
}

static bool place_equals(const struct place *place, const struct statx *st)
{
	return place->inode == st->stx_ino && place->dev_major == st->stx_dev_major &&
	       place->dev_minor == st->stx_dev_minor;
}

static int look_at(const char *name, struct statx *st)
{
	return (int)raw(SYS_statx, AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_TYPE, st);
}

/* A write to a pipe without a reader raises SIGPIPE, one past RLIMIT_FSIZE SIGXFSZ. */
static int signal_of(const struct statx *st)
{
	struct {
		uint64_t soft, hard;
	} limit;

	if (!S_ISREG(st->stx_mode))
		return SIGPIPE;
	if (raw(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit) || limit.soft == UINT64_MAX)
		return 0;
	return SIGXFSZ;
}

/* A file is opened to be read too, if that is allowed; a pipe must not be. */
static int open_path(void)
{
	struct statx st;
	bool file = look_at(path, &st) || S_ISREG(st.stx_mode);
	int fd = -EACCES;

	if (file)
		fd = raw_open(path, (OPEN_FLAGS & ~O_ACCMODE) | O_RDWR, 0600);
	atomic_store(&readable, fd >= 0);
	atomic_store(&whole_size, 0);
	return fd == -EACCES ? raw_open(path, OPEN_FLAGS, 0600) : fd;
}

/* Opens the file. The descriptor, not yet guarded, or -errno. */
static int open_file(struct statx *st)
{
	int fd, r;

	if (!path[0] && template_expand(template, path, sizeof(path))) {
		path[0] = 0;
		return -ENAMETOOLONG;
	}
	fd = open_path();
	if (fd < 0)
		return fd;
	r = raw_fstat(fd, st);
	if (r) {
		raw_close(fd);
		return r;
	}
	return fd;
}

static int install(int fd, const struct statx *st)
{
	struct statx root;
	int r;

	atomic_store(&raises, signal_of(st));
	r = guarded_put(GUARDED_LOG, fd);
	if (r < 0) {
		raw_close(fd);
		return r;
	}
	place_set(&log_place, st);
	if (!look_at("/", &root))
		place_set(&root_place, &root);
	return r;
}

static int open_now(void)
{
	struct statx st;
	int fd = open_file(&st);

	return fd < 0 ? fd : install(fd, &st);
}

/* Only one thread opens; the others wait for it, but not for ever: in a child cloned at the wrong
 * moment that thread does not exist. */
static bool opening_take(void)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (!atomic_flag_test_and_set(&opening))
			return true;
		struct timespec moment = { 0, 200000 };
		if (i < 16)
			raw(SYS_sched_yield);
		else
			raw(SYS_nanosleep, &moment, 0);
	}
	return false;
}

static bool deleted(int fd)
{
	struct statx st;

	return !raw_fstat(fd, &st) && !st.stx_nlink;
}

/* The log was renamed or deleted: the next one is opened. If that cannot be, the old one stays,
 * unless what is written there is lost; it stays under another root, where the path may name
 * something else. */
static int follow_path(int fd)
{
	struct statx st, root;
	int fresh;

	if (look_at("/", &root) || !place_equals(&root_place, &root))
		return fd;
	if (!look_at(path, &st) && place_equals(&log_place, &st))
		return fd;
	fresh = open_file(&st);
	if (fresh < 0 && !deleted(fd))
		return fd;
	guarded_drop(GUARDED_LOG);
	atomic_store(&torn, false);
	return fresh < 0 ? fresh : install(fresh, &st);
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

/* The log's descriptor, opened if need be; or -errno. */
static int descriptor(uint64_t *size)
{
	int fd = guarded_get_size(GUARDED_LOG, size);

	if (fd >= 0 && !look_due())
		return fd;
	if (!opening_take())
		return fd >= 0 ? fd : -EAGAIN;
	fd = guarded_get(GUARDED_LOG);
	fd = fd >= 0 ? follow_path(fd) : open_now();
	if (fd >= 0)
		fd = guarded_get_size(GUARDED_LOG, size);
	atomic_flag_clear(&opening);
	return fd;
}

bool sink_ready(void)
{
	uint64_t size;

	return sink_enabled() && descriptor(&size) >= 0;
}

void sink_open(void)
{
	sink_ready();
}

static bool ends_in_newline(int fd, uint64_t size)
{
	char last;

	return !size || raw_pread(fd, &last, 1, (int64_t)size - 1) != 1 || last == '\n';
}

/* A process that was killed in the middle of its write left part of a record. Another's write that
 * is under way looks the same, but not for long. Where the log cannot be read back, this is not
 * seen. */
static bool ends_torn(int fd, uint64_t size)
{
	struct timespec moment = { 0, TORN_NANOSECONDS };
	struct statx st;

	/* Nobody wrote since we did. Reading back would cost as much as writing: it makes the
	 * file system note the time of access. */
	if (size == atomic_load_explicit(&whole_size, memory_order_relaxed) ||
	    !atomic_load_explicit(&readable, memory_order_relaxed))
		return false;
	for (int look = 0; look < TORN_LOOKS; look++) {
		if (ends_in_newline(fd, size))
			return false;
		raw(SYS_nanosleep, &moment, 0);
		if (raw_fstat(fd, &st))
			return false;
		if (st.stx_size != size)
			look = 0;
		size = st.stx_size;
	}
	return true;
}

/* What a short write left behind ends before the next record begins. Bytes of the line written. */
static long write_line(int fd, uint64_t size, const char *line, size_t length)
{
	struct iovec parts[2] = { { "\n", 1 }, { (void *)line, length } };
	long r;

	bool ours =
		atomic_load_explicit(&torn, memory_order_relaxed) && atomic_exchange(&torn, false);

	if (!ours && !ends_torn(fd, size))
		return raw(SYS_write, fd, line, length);
	r = raw(SYS_writev, fd, parts, 2);
	if (r <= 0 && ours)
		atomic_store(&torn, true);
	return r > 0 ? r - 1 : r;
}

/* As write_line, but no signal comes of it. */
static long write_quietly(int fd, uint64_t size, const char *line, size_t length)
{
	int expected = atomic_load_explicit(&raises, memory_order_relaxed);
	bool before = expected && signal_pending(expected);
	long r = write_line(fd, size, line, length);
	int raised;

	if (r == (long)length) {
		atomic_store_explicit(&whole_size, size + length, memory_order_relaxed);
		return r;
	}
	/* A pipe that loses its reader halfway raises the signal and returns a count. A limit set
	 * after the log was opened is not expected, and its signal has to go too. */
	raised = r == -EFBIG ? SIGXFSZ : expected == SIGPIPE ? SIGPIPE : 0;
	if (raised && !(before && raised == expected))
		signal_consume(raised);
	return r;
}

int sink_put(const char *record, size_t length)
{
	long r = -EBADF;

	/* EBADF: the number was taken away between the look and the write. */
	for (int i = 0; i < 2 && r == -EBADF; i++) {
		uint64_t size = 0;
		int fd = descriptor(&size);

		if (fd < 0)
			return fd;
		r = write_quietly(fd, size, record, length);
	}
	if (r == (long)length)
		return 0;
	/* On a full disk another process's record may be what was cut short. */
	if (r > 0 || r == -ENOSPC || r == -EDQUOT)
		atomic_store(&torn, true);
	return r < 0 ? (int)r : -ENOSPC;
}

void sink_write(const char *record, size_t length)
{
	int r;

	if (!sink_enabled())
		return;
	r = sink_put(record, length);
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

void sink_after_fork(void)
{
	identity_forget();
	atomic_flag_clear(&opening);
	atomic_store(&dropped_pending, 0);
	atomic_store(&dropped_total, 0);
	if (!template_has_pid(template))
		return;
	guarded_drop(GUARDED_LOG);
	path[0] = 0;
	atomic_store(&torn, false);
}
