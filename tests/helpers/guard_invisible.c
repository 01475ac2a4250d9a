/* SPDX-License-Identifier: MIT */
/*
 * P4, P5: the lease thread is invisible: descriptors, locks, threads, credentials, namespaces, the
 * end of the program. "guard_invisible held FILE" is what a case execs: nobody may have a
 * lease on the file any more.
 */
#include <grp.h>
#include <linux/capability.h>
#include <stdatomic.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#else
#define __libc_single_threaded true /* before glibc 2.32 nobody can ask */
#endif

#include "guard_helper.h"

#define FILE_NAME "guard.data"
#define PAGES	  16
#define BYTES	  (PAGES * PAGE)
#define USER	  40321

static char *fresh(void)
{
	return guarded_make(FILE_NAME, PROT_READ, PAGES);
}

static void change_now(const void *unused)
{
	(void)unused;
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

static void change(void)
{
	change_now(NULL);
}

/* The guard works, for what was mapped and for what is mapped now. */
static void guard_works(const struct other *other, const char *view, const char *when)
{
	if (other)
		other_go(other);
	else
		change();
	view_check(view, 1, 0, PAGES, when);
	file_make("guard.second", 3, PAGES);
	char *more = view_make("guard.second", PROT_READ, 0, PAGES);
	must(truncate("guard.second", PAGE) == 0);
	view_check(more, 3, 0, PAGES, when);
	must(munmap(more, BYTES) == 0);
}

/* --- descriptors --- */

/* Where the descriptors lead, one a line; sorted by number. */
static void descriptors_list(char *out, size_t size)
{
	char path[64], target[PATH_MAX];
	size_t used = 0;

	out[0] = 0;
	for (int fd = 0; fd < 70000; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = 0;
		used += (size_t)snprintf(out + used, size - used, "%d %s\n", fd, target);
		must(used < size);
	}
}

PROMISE_WIDTHS(P5, no_descriptor_of_ours_appears)
{
	static char before[8192], now[8192];

	file_make(FILE_NAME, 1, PAGES);
	file_make("guard.second", 1, PAGES);
	descriptors_list(before, sizeof(before));
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	char *second = view_make("guard.second", PROT_READ, 0, PAGES);
	descriptors_list(now, sizeof(now));
	promise(!strcmp(before, now), "guarded:\n%swere:\n%s", now, before);
	change();
	descriptors_list(now, sizeof(now));
	promise(!strcmp(before, now), "preserved:\n%swere:\n%s", now, before);
	pid_t child = sure(fork());
	descriptors_list(now, sizeof(now));
	promise(!strcmp(before, now), "%s:\n%swere:\n%s", child ? "the parent" : "the child", now,
		before);
	if (!child)
		_exit(0);
	child_wait(child);
	must(munmap(second, BYTES) == 0);
	wait_until(!process_has_open("guard.second"));
	view_check(view, 1, 0, PAGES, "after the change");
}

static void must_not_lead_below_a_thread(int directory)
{
	char target[PATH_MAX];
	struct dirent *fd;
	DIR *table = fdopendir(directory);

	must(table);
	while ((fd = readdir(table))) {
		ssize_t length = readlinkat(directory, fd->d_name, target, sizeof(target) - 1);

		target[length < 0 ? 0 : length] = 0;
		promise(strncmp(target, "/proc/", 6) || !strstr(target, "/task/"), "%s is open",
			target);
	}
	closedir(table);
}

/* The names of a thread are forgotten when it goes, those of a process by its parent when it reaps
 * it; where both go at a time, the parent spins until the thread is done. */
PROMISE_WIDTHS(P8, names_of_the_lease_thread_cost_no_parent, HOLDS_BARE)
{
	pid_t threads[8];
	char path[64];

	fresh();
	for (size_t count = threads_get(threads, COUNT(threads)); count-- > 1;) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/fd", threads[count]);
		int directory = sure(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		must_not_lead_below_a_thread(directory);
	}
}

static void close_one_by_one(void)
{
	for (int fd = 3; fd < 70000; fd++)
		close(fd);
}

static void close_by_range(void)
{
	must(skip_without(close_range(3, ~0U, 0), CLOSE_RANGE_SINCE) == 0);
}

static void close_from(void)
{
	closefrom(3);
}

static void close_by_number(void)
{
	must(skip_without(syscall(SYS_close_range, 3, ~0U, 0), CLOSE_RANGE_SINCE) == 0);
	for (int fd = 3; fd < 70000; fd++)
		syscall(SYS_close, fd);
}

typedef void closer_act(void);
static closer_act *const closers[] = { close_one_by_one, close_by_range, close_from,
				       close_by_number };

static void closes_everything(const void *closer)
{
	char *view = fresh();

	(*(closer_act *const *)closer)();
	guarded_check(view, "all is closed");
	guard_works(NULL, view, "all was closed");
	(*(closer_act *const *)closer)();
}

/* POSIX record locks go when the process closes any descriptor of the file: not when we do. */
static bool locked_for_others(const void *unused)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

	(void)unused;
	must(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0);
	close(fd);
	return lock.l_type != F_UNLCK;
}

static void must_be_locked(const void *unused)
{
	promise(locked_for_others(unused), "the lock is gone");
}

PROMISE_WIDTHS(P5, guarded_record_locks_stay)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	struct other looker = other_start(must_be_locked, NULL);
	struct other writer = other_start(change_now, NULL);

	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	must(fcntl(fd, F_SETLK, &lock) == 0);
	other_go(&looker);
	char *view = sure(mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0));
	char *second = sure(mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0));
	guarded_check(view, "with a lock");
	other_go(&looker);
	other_go(&writer);
	other_go(&looker);
	must(munmap(view, BYTES) == 0);
	view = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	must(view != MAP_FAILED && munmap(view, BYTES) == 0);
	wait_until(leases_of(id_of(FILE_NAME), NULL) == 0);
	other_go(&looker);
	view_check(second, 1, 0, PAGES, "after the change");
	other_end(&writer); /* it has the looker's pipe too */
	other_end(&looker);
}

/* The program's own read lease beside ours: each is told, and the writer waits for both. */
PROMISE_WIDTHS(P5, own_leases_work_beside_ours)
{
	struct other writer = other_start(change_now, NULL);
	sigset_t set;
	char byte = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	char *view = fresh();
	int fd = file_open(FILE_NAME);
	must(fcntl(fd, F_SETLEASE, F_RDLCK) == 0);
	promise(fcntl(fd, F_GETLEASE) == F_RDLCK, "the program's lease is not there");
	must(write(writer.go, &byte, 1) == 1);
	must(sigwaitinfo(&set, NULL) == SIGIO);
	promise(page_is(view, 1, 0), "changed while the program's lease was there");
	must(fcntl(fd, F_SETLEASE, F_UNLCK) == 0);
	must(read(writer.done, &byte, 1) == 1);
	view_check(view, 1, 0, PAGES, "after the change");
	other_end(&writer);
}

/* --- threads and signals --- */

PROMISE_WIDTHS(P5, guarded_libc_stays_single_threaded)
{
	char *view = fresh();

	promise(__libc_single_threaded, "guarded: libc thinks that there are threads");
	change();
	view_check(view, 1, 0, PAGES, "after the change");
	pid_t child = sure(fork());
	promise(__libc_single_threaded, "forked: libc thinks that there are threads");
	if (!child)
		_exit(0);
	child_wait(child);
	must(mprotect(view, BYTES, PROT_READ | PROT_WRITE) == 0);
	promise(__libc_single_threaded, "libc thinks that there are threads");
}

static void signal_seen(int number)
{
	broken("a signal of ours reached the program: %d", number);
}

PROMISE_WIDTHS(P5, no_signal_and_no_child_is_seen, HOLDS_BARE)
{
	sigset_t pending;

	for (int number = 1; number <= SIGRTMAX; number++)
		if (number != SIGCHLD && number != SIGALRM)
			signal(number, signal_seen);
	for (int i = 0; i < 20; i++) {
		char *view = fresh();
		change();
		must(munmap(view, BYTES) == 0);
	}
	must(sigpending(&pending) == 0);
	promise(sigisemptyset(&pending), "signals are pending");
	promise(waitpid(-1, NULL, __WALL | WNOHANG) == -1 && errno == ECHILD, "there is a child");
}

/* --- the end --- */

PROMISE_WIDTHS(P5, pthread_exit_of_the_main_thread_ends_the_process, HOLDS_BARE)
{
	char *view = fresh();

	promise(page_is(view, 1, 0), "the mapping");
	pthread_exit(NULL);
}

static void *outlive_the_main_thread(void *view)
{
	wait_until(thread_state(getpid(), getpid()) == 'Z');
	guard_works(NULL, view, "the main thread is gone");
	return NULL;
}

CASE(last_thread_leaves)
{
	char *view = fresh();

	pthread_t thread = thread_start(outlive_the_main_thread, view);
	must(pthread_detach(thread) == 0);
	pthread_exit(NULL);
}

/* Whose memory /proc shows only below a thread by then. */
static void *begin_after_the_main_thread(void *unused)
{
	char line[128], before[128];

	(void)unused;
	wait_until(thread_state(getpid(), getpid()) == 'Z');
	char *view = fresh();
	must(mlock(view, BYTES) == 0);
	snprintf(before, sizeof(before), "%s",
		 proc_line("/proc/thread-self/status", "VmLck:", line, sizeof(line)));
	guard_works(NULL, view, "begun without the main thread");
	promise(!strcmp(before,
			proc_line("/proc/thread-self/status", "VmLck:", line, sizeof(line))),
		"locked:%s, and then%s", before, line);
	return NULL;
}

PROMISE_WIDTHS(P5, first_guard_after_the_main_thread_left)
{
	pthread_t thread = thread_start(begin_after_the_main_thread, NULL);
	must(pthread_detach(thread) == 0);
	pthread_exit(NULL);
}

/* As the end of a child of clone() is, and of programs that bring their own libc. */
PROMISE_WIDTHS(P5, raw_exit_of_the_only_thread_ends_the_process, HOLDS_BARE)
{
	fresh();
	syscall(SYS_exit, 0);
}

enum ending { BY_EXIT, BY__EXIT, BY_KILL, BY_ABORT, BY_RETURN };

static void end_now(enum ending ending)
{
	switch (ending) {
	case BY_EXIT:
		exit(3);
	case BY__EXIT:
		_exit(3);
	case BY_KILL:
		raise(SIGKILL);
		break;
	case BY_ABORT:
		must(prctl(PR_SET_DUMPABLE, 0) == 0);
		abort();
	case BY_RETURN:
		syscall(SYS_exit_group, 3);
	}
}

/* Whoever waited for the process finds the file free. */
static void end_gives_all_back(const void *argument)
{
	const enum ending ending = *(const enum ending *)argument;
	int status;

	for (int i = 0; i < 10; i++) {
		pid_t child = sure(fork());
		if (!child) {
			fresh();
			end_now(ending);
		}
		must(waitpid(child, &status, 0) == child);
		promise(ending == BY_KILL    ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
			: ending == BY_ABORT ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT
					     : WIFEXITED(status) && WEXITSTATUS(status) == 3,
			"status %x", status);
		promise(try_to_write(FILE_NAME) == 0, "somebody still has a lease");
		promise(leases_of(id_of(FILE_NAME), NULL) == 0, "somebody still has a lease");
	}
}

static void exec_held(void)
{
	execl("/proc/self/exe", "guard_invisible", "held", FILE_NAME, (char *)NULL);
	die("execl");
}

PROMISE_WIDTHS(P5, exec_gives_all_leases_back, HOLDS_BARE)
{
	fresh();
	exec_held();
}

static void *exec_in_thread(void *unused)
{
	(void)unused;
	exec_held();
	return NULL;
}

PROMISE_WIDTHS(P5, exec_from_a_thread_gives_all_leases_back, HOLDS_BARE)
{
	fresh();
	in_thread(exec_in_thread, NULL);
}

PROMISE_WIDTHS(P5, failed_exec_changes_nothing)
{
	char *view = fresh();

	promise(execl("/nonexistent/program", "program", (char *)NULL) == -1 && errno == ENOENT,
		"exec of nothing: %s", strerror(errno));
	guarded_check(view, "after a failed exec");
	guard_works(NULL, view, "after a failed exec");
}

static int held(const char *path)
{
	int error = try_to_write(path);

	promise(error == 0, "after exec a writer: %s", strerror(error));
	promise(leases_of(id_of(path), NULL) == 0, "after exec there is a lease");
	return 0;
}

PROMISE_WIDTHS(P4, guard_outlives_daemonize)
{
	struct gate go = gate_make();
	int status;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	file_make(FILE_NAME, 1, PAGES);
	pid_t first = sure(fork());
	if (!first) {
		char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		if (fork())
			_exit(0);
		setsid();
		if (fork())
			_exit(0);
		must(chdir("/") == 0 && dup2(go.in, 0) == 0);
		closefrom(1);
		char byte;
		if (read(0, &byte, 1) != 1)
			_exit(2);
		for (size_t i = 0; i < PAGES; i++)
			if (!page_is(view + i * PAGE, 1, i))
				_exit(1);
		_exit(0);
	}
	must(waitpid(first, &status, 0) == first && !status);
	/* The one in the middle, and then the daemon. */
	must(waitpid(-1, &status, 0) > 0 && !status);
	change();
	gate_open(&go);
	must(waitpid(-1, &status, 0) > 0);
	promise(status == 0, "the daemon ended with %x", status);
}

/* --- credentials --- */

struct identity {
	char uid[64], gid[64], groups[1024];
	unsigned long long permitted, effective, inheritable, ambient;
};

static void identity_get(pid_t thread, struct identity *out)
{
	char path[64], line[2048];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", thread);
	snprintf(out->uid, sizeof(out->uid), "%.60s", proc_line(path, "Uid:", line, sizeof(line)));
	snprintf(out->gid, sizeof(out->gid), "%.60s", proc_line(path, "Gid:", line, sizeof(line)));
	snprintf(out->groups, sizeof(out->groups), "%.1000s",
		 proc_line(path, "Groups:", line, sizeof(line)));
	out->permitted = strtoull(proc_line(path, "CapPrm:", line, sizeof(line)), NULL, 16);
	out->effective = strtoull(proc_line(path, "CapEff:", line, sizeof(line)), NULL, 16);
	out->inheritable = strtoull(proc_line(path, "CapInh:", line, sizeof(line)), NULL, 16);
	out->ambient = strtoull(proc_line(path, "CapAmb:", line, sizeof(line)), NULL, 16);
}

/* Every thread is who the program is, and may do no more. */
static void same_identity(const char *when)
{
	struct identity program, thread;
	pid_t threads[16];
	size_t count = threads_get(threads, COUNT(threads));

	identity_get(threads[0], &program);
	for (size_t i = 1; i < count; i++) {
		identity_get(threads[i], &thread);
		promise(!strcmp(thread.uid, program.uid), "%s: uid%s, the program%s", when,
			thread.uid, program.uid);
		promise(!strcmp(thread.gid, program.gid), "%s: gid%s, the program%s", when,
			thread.gid, program.gid);
		promise(!strcmp(thread.groups, program.groups), "%s: groups%s, the program%s", when,
			thread.groups, program.groups);
		promise(!(thread.permitted & ~program.permitted) &&
				!(thread.effective & ~program.effective) &&
				!(thread.inheritable & ~program.inheritable) &&
				!(thread.ambient & ~program.ambient),
			"%s: capabilities %llx %llx, the program %llx %llx", when, thread.permitted,
			thread.effective, program.permitted, program.effective);
	}
}

ACTS(change, void, void)
#define CHANGE(name)	     ACT(change, #name, change_##name) static void change_##name(void)
#define CHANGE_IS(name, ...) CHANGE(name) DOES(__VA_ARGS__)

CHANGE(capset_by_number)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	must(syscall(SYS_capset, &header, data) == 0);
}

extern int capset(struct __user_cap_header_struct *, const struct __user_cap_data_struct *);

CHANGE(capset)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	must(capset(&header, data) == 0);
}

static const gid_t some_groups[] = { USER + 1, USER + 2, USER + 3 };

CHANGE_IS(all, must(setgroups(0, NULL) == 0 && setgid(USER) == 0 && setuid(USER) == 0))
CHANGE_IS(setuid, must(setuid(USER) == 0))
CHANGE_IS(setgid, must(setgid(USER) == 0))
CHANGE_IS(seteuid, must(seteuid(USER) == 0))
CHANGE_IS(setegid, must(setegid(USER) == 0))
CHANGE_IS(setreuid, must(setreuid(USER, USER) == 0))
CHANGE_IS(setregid, must(setregid(USER, USER) == 0))
CHANGE_IS(setresuid, must(setresuid(USER, USER, USER) == 0))
CHANGE_IS(setresgid, must(setresgid(USER, USER, USER) == 0))
CHANGE_IS(setgroups, must(setgroups(3, some_groups) == 0))
CHANGE_IS(initgroups, must(initgroups("nobody", USER) == 0))

#ifdef __i386__
#define NUMBER_setuid SYS_setuid32
#else
#define NUMBER_setuid SYS_setuid
#endif

CHANGE_IS(number, must(syscall(NUMBER_setuid, USER) == 0))

CHANGE(there_and_back)
{
	must(seteuid(USER) == 0);
	same_identity("there");
	must(seteuid(0) == 0);
}

/* Real and effective exchanged, saved set apart. */
CHANGE(exchanged)
{
	must(setresuid(0, USER, 0) == 0);
	same_identity("set apart");
	must(setreuid(USER, 0) == 0);
}

CHANGE(step_by_step)
{
	change_setgroups();
	same_identity("groups");
	change_setresgid();
	same_identity("group");
	must(setresuid(USER, USER, 0) == 0);
	same_identity("root is saved");
	must(setresuid(USER, USER, USER) == 0);
}

/* With capabilities that stay although the user is another one. */
CHANGE(keepcaps)
{
	must(prctl(PR_SET_KEEPCAPS, 1) == 0);
	must(setuid(USER) == 0);
}

static void root_only(void)
{
	if (geteuid())
		skip("only root can become somebody else");
	must(chmod(".", 0777) == 0);
}

static void identity(const void *argument)
{
	const struct change *what = argument;
	struct other other;

	root_only();
	other = other_start(change_now, NULL);
	char *view = fresh();
	same_identity("at first");
	what->act();
	same_identity(what->name);
	unlink("guard.second");
	guard_works(&other, view, what->name);
	same_identity("in the end");
	other_end(&other);
}

static void *set_file_system_ids(void *unused)
{
	setfsgid(USER);
	setfsuid(USER);
	return unused;
}

/* These are of one thread. */
PROMISE_WIDTHS(P5, lease_thread_stays_when_a_thread_opens_files_as_another, HOLDS_BARE)
{
	struct identity before, after;
	pid_t threads[4];

	root_only();
	fresh();
	pid_t last = threads[threads_get(threads, COUNT(threads)) - 1];
	identity_get(last, &before);
	in_thread(set_file_system_ids, NULL);
	identity_get(last, &after);
	promise(!strcmp(before.uid, after.uid) && !strcmp(before.gid, after.gid),
		"the lease thread became uid%s gid%s", after.uid, after.gid);
}

/* Writers wait for it, however little the program wants of the processor. */
PROMISE_WIDTHS(S15, lease_thread_has_normal_priority)
{
	static const struct sched_param none;
	pid_t threads[4];

	root_only();
	must(setpriority(PRIO_PROCESS, 0, 19) == 0 &&
	     sched_setscheduler(0, SCHED_IDLE, &none) == 0);
	char *view = fresh();
	guarded_check(view, "at the lowest priority");
	pid_t thread = threads[threads_get(threads, COUNT(threads)) - 1];
	promise(thread != getpid() && getpriority(PRIO_PROCESS, (id_t)thread) == 0 &&
			sched_getscheduler(thread) == SCHED_OTHER,
		"the lease thread has nice %d, policy %d", getpriority(PRIO_PROCESS, (id_t)thread),
		sched_getscheduler(thread));
	promise(getpriority(PRIO_PROCESS, 0) == 19 && sched_getscheduler(0) == SCHED_IDLE,
		"the program's own changed");
}

/* What a child of vfork becomes is its own affair. */
PROMISE_WIDTHS(P5, lease_thread_stays_when_a_vforked_child_becomes_another)
{
	struct identity before, after;
	struct other other;
	pid_t threads[4], child;

	root_only();
	other = other_start(change_now, NULL);
	char *view = fresh();
	size_t last =
		threads_get(threads, COUNT(threads)) - 1; /* the lease thread, if there is one */
	identity_get(threads[last], &before);
	child = vfork();
	if (!child) {
		if (setgid(USER) || setuid(USER) || unshare(CLONE_NEWUTS) == 0)
			_exit(EXIT_TRIAL);
		_exit(0);
	}
	must(child > 0);
	child_wait(child);
	identity_get(threads[last], &after);
	promise(!strcmp(before.uid, after.uid) && !strcmp(before.gid, after.gid),
		"the lease thread became uid%s gid%s", after.uid, after.gid);
	guarded_check(view, "after vfork");
	guard_works(&other, view, "after vfork");
	other_end(&other);
}

/* The file is open to its owner alone, who the program is no longer: what is mapped stays. */
PROMISE_WIDTHS(P5, guard_outlives_the_right_to_open_the_file)
{
	struct other other;

	root_only();
	other = other_start(change_now, NULL);
	char *view = fresh();
	must(chmod(FILE_NAME, 0600) == 0);
	change_all();
	pid_t child = sure(fork());
	if (child) {
		child_wait(child);
		other_go(&other);
	}
	view_check(view, 1, 0, PAGES, child ? "the parent" : "the child");
	if (!child)
		_exit(0);
	other_end(&other);
}

/* --- namespaces --- */

struct space {
	const char *name;
	int flag;
};

static const struct space spaces[] = {
	{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS },	 { "uts", CLONE_NEWUTS },
	{ "pid", CLONE_NEWPID },   { "net", CLONE_NEWNET },	 { "fs", CLONE_FS },
	{ "files", CLONE_FILES },  { "sysvsem", CLONE_SYSVSEM },
};

/* errno of the call in a process that has no guard. */
static int bare_errno(int (*call)(const void *), const void *argument)
{
	pid_t child = fork();
	int status;

	must(child >= 0);
	if (!child)
		_exit(call(argument) ? errno : 0);
	must(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int call_unshare(const void *argument)
{
	return unshare(((const struct space *)argument)->flag);
}

static int call_unshare_by_number(const void *argument)
{
	return (int)syscall(SYS_unshare, ((const struct space *)argument)->flag);
}

static void as_bare(int (*call)(const void *), const void *argument)
{
	int expected = bare_errno(call, argument);
	struct other other = other_start(change_now, NULL);
	char here[PATH_MAX], *view = fresh();

	must(getcwd(here, sizeof(here)));
	int error = call(argument) ? errno : 0;
	/* A mount namespace has a current directory of its own, and a root. */
	if (chdir(here))
		skip("not below that namespace's root: %s", here);
	promise(error == expected, "%s, not %s", strerrorname_np(error) ?: "success",
		strerrorname_np(expected) ?: "success");
	other_go(&other);
	view_check(view, 1, 0, PAGES, "after the call");
	char *more = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	view_check(more, 2, 0, PAGES, "mapped after the call");
	other_end(&other);
}

static void unshare_as_bare(const void *space)
{
	as_bare(call_unshare, space);
}

static void unshare_by_number_as_bare(const void *space)
{
	as_bare(call_unshare_by_number, space);
}

struct visit {
	int fd, flag;
};

static int call_setns(const void *argument)
{
	const struct visit *visit = argument;

	return setns(visit->fd, visit->flag);
}

/* Into namespaces of a child. */
static void setns_as_bare(const void *argument)
{
	const struct space *space = argument;
	struct gate ready = gate_make(), end = gate_make();
	char path[64];
	pid_t host = sure(fork());

	if (!host) {
		close(end.out);
		char byte = (char)unshare(space->flag);
		must(write(ready.out, &byte, 1) == 1);
		if (read(end.in, &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	char failed;
	must(read(ready.in, &failed, 1) == 1);
	if (failed)
		skip("no new namespaces here");
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", host, space->name);
	struct visit visit = { file_open(path), space->flag };
	as_bare(call_setns, &visit);
	must(close(end.out) == 0);
	child_wait(host);
}

/* --- another root directory, without /proc --- */

/* Without /proc, before Linux 5.6, a file cannot be had again. */
static bool is_copied_here(void)
{
	return syscall(SYS_pidfd_getfd, -1, 0, 0) == -1 && errno != ENOSYS;
}

static void in_another_root(const void *shared)
{
	int type = *(const int *)shared;
	struct other other;

	root_only();
	if (mkdir("jail", 0755) && errno != EEXIST)
		die("mkdir");
	file_make("jail/guard.inside", 4, PAGES);
	other = other_start(change_now, NULL);
	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	char *view = sure(mmap(NULL, BYTES, PROT_READ, type, fd, 0));
	guarded_check(view, "before chroot");
	must(mlock(view + PAGE, PAGE) == 0);
	must(chroot("jail") == 0 && chdir("/") == 0);
	other_go(&other);
	view_check(view, 1, 0, PAGES, "in another root");
	if (is_copied_here()) {
		char *more = view_make("/guard.inside", PROT_READ, 0, PAGES);
		must(truncate("/guard.inside", 0) == 0);
		view_check(more, 4, 0, PAGES, "mapped in another root");
	}
	other_end(&other);
}

CASE(fork_in_another_root)
{
	struct other other;

	root_only();
	if (mkdir("jail", 0755) && errno != EEXIST)
		die("mkdir");
	other = other_start(change_now, NULL);
	char *view = fresh();
	must(chroot("jail") == 0 && chdir("/") == 0);
	IN_CHILD {
		other_go(&other);
		view_check(view, 1, 0, PAGES, "the child");
	}
	view_check(view, 1, 0, PAGES, "the parent");
	other_end(&other);
}

CASE(proc_is_unmounted)
{
	if (mount("proc", "/proc", "proc", 0, NULL))
		skip("no /proc can be mounted: %m");
	char *view = fresh();
	promise(umount("/proc") == 0, "umount: %m");
	change();
	view_check(view, 1, 0, PAGES, "without /proc");
}

/* --- threads with a descriptor table of their own --- */

static void *map_unreadable(void *unused)
{
	(void)unused;
	must(unshare(CLONE_FILES) == 0);
	int fd = file_open("guard.second");
	must(fchmod(fd, 0) == 0 && dup2(fd, 20) == 20);
	return sure(mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, 20, 0));
}

/* Not the one that has the number in the process's table. */
CASE(unreadable_file_of_own_table, HOLDS_BARE)
{
	root_only();
	file_make(FILE_NAME, 1, PAGES);
	file_make("guard.second", 2, PAGES);
	must(dup2(file_open(FILE_NAME), 20) == 20);
	must(chown("guard.second", USER, USER) == 0 && seteuid(USER) == 0);
	view_check(in_thread(map_unreadable, NULL), 2, 0, PAGES, "of its own table");
}

static void *fork_with_own_table(void *unused)
{
	must(unshare(CLONE_FILES) == 0);
	closefrom(3);
	fresh();
	IN_CHILD {
	}
	return unused;
}

PROMISE_WIDTHS(P5, no_message_of_ours_comes_to_the_programs_sockets, HOLDS_BARE)
{
	char byte;
	int ends[2];

	closefrom(3);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	in_thread(fork_with_own_table, NULL);
	for (int i = 0; i < 2; i++)
		promise(recv(ends[i], &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN,
			"a message came");
}

/* --- a fork, while another thread closes all that it finds --- */

static atomic_int taken; /* a number that was not the program's */

static void *take_number(void *number)
{
	int fd = *(const int *)number;
	struct stat file;

	while (!taken) {
		if (fstat(fd, &file) || !S_ISSOCK(file.st_mode))
			continue;
		close(fd);
		must(dup2(STDIN_FILENO, fd) == fd);
		taken = fd;
	}
	return NULL;
}

PROMISE_WIDTHS(P5, fork_closes_no_number_that_was_taken_meanwhile, HOLDS_BARE)
{
	char *large = sure(mmap(NULL, 64UL << 20, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
	char *view = fresh();
	int number = sure(dup(STDIN_FILENO));

	if (!mmfence_active())
		return;
	must(large && close(number) == 0);
	pthread_t thread = thread_start(take_number, &number);
	for (int turn = 0; turn < 1000 && !taken; turn++)
		IN_CHILD {
		}
	if (!taken)
		skip("no fork took long enough");
	thread_end(thread);
	promise(fcntl(number, F_GETFD) != -1, "the fork closed %d", number);
	view_check(view, 1, 0, PAGES, "the mapping");
}

/* --- a signal to each thread that is listed --- */

static atomic_int answers;

static void answer(int signal)
{
	(void)signal;
	answers++;
}

/* Who waits for all answers would wait for ever. */
PROMISE_WIDTHS(P5, signal_to_each_thread_is_answered)
{
	struct dirent *entry;
	char *view = fresh();
	int sent = 0;

	must(signal(SIGUSR1, answer) != SIG_ERR);
	DIR *threads = opendir("/proc/self/task");
	while ((entry = readdir(threads)))
		sent += atoi(entry->d_name) &&
			!syscall(SYS_tgkill, getpid(), atoi(entry->d_name), SIGUSR1);
	closedir(threads);
	promise(answers == sent, "%d of %d threads answered", answers, sent);
	guard_works(NULL, view, "after the signals");
}

/* --- cases --- */

static void add_all(void)
{
	static const char *const closer_names[] = { "close", "close_range", "closefrom", "number" };
	static const char *const ending_names[] = { "exit", "_exit", "kill", "abort",
						    "exit_group" };
	static const enum ending endings[] = { BY_EXIT, BY__EXIT, BY_KILL, BY_ABORT, BY_RETURN };

	for (size_t i = 0; i < COUNT(closers); i++)
		case_make(closes_everything, &closers[i], false, "closes_everything/%s",
			  closer_names[i]);
	for (size_t i = 0; i < COUNT(endings); i++)
		case_make(end_gives_all_back, &endings[i], true, "end_gives_all_back/%s",
			  ending_names[i]);
	for (size_t i = 0; i < change_count; i++)
		case_make(identity, &changes[i], false, "identity/%s", changes[i].name);
	for (size_t i = 0; i < COUNT(spaces); i++) {
		case_make(unshare_as_bare, &spaces[i], false, "unshare/%s", spaces[i].name);
		case_make(unshare_by_number_as_bare, &spaces[i], false, "unshare_by_number/%s",
			  spaces[i].name);
	}
	for (size_t i = 0; i < 3; i++)
		case_make(setns_as_bare, &spaces[i], false, "setns/%s", spaces[i].name);
}

/* Another view of a shared one may be longer than that is. */
PROMISE_WIDTHS(S5, a_longer_view_of_a_shared_one_is_fenced)
{
	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	char *view = sure(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));

	guarded_check(view, "before");
	char *longer = sure(mremap(view, 0, BYTES, MREMAP_MAYMOVE));
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(longer, 1, 0, PAGES, "the longer one");
}

static const int private = MAP_PRIVATE, shared = MAP_SHARED;
CASE_OF("in_another_root/private", in_another_root, &private)
CASE_OF("in_another_root/shared", in_another_root, &shared)

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "held"))
		return held(argv[2]);
	add_all();
	return cases_main(argc, argv);
}
