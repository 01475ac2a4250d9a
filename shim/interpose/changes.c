/* SPDX-License-Identifier: MIT */
/*
 * What a program changes that the library has to follow. Lower limits: RLIMIT_NOFILE, RLIMIT_AS and
 * RLIMIT_FSIZE hold for the lease thread too, and what it could not serve under them is preserved
 * before. Identities: libc passes a change of credentials on to the threads that it knows; the
 * lease thread is none of them and is told here. Calls that want a process of one thread find one:
 * the lease thread ends before them, and starts anew when it is needed; also before the root is
 * changed, as what it has open would lead out of it, and before it is sent a signal, by who signals
 * each thread that /proc/self/task lists and waits until all have answered. And calls that our own
 * open files would be in the way of: unmounting, and being told of (or asked about) every open of a
 * file, which would leave a program waiting for itself.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "audit/event.h"
#include "audit/sink.h"
#include "interpose/interpose.h"
#include "kernel/guarded.h"
#include "kernel/program.h"
#include "kernel/thread.h"
#include "kernel/lease_thread.h"
#include "kernel/file.h"
#include "snapshot/guard.h"
#include "support/user.h"

static uint64_t limit_in(const void *soft, size_t size)
{
	uint64_t value = 0; /* of 4 or 8 bytes, the lower first */

	if (user_copy_in(&value, soft, size))
		return UINT64_MAX; /* the kernel says what is wrong with it */
	return size == sizeof(uint32_t) && value == UINT32_MAX ? UINT64_MAX : value;
}

/* The least with which a thread with a table of its own still opens the log. */
#define LEAST_DESCRIPTORS 4

static void log_before_limit(bool own, int resource, uint64_t limit)
{
	static const struct gap gap = { "log", "the program lets files grow no further than the "
					       "log has (RLIMIT_FSIZE): nothing more is recorded" };

	if (resource == RLIMIT_FSIZE && limit < sys_limit(RLIMIT_FSIZE) && sink_outgrows(limit))
		process_report_gap(NULL, NULL, &gap);
	if (resource == RLIMIT_NOFILE && limit < LEAST_DESCRIPTORS && own && home_is_here())
		sink_stay();
}

/* A thread's number stands for its process. */
static bool is_this_process(pid_t number)
{
	return !number || !sys_tgkill(sys_getpid(), number, 0);
}

void limits_change(pid_t process, int resource, const void *soft, size_t size)
{
	bool space = resource == RLIMIT_AS || resource == RLIMIT_DATA;
	bool matters = space || resource == RLIMIT_NOFILE || resource == RLIMIT_FSIZE ||
		       resource == RLIMIT_MEMLOCK;

	if (space && soft)
		road_trim();
	if (!matters || !soft || scope_silent())
		return;
	uint64_t limit = limit_in(soft, size);
	if (limit == UINT64_MAX)
		return;
	bool own = is_this_process(process);
	if (own && guard_any())
		DO_IN_SCOPE(guard_before_limit(resource, limit));
	if (audit_enabled())
		DO_IN_SCOPE(log_before_limit(own, resource, limit));
}

#define DEFINE_SETRLIMIT(name, type)                                           \
	EXPORT int name(__rlimit_resource_t resource, const type *rlim)        \
	{                                                                      \
		limits_change(0, (int)resource, rlim, sizeof(rlim->rlim_cur)); \
		return NEXT_OF(name)(resource, rlim);                          \
	}

#define DEFINE_PRLIMIT(name, type)                                                                 \
	EXPORT int name(pid_t process, __rlimit_resource_t resource, const type *to, type *before) \
	{                                                                                          \
		limits_change(process, (int)resource, to, sizeof(to->rlim_cur));                   \
		if (NEXT_OF(name))                                                                 \
			return next.name(process, resource, to, before);                           \
		return (int)libc_result(-ENOSYS); /* glibc before 2.13 */                          \
	}

DEFINE_SETRLIMIT(setrlimit, struct rlimit)
DEFINE_SETRLIMIT(setrlimit64, struct rlimit64)
DEFINE_PRLIMIT(prlimit, struct rlimit)
DEFINE_PRLIMIT(prlimit64, struct rlimit64)

void credentials_change(void)
{
	DO_IN_SCOPE(sink_stay(), sink_share(), guard_before_limit(RLIMIT_MEMLOCK, 0));
}

void credentials_changed(void)
{
	DO_IN_SCOPE(guard_follow_credentials());
}

static void be_alone(const char *trigger)
{
	DO_IN_SCOPE(sink_stay(), guard_preserve_all_and_stop(trigger));
}

void credentials_alone(void)
{
	be_alone("namespace");
}

void credentials_signalled(pid_t thread, int signal)
{
	if (unlikely(thread == lease_thread_number() && signal && lease_thread_running()))
		be_alone("signal");
}

/* Of /proc the lease thread has files open, and the program's table one. */
long files_unmount(const char *target, int flags)
{
	struct file file, proc;

	DO_IN_SCOPE(guard_drop_now());
	long r = sys_umount2(target, flags);
	if (r != -EBUSY || scope_silent() || file_at(AT_FDCWD, target, &file) ||
	    file_at(AT_FDCWD, "/proc/self", &proc) || file.device != proc.device)
		return r;
	be_alone("unmount");
	DO_IN_SCOPE(guarded_drop(GUARDED_MAPS));
	return sys_umount2(target, flags);
}

EXPORT int umount(const char *target)
{
	return (int)libc_result(files_unmount(target, 0));
}

long files_watched(unsigned int flags, unsigned int event_flags)
{
	int group = sys_fanotify_init(flags, event_flags);

	if (group >= 0)
		DO_IN_SCOPE(guard_open_no_more());
	return group;
}
