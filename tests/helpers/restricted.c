/* SPDX-License-Identifier: MIT */
/*
 * P2, P4, P5: programs that keep the world out or look closely at themselves go on working.
 */
#include <grp.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "helper.h"

#define FILE_NAME "restricted.data"
#define PAGES	  8
#define BYTES	  (PAGES * PAGE)

static char *fresh(void)
{
	file_make(FILE_NAME, 1, PAGES);
	return view_make(FILE_NAME, PROT_READ, 0, PAGES);
}

static void holds(const char *view, const char *what)
{
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(view, 1, 0, PAGES, what);
}

/* --- P4: programs that shut doors --- */

PROMISE(P4, closes_everything)
{
	char *view = fresh();

	closefrom(3);
	char *second = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	holds(view, "mapped before closing");
	view_check(second, 1, 0, PAGES, "mapped after closing");
}

PROMISE(P4, runs_at_the_descriptor_limit)
{
	struct rlimit limit = { 32, 32 };
	int fd, last;

	file_make(FILE_NAME, 1, PAGES);
	fd = file_open(FILE_NAME);
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while ((last = open("/dev/null", O_RDONLY)) >= 0)
		promise(last < 32, "descriptor %d", last);
	promise(errno == EMFILE, "open at the limit: %s", strerror(errno));
	char *view = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	promise(view != MAP_FAILED, "mmap at the limit: %s", strerror(errno));
	must(close(10) == 0);
	holds(view, "mapped at the limit");
	promise(open("/dev/null", O_RDONLY) == 10, "another number than the free one");
	promise(open("/dev/null", O_RDONLY) == -1 && errno == EMFILE, "more than the limit");
}

/* A program whose limit is 32 has all 32: ours may not take one of them away. */
PROMISE(P4, has_all_its_descriptors)
{
	int opened = 0;

	holds(fresh(), "before");
	closefrom(3);
	limit_set(RLIMIT_NOFILE, 32);
	while (open("/dev/null", O_RDONLY) >= 0)
		opened++;
	promise(opened == 29, "only %d of 29 descriptors were free", opened);
}

PROMISE(P4, drops_privileges)
{
	if (geteuid() != 0)
		skip("not root");
	char *view = fresh();
	must(chmod(FILE_NAME, 0666) == 0 && chmod(".", 0777) == 0);
	must(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
	char *second = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	holds(view, "mapped as root");
	view_check(second, 1, 0, PAGES, "mapped as nobody");
	promise(setuid(0) == -1 && errno == EPERM, "root again");
}

static int entries(DIR *directory)
{
	int count = 0;

	for (struct dirent *entry; (entry = readdir(directory));)
		count += entry->d_name[0] != '.';
	return count;
}

CASE(goes_to_a_chroot)
{
	if (geteuid() != 0)
		skip("not root");
	char *view = fresh();
	DIR *tasks = opendir("/proc/self/task");
	must(tasks);
	must(chroot(".") == 0 && chdir("/") == 0);
	promise(entries(tasks) == 1, "a thread has something of the old root open");
	closedir(tasks);
	char *second = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	promise(page_is(second, 1, 0), "a mapping in the chroot shows something else");
	holds(view, "mapped before chroot");
	must(munmap(second, BYTES) == 0);
}

PROMISE(P4, becomes_a_daemon)
{
	int result[2];
	char byte = 0;
	pid_t child;

	must(pipe(result) == 0);
	child = sure(fork());
	if (!child) {
		char *view = fresh();
		must(setsid() > 0);
		if (fork())
			_exit(0);
		for (int fd = 0; fd < 1024; fd++)
			if (fd != result[1])
				close(fd);
		umask(0);
		file_overwrite(FILE_NAME, 2, 0, PAGES);
		for (size_t i = 0; i < PAGES; i++)
			if (!page_is(view + i * PAGE, 1, i))
				_exit(1);
		must(write(result[1], &byte, 1) == 1);
		_exit(0);
	}
	close(result[1]);
	child_wait(child);
	promise(read(result[0], &byte, 1) == 1, "the daemon did not come through");
}

/* --- P5: programs that look at themselves --- */

static bool locked_by_other(short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);

	must(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && close(fd) == 0);
	return lock.l_type != F_UNLCK;
}

static void check_lock(const void *unused)
{
	promise(locked_by_other(F_WRLCK), "the record lock is gone");
}

PROMISE(P5, record_locks_stay, HOLDS_BARE)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct other other;
	int fd;

	file_make(FILE_NAME, 1, PAGES);
	other = other_start(check_lock, NULL);
	fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);
	must(fcntl(fd, F_SETLK, &lock) == 0);
	other_go(&other);
	char *view = sure(mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0));
	other_go(&other);
	must(mprotect(view, BYTES, RW) == 0);
	other_go(&other);
	must(munmap(view, BYTES) == 0);
	other_last(&other);
}

static volatile sig_atomic_t lease_signals;

static void on_lease(int signal)
{
	lease_signals++;
}

/* The shim's own look at the file must not break it: that would hold the program up. */
static void keeps_its_lease(const void *kind)
{
	struct timespec before, after;
	int fd;

	file_make(FILE_NAME, 1, PAGES);
	fd = open(FILE_NAME, (*(const int *)kind == F_WRLCK ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	signal(SIGIO, on_lease);
	if (fcntl(fd, F_SETLEASE, *(const int *)kind))
		skip("no lease here: %s", strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &before);
	char *view = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	must(view != MAP_FAILED);
	view_check(view, 1, 0, PAGES, "a file under a lease");
	promise(after.tv_sec - before.tv_sec < 5, "mmap waited for the program's own lease");
	promise(lease_signals == 0, "the program's lease was broken");
	promise(fcntl(fd, F_GETLEASE) == *(const int *)kind, "the program's lease changed");
}

PROMISE(P5, position_and_flags_stay, HOLDS_BARE)
{
	int fd;

	file_make(FILE_NAME, 1, PAGES);
	fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	must(lseek(fd, 1234, SEEK_SET) == 1234);
	int flags = fcntl(fd, F_GETFL);
	sure(mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0));
	promise(lseek(fd, 0, SEEK_CUR) == 1234, "the position moved");
	promise(fcntl(fd, F_GETFL) == flags, "the flags changed");
	promise(flock(fd, LOCK_EX | LOCK_NB) == 0, "flock: %s", strerror(errno));
}

/* Every descriptor that shows is either the program's or very high. */
PROMISE(P5, no_descriptors_show)
{
	DIR *dir;
	struct dirent *entry;

	closefrom(3);
	char *view = fresh();
	dir = opendir("/proc/self/fd");
	must(dir);
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);
		promise(fd <= 3 || fd > 500, "descriptor %d is open", fd);
	}
	closedir(dir);
	promise(open("/dev/null", O_RDONLY) == 3, "the lowest free number is not 3");
	holds(view, "content");
}

PROMISE(P5, no_children)
{
	holds(fresh(), "content");
	promise(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "there is a child");
}

PROMISE(P5, signal_mask_stays)
{
	sigset_t before, after;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	sigprocmask(SIG_SETMASK, &before, NULL);
	char *view = fresh();
	holds(view, "content");
	must(munmap(view, BYTES) == 0);
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int signal = 1; signal < 65; signal++)
		promise(sigismember(&before, signal) == sigismember(&after, signal),
			"signal %d is %s", signal,
			sigismember(&after, signal) ? "blocked" : "not blocked");
	sigpending(&after);
	promise(sigisemptyset(&after), "a signal is pending");
}

extern char __libc_single_threaded;

PROMISE(P5, libc_stays_single_threaded)
{
	promise(__libc_single_threaded, "libc thinks of threads at the start");
	holds(fresh(), "content");
	promise(__libc_single_threaded, "libc thinks of threads after a snapshot");
}

static void unshares(const void *flags)
{
	char *view = fresh();

	if (unshare(*(const int *)flags)) {
		promise(errno != EINVAL, "unshare refuses: the process has a second thread");
		skip("unshare: %s", strerror(errno));
	}
	view_check(view, 1, 0, PAGES, "after unshare");
	holds(view, "after unshare and a change");
}

static void *finish_later(void *view)
{
	holds(view, "checked by the last thread");
	return NULL;
}

/* The main thread ends before the other: the process must end too, and with 0. */
PROMISE(P5, pthread_exit_of_the_last_thread)
{
	pid_t child = sure(fork());

	if (!child) {
		alarm(20);
		thread_start(finish_later, fresh());
		pthread_exit(NULL);
	}
	child_wait(child);
}

/* --- P2: odd places to call from --- */

static void *small_thread(void *unused)
{
	char *view = fresh();

	holds(view, "mapped by a thread with a small stack");
	close(open("/proc/self/mem", O_RDONLY));
	return NULL;
}

PROMISE(P2, small_stack)
{
	pthread_attr_t attributes;
	pthread_t thread;

	must(pthread_attr_init(&attributes) == 0);
	/* view_check and file_fill need a few pages of their own. */
	must(pthread_attr_setstacksize(&attributes, 32768) == 0);
	must(pthread_create(&thread, &attributes, small_thread, NULL) == 0);
	thread_end(thread);
}

static char *signal_view;

static void map_in_handler(int signal)
{
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

	signal_view = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	close(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
}

/* What a program of today must give a handler, and 8 KiB for its own work. */
PROMISE(P2, signal_stack)
{
	size_t size = (getauxval(AT_MINSIGSTKSZ) + 8192 + PAGE - 1) / PAGE * PAGE;
	char *room = mmap(NULL, size + PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = { .ss_sp = room + PAGE, .ss_size = size };
	struct sigaction action = { .sa_handler = map_in_handler, .sa_flags = SA_ONSTACK };

	file_make(FILE_NAME, 1, PAGES);
	must(room != MAP_FAILED && mprotect(room, PAGE, PROT_NONE) == 0);
	must(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
	must(raise(SIGUSR2) == 0);
	promise(signal_view != MAP_FAILED, "mmap in the handler failed");
	holds(signal_view, "mapped on a signal stack");
}

static sigjmp_buf out_of_open;
static volatile sig_atomic_t opening, jumps;

static void jump_out(int signal)
{
	if (!opening)
		return;
	opening = 0;
	jumps++;
	siglongjmp(out_of_open, 1);
}

typedef int open_function(const char *path);

static int by_open(const char *path)
{
	return open(path, O_RDONLY);
}

static int by_openat(const char *path)
{
	return openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

static int by_syscall(const char *path)
{
	return (int)syscall(SYS_open, path, O_RDONLY);
}

/* A FIFO that nobody writes: open blocks, and the handler leaves it for good. */
PROMISE(P2, siglongjmp_out_of_a_blocking_open)
{
	static open_function *const functions[] = { by_open, by_openat, by_syscall };
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
	struct sigaction action = { .sa_handler = jump_out };

	char *view = fresh();
	must(mkfifo("fifo", 0600) == 0 || errno == EEXIST);
	sigaction(SIGALRM, &action, NULL);
	must(setitimer(ITIMER_REAL, &every, NULL) == 0);
	for (volatile size_t i = 0; i < 30; i++)
		if (!sigsetjmp(out_of_open, 1)) {
			opening = 1;
			functions[i % COUNT(functions)]("fifo");
			broken("open of a FIFO without writer returned");
		}
	must(setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL) == 0);
	promise(jumps == 30, "%d jumps", (int)jumps);
	char *second = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	holds(view, "mapped before the jumps");
	view_check(second, 1, 0, PAGES, "mapped after the jumps");
	must(munmap(view, BYTES) == 0 && munmap(second, BYTES) == 0);
}

static void *opens_a_fifo(void *unused)
{
	open("fifo", O_RDONLY);
	return NULL;
}

/* open is a cancellation point: the thread unwinds through the wrapper. */
PROMISE(P2, cancelled_in_a_blocking_open)
{
	pthread_t thread;
	void *result;

	char *view = fresh();
	must(mkfifo("fifo", 0600) == 0 || errno == EEXIST);
	for (int i = 0; i < 10; i++) {
		thread = thread_start(opens_a_fifo, NULL);
		must(pthread_cancel(thread) == 0);
		must(pthread_join(thread, &result) == 0);
		promise(result == PTHREAD_CANCELED, "the thread was not cancelled");
	}
	holds(view, "mapped before");
	view_check(view_make(FILE_NAME, PROT_READ, 0, 1), 2, 0, 1, "mapped after");
}

CASE_OF("keeps_its_read_lease", keeps_its_lease, AS(int, F_RDLCK), HOLDS_BARE)
CASE_OF("keeps_its_write_lease", keeps_its_lease, AS(int, F_WRLCK), HOLDS_BARE)
CASE_OF("unshares_users", unshares, AS(int, CLONE_NEWUSER))
CASE_OF("unshares_mounts", unshares, AS(int, CLONE_NEWNS))
CASE_OF("unshares_files", unshares, AS(int, CLONE_FILES))

CASES_MAIN
