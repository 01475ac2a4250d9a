/* SPDX-License-Identifier: MIT */
/*
 * What the helpers about the guard share: which engine holds a mapping, which leases there
 * are, threads of the process, and waiting for a state of the kernel's that /proc shows.
 *
 * Run without mmfence, the questions about engine and fate are not asked: there the bytes
 * themselves must tell. Nor with COPIED in the environment: mappings that can be written, which are
 * copies.
 */
#ifndef MMFENCE_TESTS_GUARD_HELPER_H
#define MMFENCE_TESTS_GUARD_HELPER_H

#include <dirent.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "../../include/mmfence.h"
#include "by_hand.h"
#include "helper.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* --- engine and fate --- */

static inline const char *engine_at(const void *address)
{
	static const char *const names[] = { "guard", "clone", "memory", "spill" };
	struct mmfence_snapshot info;

	return mmfence_snapshot_info(address, &info) ? "none" : names[info.engine];
}

static inline const char *fate_at(const void *address)
{
	static const char *const names[] = { "untouched", "preserved", "private", "lost" };
	struct mmfence_snapshot info;

	return mmfence_snapshot_info(address, &info) ? "none" : names[info.fate];
}

static inline bool is_copied(void)
{
	return getenv("COPIED") != NULL;
}

static inline void guarded_check(const void *view, const char *when)
{
	promise(!mmfence_active() || is_copied() || !strcmp(engine_at(view), "guard"),
		"%s: engine %s, not guard", when, engine_at(view));
}

/* It was guarded, and then the pages were put aside. */
static inline void preserved_check(const void *view, const char *when)
{
	promise(!mmfence_active() || !strcmp(fate_at(view), "preserved"),
		"%s: fate %s, not preserved (engine %s)", when, fate_at(view), engine_at(view));
}

/* The same after a fork: before Linux 5.6 it was copied then. */
static inline void inherited_check(const void *view, const char *when)
{
	if (syscall(SYS_pidfd_getfd, -1, 0, 0) == -1 && errno == ENOSYS &&
	    !strcmp(fate_at(view), "preserved"))
		return;
	guarded_check(view, when);
}

/* A new file, and a mapping of all of it that is guarded. */
static inline char *guarded_make(const char *path, int prot, size_t pages)
{
	file_make(path, 1, pages);
	char *view = view_make(path, prot, 0, pages);
	guarded_check(view, path);
	return view;
}

/* --- waiting --- */

/* State of a thread: R, S, D, T, Z; 0 when it is gone. */
static inline char thread_state(pid_t process, pid_t thread)
{
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", process, thread);
	const char *state = proc_line(path, "State:", line, sizeof(line));
	return state[strspn(state, "\t ")];
}

/* The thread sleeps in the kernel: what it called cannot go on yet. Seen several times, as it may
 * have been on its way out. */
static inline void wait_until_stuck(pid_t process, pid_t thread)
{
	for (int seen = 0; seen < 20; sched_yield()) {
		char state = thread_state(process, thread);
		seen = state == 'S' || state == 'D' ? seen + 1 : 0;
	}
}

/* --- leases, as /proc/locks has them --- */

/* A file as /proc/locks has it. Some file systems (btrfs, overlayfs) tell stat() another device. */
struct file_id {
	unsigned long long inode;
	unsigned int major, minor;
	bool any_device;
};

static inline struct file_id id_of(const char *path)
{
	struct statfs fs;
	struct stat file;

	must(stat(path, &file) == 0 && statfs(path, &fs) == 0);
	uint32_t type = (uint32_t)fs.f_type;
	return (struct file_id){ file.st_ino, major(file.st_dev), minor(file.st_dev),
				 type == BTRFS_SUPER_MAGIC || type == OVERLAYFS_SUPER_MAGIC };
}

static inline int leases_seen(struct file_id id, const char *wanted)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256], state[16];
	struct file_id seen;
	int count = 0;
	pid_t pid;

	must(locks);
	while (fgets(line, sizeof(line), locks))
		if (sscanf(line, "%*d: LEASE %15s %*s %d %x:%x:%llu", state, &pid, &seen.major,
			   &seen.minor, &seen.inode) == 5 &&
		    seen.inode == id.inode &&
		    (id.any_device ? getpgid(pid) == getpgrp()
				   : seen.major == id.major && seen.minor == id.minor) &&
		    (!wanted || !strcmp(state, wanted)))
			count++;
	fclose(locks);
	return count;
}

/* Leases on the file, in this state or in any. The list is read page by page: when others on the
 * machine take and drop locks meanwhile, a line can be missed or come twice. */
static inline int leases_of(struct file_id id, const char *wanted)
{
	int before, count = leases_seen(id, wanted);

	do {
		before = count;
		count = leases_seen(id, wanted);
	} while (count != before);
	return count;
}

/* Whether any thread of the process has a file of that full name open: also those whose table is
 * their own. */
static inline bool any_thread_has_open(const char *wanted)
{
	char name[64], target[PATH_MAX];
	DIR *tasks = opendir("/proc/self/task");
	bool found = false;

	must(tasks);
	for (struct dirent *task; !found && (task = readdir(tasks));) {
		snprintf(name, sizeof(name), "/proc/self/task/%.20s/fd", task->d_name);
		DIR *table = task->d_name[0] == '.' ? NULL : opendir(name);
		for (struct dirent *fd; table && !found && (fd = readdir(table));) {
			ssize_t length =
				readlinkat(dirfd(table), fd->d_name, target, sizeof(target) - 1);
			target[length < 0 ? 0 : length] = 0;
			found = !strncmp(target, wanted, strlen(wanted));
		}
		if (table)
			closedir(table);
	}
	closedir(tasks);
	return found;
}

static inline bool process_has_open(const char *path)
{
	char wanted[PATH_MAX];

	must(realpath(path, wanted));
	return any_thread_has_open(wanted);
}

/* Opened for writing without waiting: 0, or errno. */
static inline int try_to_write(const char *path)
{
	long fd = by_hand(SYS_open, (long)path, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0, 0, 0);

	return fd < 0 ? (int)-fd : close((int)fd);
}

/* --- threads --- */

/* Ids of all threads of the process, the calling thread first: those that libc knows and others. */
static inline size_t threads_get(pid_t *threads, size_t most)
{
	DIR *tasks = opendir("/proc/self/task");
	size_t count = 1;

	must(tasks);
	threads[0] = (pid_t)syscall(SYS_gettid);
	for (struct dirent *task; count < most && (task = readdir(tasks));)
		if (task->d_name[0] != '.' && atoi(task->d_name) != threads[0])
			threads[count++] = atoi(task->d_name);
	closedir(tasks);
	return count;
}

#endif
