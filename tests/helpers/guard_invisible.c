/* SPDX-License-Identifier: MIT */
/*
 * P4, P5, P8: the lease thread is invisible: descriptors, locks, threads, signals.
 */
#include <stdatomic.h>
#include <sys/socket.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#else
#define __libc_single_threaded true /* before glibc 2.32 nobody can ask */
#endif

#include "guard_file.h"

#define USER 40321

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
	file_make(SECOND, 1, PAGES);
	descriptors_list(before, sizeof(before));
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	char *second = view_make(SECOND, PROT_READ, 0, PAGES);
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
	wait_until(!process_has_open(SECOND));
	check(view, "after the change");
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
	struct other writer = other_start(change_by_other, NULL);

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
	check(second, "after the change");
	other_end(&writer); /* it has the looker's pipe too */
	other_end(&looker);
}

/* The program's own read lease beside ours: each is told, and the writer waits for both. */
PROMISE_WIDTHS(P5, own_leases_work_beside_ours)
{
	struct other writer = other_start(change_by_other, NULL);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	char *view = fresh();
	int fd = file_open(FILE_NAME);
	must(fcntl(fd, F_SETLEASE, F_RDLCK) == 0);
	promise(fcntl(fd, F_GETLEASE) == F_RDLCK, "the program's lease is not there");
	other_begin(&writer);
	must(sigwaitinfo(&set, NULL) == SIGIO);
	promise(page_is(view, 1, 0), "changed while the program's lease was there");
	must(fcntl(fd, F_SETLEASE, F_UNLCK) == 0);
	other_wait(&writer);
	check(view, "after the change");
	other_end(&writer);
}

/* --- threads and signals --- */

PROMISE_WIDTHS(P5, guarded_libc_stays_single_threaded)
{
	char *view = fresh();

	promise(__libc_single_threaded, "guarded: libc thinks that there are threads");
	change();
	check(view, "after the change");
	pid_t child = sure(fork());
	promise(__libc_single_threaded, "forked: libc thinks that there are threads");
	if (!child)
		_exit(0);
	child_wait(child);
	must(mprotect(view, BYTES, RW) == 0);
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

/* --- threads with a descriptor table of their own --- */

static void *map_unreadable(void *unused)
{
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
	/* closefrom() without close_range(2) looks into the process's table, and never ends. */
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
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

int main(int argc, char **argv)
{
	static const char *const names[] = { "close", "close_range", "closefrom", "number" };

	for (size_t i = 0; i < COUNT(closers); i++)
		case_make(closes_everything, &closers[i], false, "closes_everything/%s", names[i]);
	return cases_main(argc, argv);
}
