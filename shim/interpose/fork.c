/* SPDX-License-Identifier: MIT */
/*
 * Fork: what each room does before it, afterwards in the parent and in the child, in one table.
 * And noticing a copy of the process that nobody announced (a raw clone), by a page that the
 * kernel wipes.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "audit/sink.h"
#include "interpose/interpose.h"
#include "kernel/guarded.h"
#include "kernel/thread.h"
#include "kernel/symbol.h"
#include "nonlinear/nonlinear.h"
#include "selfmem/selfmem.h"
#include "selfmem/view.h"
#include "snapshot/guard.h"
#include "support/arena.h"
#include "support/fault.h"
#include "support/lock.h"

/* ---- which process this is ---- */

/* One word on a page of its own: 1, and 0 in a process that was copied from this one. Before Linux
 * 4.14 the page is not there in that process. */
static atomic_int *same_process;
static bool page_goes;

static bool page_is_there(void)
{
	unsigned char resident;

	return same_process && !sys_mincore((uintptr_t)same_process, PAGE_BYTES, &resident);
}

static void mark_process(void)
{
	if (!same_process || (page_goes && !page_is_there())) {
		long page = place_map(PAGE_BYTES, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (sys_failed(page))
			return;
		page_goes = sys_madvise(page, PAGE_BYTES, MADV_WIPEONFORK) != 0;
		if (page_goes)
			sys_madvise(page, PAGE_BYTES, MADV_DONTFORK);
		same_process = (atomic_int *)page;
	}
	atomic_store(same_process, 1);
}

bool process_is_copy(void)
{
	if (unlikely(page_goes))
		return !page_is_there();
	return same_process && !atomic_load_explicit(same_process, memory_order_relaxed);
}

bool same_process_as_before(void)
{
	return same_process && !process_is_copy();
}

void process_settle(void)
{
	mark_process();
	home_settle();
}

/* ---- the table ---- */

typedef void step(void);

/* Around fork nobody changes the tables (support/gate.h). Downwards, but in the parent upwards. */
static const struct {
	step *before;
	step *parent;
	step *copy;	   /* in every copy of the process, announced or not */
	step *child;	   /* then in one that was announced */
	step *unannounced; /* or in one that was not */
} rooms[] = {
	{ .before = gate_queue, .copy = process_settle },
	{ .copy = scope_after_fork },
	{ .copy = loaded_after_fork },
	{ .copy = arena_after_fork },
	{ .copy = scratch_reset },
	{ .copy = guarded_after_fork },
	{ .before = sink_take_back, .copy = sink_after_fork },
	/* Views that are under way use all the others. */
	{ .before = views_hold, .copy = selfmem_new_process },
	{ .before = guard_before_fork,
	  .parent = guard_after_fork_in_parent,
	  .copy = snapshot_after_fork,
	  .child = guard_after_fork_in_child,
	  .unannounced = guard_after_raw_clone },
	{ .before = anchors_before_fork, .copy = anchors_after_fork },
	{ .copy = emulate_after_fork },
	{ .copy = pressure_after_fork },
	{ .copy = sites_after_fork },
	{ .copy = inject_after_fork },
	{ .copy = sigbus_after_fork },
	{ .copy = processes_forget },
	{ .before = selfmem_before_fork,
	  .parent = split_after_fork_in_parent,
	  .child = split_after_fork_in_child },
};
#define ROOMS (sizeof(rooms) / sizeof(*rooms))

#define EACH_ROOM(column)                  \
	for (size_t i = 0; i < ROOMS; i++) \
		if (rooms[i].column)       \
	rooms[i].column()

void process_was_copied(void)
{
	EACH_ROOM(copy);
	EACH_ROOM(unannounced);
}

/* ---- the handlers ---- */

/* The thread is in a scope meanwhile, so that handlers of other libraries pass through and no
 * signal handler gets in between. */
static __thread struct scope fork_scope;
static __thread bool fork_entered;

void fork_before(void)
{
	struct scope scope;

	if (!enter(&scope))
		return;
	EACH_ROOM(before);
	NEXT_OF(_exit); /* found here once, and not by each child */
	NEXT_OF(execve);
	fork_scope = scope;
	fork_entered = true;
	TEST_POINT("fork");
}

void fork_in_parent(void)
{
	if (!fork_entered)
		return;
	struct scope scope = fork_scope;
	fork_entered = false;
	for (size_t i = ROOMS; i-- > 0;)
		if (rooms[i].parent)
			rooms[i].parent();
	scope_leave(&scope);
}

void fork_in_child(void)
{
	if (!fork_entered)
		return;
	struct scope scope = fork_scope;
	fork_entered = false;
	EACH_ROOM(copy);
	EACH_ROOM(child);
	scope_leave(&scope);
}

long process_fork(long nr, long a, long b, long c, long d, long e)
{
	fork_before();
	long r = sys_call(nr, a, b, c, d, e, 0);
	if (r == 0)
		fork_in_child();
	else
		fork_in_parent();
	return r;
}
