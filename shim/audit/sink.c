/* SPDX-License-Identifier: MIT */
/*
 * Writes records: see sink.h; how, each medium knows (medium.h). What goes wrong here
 * is counted and nothing else: the program must not notice a log that is full, closed
 * or gone. Several threads may be in here at once; only opening is done by one of them.
 */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "audit/clock.h"
#include "audit/identity.h"
#include "audit/medium.h"
#include "kernel/guarded.h"
#include "kernel/raw.h"

#define PATIENCE 1000 /* turns of waiting for a thread that opens the log */

static const struct medium *const media[] = {
	[TARGET_FILE] = &sink_file,	  [TARGET_DESCRIPTOR] = &sink_descriptor,
	[TARGET_UNIX] = &sink_unix,	  [TARGET_SYSLOG] = &sink_syslog,
	[TARGET_JOURNAL] = &sink_journal,
};

static const struct medium *medium;
static atomic_bool enabled;
static atomic_flag opening;
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
	fd = medium->refresh(guarded_get(GUARDED_LOG));
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

int sink_put(const struct line *line)
{
	int r = -EBADF;

	/* EBADF: what was open is gone since the look. */
	for (int i = 0; i < 2 && r == -EBADF; i++) {
		uint64_t size = 0;
		int fd = descriptor(&size);

		if (fd < 0)
			return fd;
		r = medium->write(fd, size, line);
	}
	return r;
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

void sink_after_fork(void)
{
	identity_forget();
	atomic_flag_clear(&opening);
	atomic_store(&dropped_pending, 0);
	atomic_store(&dropped_total, 0);
	if (medium && medium->after_fork)
		medium->after_fork();
}
