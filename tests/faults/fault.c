/* SPDX-License-Identifier: MIT */
/*
 * The test build's side of page.h: see support/fault.h. It runs wherever the library does, on
 * threads without TLS too: raw system calls only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "page.h"
#include "support/arena.h"
#include "support/fault.h"

/* What is called here goes by no test. */
#undef MMFENCE_TEST_FAULTS
#include "support/sys.h"
#include "snapshot/snapshot.h"

static struct fault_page *page;

extern char **environ;

static const char *page_name(void)
{
	static const char name[] = "FENCE_TEST_PAGE=";

	for (char **at = environ; at && *at; at++)
		if (!strncmp(*at, name, sizeof(name) - 1))
			return *at + sizeof(name) - 1;
	return NULL;
}

static __attribute__((constructor(101))) void attach(void)
{
	const char *name = page_name();
	int fd = name ? sys_openat(AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0) : -ENOENT;

	if (fd < 0)
		return;
	long at = sys_mmap(0, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sys_close(fd);
	if (sys_failed(at))
		return;
	page = (struct fault_page *)at;
	page->in_use = arena_in_use;
	page->charged = budget_charged;
}

bool fault_signals_blocked(void)
{
	unsigned long blocked[SIGSET_WORDS];
	const unsigned long never = 1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1);

	sys_rt_sigprocmask(SIG_BLOCK, NULL, blocked, SIGSET_BYTES);
	for (size_t i = 0; i < SIGSET_WORDS; i++)
		if (~(blocked[i] | (i ? 0 : never)))
			return false;
	return true;
}

/* Signals may be blocked: but for the kernel's own. */
void fault_broken(const char *what)
{
	sys_write(2, what, strlen(what));
	sys_write(2, "\n", 1);
	__builtin_trap();
}

/* ---- failing ---- */

bool fault_here(enum fault_kind kind)
{
	if (!page || !(atomic_load(&page->kinds) & 1U << kind))
		return false;
	unsigned long number = atomic_fetch_add(&page->count, 1) + 1;
	unsigned long first = atomic_load(&page->first);
	if (number != first && !(number > first && atomic_load(&page->onward)))
		return false;
	atomic_fetch_add(&page->fired, 1);
	atomic_store(&page->last_kind, (int)kind);
	return true;
}

/* What the kernel says to it when it has no more of what the call wants; 0 where none is to
 * fail. */
static long error_of(long nr, const long *arguments, enum fault_kind *kind)
{
	switch (nr) {
	case SYS_openat:
	case SYS_memfd_create:
	case SYS_socketpair:
	case SYS_socket:
	case SYS_pidfd_open:
	case SYS_pidfd_getfd:
	case SYS_userfaultfd:
		*kind = FAULT_OPEN;
		return -EMFILE;
	case SYS_mmap:
	case SYS_mremap:
		*kind = FAULT_MAP;
		return -ENOMEM;
	case SYS_fcntl:
		*kind = FAULT_LEASE;
		return arguments[1] == F_SETLEASE && arguments[2] != F_UNLCK ? -EAGAIN : 0;
	case SYS_sendfile:
	case SYS_pwrite64:
		*kind = FAULT_SEND;
		return -ENOSPC;
	case SYS_sendmsg:
		*kind = FAULT_SEND;
		return -ENOBUFS;
	default:
		return 0;
	}
}

/* Of a message in several parts the first one is sent. */
static bool send_part(const long *arguments, long *result)
{
	struct msghdr part = *(const struct msghdr *)arguments[1];

	if (part.msg_iovlen < 2 || !fault_here(FAULT_SHORT))
		return false;
	part.msg_iovlen = 1;
	*result = sys_sendmsg((int)arguments[0], &part, (int)arguments[2]);
	return true;
}

/* ---- holding ---- */

static void hold_here(struct hold *hold)
{
	int armed = HOLD_ARMED;

	if (atomic_fetch_sub(&hold->pass, 1) > 0 ||
	    !atomic_compare_exchange_strong(&hold->state, &armed, HOLD_REACHED))
		return;
	atomic_store(&hold->reached_by, sys_gettid());
	sys_futex(&hold->state, FUTEX_WAKE, INT32_MAX, NULL);
	while (atomic_load(&hold->state) == HOLD_REACHED)
		if (!hold->spin)
			sys_futex(&hold->state, FUTEX_WAIT, HOLD_REACHED, NULL);
}

static bool is_wanted_thread(const struct hold *hold)
{
	int self = sys_gettid();

	return (!hold->only || hold->only == self) && hold->but != self;
}

/* Where a thread is: at a point with a name, or at a system call. */
struct spot {
	const char *point;
	long number;
	const long *arguments;
	bool after;
};

static bool is_wanted_spot(const struct hold *hold, const struct spot *spot)
{
	if (hold->anywhere)
		return !spot->after;
	if (spot->point || hold->point[0])
		return spot->point && !strcmp(spot->point, hold->point);
	return hold->number == spot->number && hold->after == spot->after &&
	       (spot->arguments[hold->argument] & hold->mask) == hold->value;
}

static void pass_by(const struct spot *spot)
{
	for (int i = 0; i < HOLDS; i++) {
		struct hold *hold = &page->holds[i];
		if (atomic_load(&hold->state) == HOLD_ARMED && is_wanted_spot(hold, spot) &&
		    is_wanted_thread(hold))
			hold_here(hold);
	}
}

void fault_point(const char *name)
{
	if (page)
		pass_by(&(struct spot){ .point = name });
}

/* ---- each system call ---- */

bool fault_before(long nr, const long *arguments, long *result)
{
	enum fault_kind kind;

	if (!page)
		return false;
	if (nr == SYS_sendmsg && send_part(arguments, result))
		return true;
	pass_by(&(struct spot){ NULL, nr, arguments, false });
	*result = error_of(nr, arguments, &kind);
	return *result && fault_here(kind);
}

/* What no call that knows what it does is answered. */
static bool is_nonsense(long nr, long result)
{
	static bool closes_blindly; /* before Linux 5.9 */

	switch (nr) {
	case SYS_close_range:
		closes_blindly |= result == -ENOSYS;
		return false;
	case SYS_close:
		return result == -EBADF && !closes_blindly;
	case SYS_read:
	case SYS_write:
	case SYS_pread64:
	case SYS_pwrite64:
	case SYS_sendfile:
	case SYS_ftruncate:
	case SYS_ioctl:
	case SYS_mmap:
		return result == -EBADF;
	case SYS_munmap:
		return result == -EINVAL;
	default:
		return false;
	}
}

void fault_after(long nr, const long *arguments, long result)
{
	if (!page)
		return;
	TEST_CHECK(!is_nonsense(nr, result), "a call of something that is not there");
	pass_by(&(struct spot){ NULL, nr, arguments, true });
}
