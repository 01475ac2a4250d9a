/* SPDX-License-Identifier: MIT */
/*
 * The program's side of ../page.h.
 */
#ifndef MMFENCE_TESTS_FAULTS_CONTROL_H
#define MMFENCE_TESTS_FAULTS_CONTROL_H

#include <linux/futex.h>

#include "../page.h"
#include "guard_helper.h"

static inline struct fault_page *page_attach(void)
{
	int fd = open(getenv("FENCE_TEST_PAGE"), O_RDWR | O_CLOEXEC);

	unsigned int kinds, none = 0;

	/* After an exec it may be failing already. */
	must(fd >= 0 && pread(fd, &kinds, sizeof(kinds), 0) == sizeof(kinds));
	must(pwrite(fd, &none, sizeof(none), 0) == sizeof(none));
	struct fault_page *page =
		mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(page != MAP_FAILED);
	must(!close(fd));
	atomic_store(&page->kinds, kinds);
	return page;
}

/* ---- holding a thread ---- */

static inline void hold_arm(struct hold *hold)
{
	atomic_store(&hold->state, HOLD_ARMED);
}

/* Until somebody is held there. */
static inline void hold_wait(struct hold *hold)
{
	while (atomic_load(&hold->state) == HOLD_ARMED)
		syscall(SYS_futex, &hold->state, FUTEX_WAIT, HOLD_ARMED, NULL, NULL, 0);
}

static inline bool hold_reached(struct hold *hold)
{
	return atomic_load(&hold->state) == HOLD_REACHED;
}

static inline void hold_end(struct hold *hold)
{
	atomic_store(&hold->state, HOLD_OVER);
	syscall(SYS_futex, &hold->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- a thread whose end, or wait, can be seen ---- */

struct actor {
	pthread_t thread;
	void (*act)(void *);
	void *argument;
	atomic_int tid;
	atomic_bool ended;
};

static inline void *actor_main(void *argument)
{
	struct actor *actor = argument;

	atomic_store(&actor->tid, (int)syscall(SYS_gettid));
	actor->act(actor->argument);
	atomic_store(&actor->ended, true);
	return NULL;
}

static inline void actor_start(struct actor *actor, void (*act)(void *), void *argument)
{
	actor->act = act;
	actor->argument = argument;
	atomic_store(&actor->ended, false);
	atomic_store(&actor->tid, 0);
	actor->thread = thread_start(actor_main, actor);
	wait_until(atomic_load(&actor->tid));
}

/* The system call that it is in, or -1. */
static inline int actor_call(const struct actor *actor)
{
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", atomic_load(&actor->tid));
	const char *call = proc_line(path, "", line, sizeof(line));
	return call[0] == 'r' ? -1 : atoi(call); /* running */
}

/* Whether it goes on to its end; false once it sleeps in a futex, which is a lock that it does not
 * get. */
static inline bool actor_goes_on(struct actor *actor)
{
	int seen = 0;

	while (!atomic_load(&actor->ended) && seen < 20) {
		seen = actor_call(actor) == SYS_futex ? seen + 1 : 0;
		sched_yield();
	}
	return atomic_load(&actor->ended);
}

static inline void actor_join(struct actor *actor)
{
	thread_end(actor->thread);
}

#endif
