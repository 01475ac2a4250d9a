/* SPDX-License-Identifier: MIT */
/*
 * A2, A3, P4, P5: the log's descriptor is listed in /proc/self/fd like any other; it can be closed
 * and its number taken, and is not there again afterwards. Each case makes RECORDS records (opens
 * of /proc/self/mem) once more at its end, and none may land in a file of the program's.
 */
#include <grp.h>
#include <linux/close_range.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "helper.h"

#define RECORDS	 10
#define OWN_FILE "listed.own"
#define MOST	 256

static void record(void)
{
	int fd = open("/proc/self/mem", O_RDONLY);

	must(fd >= 0 && close(fd) == 0);
}

static void record_all(void)
{
	for (int i = 0; i < RECORDS; i++)
		record();
}

/* What is listed from 3 on, without the list itself. */
static int list(int *numbers)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	must(directory);
	while ((entry = readdir(directory)) && count < MOST) {
		int fd = atoi(entry->d_name);
		if (fd > 2 && fd != dirfd(directory))
			numbers[count++] = fd;
	}
	must(closedir(directory) == 0);
	return count;
}

static void nothing_is_listed(const char *when)
{
	int numbers[MOST];

	promise(list(numbers) == 0, "%s descriptor %d is listed", when, numbers[0]);
}

/* The only one that the program did not open. */
static int number_of_log(void)
{
	int numbers[MOST];

	promise(list(numbers) == 1, "the log is not the only descriptor");
	return numbers[0];
}

static int open_own(void)
{
	return sure(open(OWN_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

static void own_is_empty(void)
{
	struct stat file;

	must(stat(OWN_FILE, &file) == 0);
	promise(file.st_size == 0, "%jd bytes landed in a file of the program's",
		(intmax_t)file.st_size);
}

/* --- closing what is listed --- */

static long by_libc(int fd)
{
	return close(fd);
}

static long by_syscall(int fd)
{
	return syscall(SYS_close, fd);
}

static long by_no_library(int fd)
{
	return by_hand(SYS_close, fd, 0, 0, 0, 0);
}

static long by_range(int fd)
{
	return skip_without(close_range((unsigned int)fd, (unsigned int)fd, 0), CLOSE_RANGE_SINCE);
}

static long by_range_of_its_own(int fd)
{
	return skip_without(close_range((unsigned int)fd, (unsigned int)fd, CLOSE_RANGE_UNSHARE),
			    CLOSE_RANGE_SINCE);
}

static long by_dup(int fd)
{
	return dup2(0, fd) == fd ? by_no_library(fd) : -1;
}

typedef long closer(int fd);

static void until_nothing_is_left(const void *how)
{
	closer *const *by = how;
	int numbers[MOST], count;

	record_all();
	for (int round = 0; (count = list(numbers)); round++) {
		promise(round < 3, "descriptor %d is listed again and again", numbers[0]);
		for (int i = 0; i < count; i++)
			promise((*by)(numbers[i]) == 0, "descriptor %d is listed: close: %s",
				numbers[i], strerror(errno));
		record();
	}
	for (int fd = 3; fd < 1100; fd++)
		promise(close(fd) == -1 && errno == EBADF, "closed %d, which is not listed", fd);
	nothing_is_listed("after all was closed");
	record_all();
	nothing_is_listed("after more records");
}

#define BY(name)                       \
	(const void *)&(closer *const) \
	{                              \
		name                   \
	}

/* --- errors are the kernel's --- */

static long sleeps(void)
{
	struct rusage usage;

	must(getrusage(RUSAGE_THREAD, &usage) == 0);
	return usage.ru_nvcsw;
}

CASE_NAMED("failing", calls_that_fail_close_nothing)
{
	int log = number_of_log();
	long before = sleeps();

	promise(dup2(0, -1) == -1 && errno == EBADF, "dup2 onto -1: %s", strerror(errno));
	promise(sleeps() - before < 100, "dup2 onto -1 sleeps %ld times", sleeps() - before);

	promise(dup2(77, log) == -1 && errno == EBADF, "dup2 from nowhere: %s", strerror(errno));
	promise(dup3(77, log, O_CLOEXEC) == -1 && errno == EBADF, "dup3 from nowhere");
	promise(dup3(0, log, 1) == -1 && errno == EINVAL, "dup3 with a flag");
	promise(syscall(SYS_dup3, 0, log, 1) == -1 && errno == EINVAL,
		"dup3 with a flag, by number");
	promise(dup3(log, log, 0) == -1 && errno == EINVAL, "dup3 onto itself");
	promise(dup2(log, log) == log, "dup2 onto itself");
	promise(close_range(3, ~0U, 1U << 30) == -1 && (errno == EINVAL || errno == ENOSYS),
		"close_range with a flag");
	promise(close_range(log, 3, 0) == -1 && (errno == EINVAL || errno == ENOSYS),
		"close_range backwards");
	promise(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 || errno == EINVAL ||
			errno == ENOSYS, /* before 5.9, 5.11 */
		"close_range, later");
	promise(number_of_log() == log, "the log moved from %d", log);
	record_all();
	promise(number_of_log() == log, "the log moved from %d", log);
}

/* --- numbers --- */

CASE_NAMED("small", numbers_are_small, HOLDS_BARE)
{
	struct rlimit limit;
	int numbers[MOST];

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_cur < 4096)
		skip("a limit of %ju descriptors", (uintmax_t)limit.rlim_cur);
	for (int count = list(numbers), i = 0; i < count; i++)
		promise(numbers[i] < 1024, "descriptor %d", numbers[i]);
}

CASE_NAMED("taken", number_is_the_programs)
{
	int log = number_of_log();
	int own = open_own();
	struct stat a, b;

	promise(dup2(own, log) == log, "dup2: %s", strerror(errno));
	record_all();
	must(fstat(own, &a) == 0);
	promise(!fstat(log, &b) && a.st_ino == b.st_ino, "%d is not the program's file", log);
	own_is_empty();
	must(close(own) == 0 && close(log) == 0);
	nothing_is_listed("after all was closed");
}

/* ext4 gives a new file the inode of the last that was deleted. The log is a new one then. */
static void inode_is_the_programs(const void *name)
{
	const char *path = getenv(name);
	int log = number_of_log();
	struct stat before, now;

	must(path && fstat(log, &before) == 0);
	record();
	must(by_no_library(log) == 0 && unlink(path) == 0);
	for (int i = 0; i < 50; i++) {
		int own = open_own();
		must(fstat(own, &now) == 0);
		if (now.st_ino == before.st_ino && now.st_dev == before.st_dev) {
			must(by_hand(SYS_dup3, own, log, 0, 0, 0) == log);
			record_all();
			own_is_empty();
			return;
		}
		must(close(own) == 0 && rename(OWN_FILE, "listed.kept") == 0);
	}
	skip("no inode was used again");
}

/* --- other processes in our memory --- */

/* Own has the number of the log, and all others are closed. */
static void take_all(const int *numbers, int count, int own, bool hidden)
{
	for (int i = 0; i < count; i++)
		if (numbers[i] == own)
			continue;
		else if (hidden)
			by_hand(SYS_dup2, own, numbers[i], 0, 0, 0);
		else
			dup2(own, numbers[i]);
	if (hidden)
		by_hand(SYS_close, own, 0, 0, 0, 0);
	else
		close(own);
}

CASE_NAMED("vfork", child_of_vfork_leaves_nothing, HOLDS_BARE)
{
	int before[MOST], after[MOST], own = open_own();
	int count = list(before);

	for (int i = 0; i < RECORDS; i++) {
		pid_t child = sure(vfork());
		if (!child) {
			take_all(before, count, own, i % 2);
			record();
			_exit(0);
		}
		must(waitpid(child, NULL, 0) == child);
		record();
	}
	promise(list(after) == count && !memcmp(before, after, (size_t)count * sizeof(int)),
		"%d descriptors before, %d after", count, list(after));
	must(close(own) == 0);
	own_is_empty();
}

/* --- programs that shut themselves in --- */

static void become_nobody(void)
{
	must(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0);
	must(setresuid(65534, 65534, 65534) == 0);
	must(prctl(PR_SET_DUMPABLE, 1) == 0); /* or /proc/self is root's */
}

/* The log's directory is root's alone. */
static void hide_log(void)
{
	if (geteuid())
		skip("needs root");
	must(chmod("..", 0700) == 0);
}

CASE_NAMED("nobody", without_privileges, HOLDS_BARE)
{
	hide_log();
	closefrom(3);
	become_nobody();
	record_all();
}

/* What it closes now it may not open again. */
CASE_NAMED("nobody.twice", twice_without_privileges, HOLDS_BARE)
{
	hide_log();
	closefrom(3);
	become_nobody();
	closefrom(3);
	record_all();
	nothing_is_listed("after all was closed");
}

CASE_NAMED("nobody.children", children_without_privileges, HOLDS_BARE)
{
	hide_log();
	become_nobody();
	closefrom(3);
	for (int i = 0; i < RECORDS; i++) {
		IN_CHILD {
			closefrom(3);
			record();
		}
	}
}

/* What its lease thread has to say then is in the log too. */
CASE_NAMED("nobody.break", break_without_privileges)
{
	hide_log();
	must(chmod(".", 0755) == 0);
	closefrom(3);
	file_make(OWN_FILE, 1, 4);
	char *view = view_make(OWN_FILE, PROT_READ, 0, 4);
	must(chown(OWN_FILE, 65534, 65534) == 0);
	become_nobody();
	int fd = open(OWN_FILE, O_WRONLY);
	must(fd >= 0 && write(fd, "changed", 7) == 7 && close(fd) == 0);
	view_check(view, 1, 0, 4, "the snapshot");
	unlink(OWN_FILE);
}

CASE_NAMED("root", in_another_root, HOLDS_BARE)
{
	hide_log();
	closefrom(3);
	must(mkdir("root", 0755) == 0 && mkdir("root/proc", 0755) == 0);
	int proc = open("/proc", O_RDONLY | O_DIRECTORY);
	must(chroot("root") == 0 && chdir("/") == 0);
	for (int i = 0; i < RECORDS; i++)
		must(close(openat(proc, "self/mem", O_RDONLY)) == 0);
	for (int fd = proc + 1; fd < 1100; fd++) /* for closefrom some libcs want /proc */
		close(fd);
	must(close(openat(proc, "self/mem", O_RDONLY)) == 0);
}

CASE_NAMED("stderr", without_standard_error, HOLDS_BARE)
{
	closefrom(2);
	record_all();
	nothing_is_listed("after all was closed");
}

CASE_NAMED("full", with_a_full_table, HOLDS_BARE)
{

	limit_set(RLIMIT_NOFILE, 64);
	open_own();
	closefrom(4);
	while (dup(3) >= 0)
		;
	promise(errno == EMFILE, "dup: %s", strerror(errno));
	must(close(63) == 0);
	for (int i = 0; i < RECORDS; i++) {
		promise(open("/proc/self/mem", O_RDONLY) == 63, "not the last free number");
		must(close(63) == 0);
	}
	own_is_empty();
}

/* --- several at once --- */

static atomic_bool over;
static int wanted; /* where the log was at first, and is again when nobody took the number */

static void *writes(void *unused)
{
	for (int i = 0; i < 100 * RECORDS; i++)
		record();
	return unused;
}

static void *closes(void *fd)
{
	int own = *(int *)fd;

	while (!atomic_load(&over)) {
		must(dup2(own, wanted) == wanted);
		must(close(wanted) == 0);
		sched_yield();
	}
	return NULL;
}

CASE_NAMED("threads", while_threads_close)
{
	pthread_t threads[3];
	int own;

	wanted = number_of_log();
	own = open_own();
	threads[2] = thread_start(closes, &own);
	for (int i = 0; i < 2; i++)
		threads[i] = thread_start(writes, NULL);
	for (int i = 0; i < 2; i++)
		thread_end(threads[i]);
	atomic_store(&over, true);
	thread_end(threads[2]);
	own_is_empty();
}

static void handler(int signal)
{
	int saved = errno;

	close_range(512, ~0U, 0);
	errno = saved;
}

static void *signals(void *target)
{
	while (!atomic_load(&over)) {
		pthread_kill(*(pthread_t *)target, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

CASE_NAMED("handler", while_a_handler_closes, HOLDS_BARE)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	pthread_t self = pthread_self(), other;

	must(sigaction(SIGUSR1, &action, NULL) == 0);
	other = thread_start(signals, &self);
	writes(NULL);
	atomic_store(&over, true);
	thread_end(other);
}

CASE_OF("listed.close", until_nothing_is_left, BY(by_libc), HOLDS_BARE)
CASE_OF("listed.syscall", until_nothing_is_left, BY(by_syscall), HOLDS_BARE)
CASE_OF("listed.by_hand", until_nothing_is_left, BY(by_no_library), HOLDS_BARE)
CASE_OF("listed.close_range", until_nothing_is_left, BY(by_range), HOLDS_BARE)
CASE_OF("listed.unshare", until_nothing_is_left, BY(by_range_of_its_own), HOLDS_BARE)
CASE_OF("listed.dup2", until_nothing_is_left, BY(by_dup), HOLDS_BARE)
CASE_OF("inode", inode_is_the_programs, "MMFENCE_AUDIT_LOG")

CASES_MAIN
