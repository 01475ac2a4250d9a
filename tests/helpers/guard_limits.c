/* SPDX-License-Identifier: MIT */
/*
 * S9, S10: guarded mappings when something runs out. The options that make it so come from
 * the runner.
 */
#include <grp.h>
#include <sys/resource.h>

#include "guard_file.h"

#define MANY 40

/* A user whose processes and signals nobody else counts. */
static void become_somebody(void)
{
	uid_t user = 40000 + (uid_t)getpid() % 20000;

	if (geteuid())
		return;
	must(fchown(open(".", O_RDONLY | O_CLOEXEC), user, user) == 0);
	must(setgroups(0, NULL) == 0 && setgid(user) == 0 && setuid(user) == 0);
}

/* --- no room for the old pages --- */

CASE(lost_is_said)
{
	char *small = guarded_make("guard.small", PROT_READ, 2);
	char *view = fresh();

	alarm(PATIENT);
	change();
	promise(!strcmp(fate_at(view), "lost"), "fate %s, not lost", fate_at(view));
	file_overwrite("guard.small", 2, 0, 2);
	view_check(small, 1, 0, 2, "a small one, for which there was room");
	must(munmap(view, BYTES) == 0);
}

/* The writer is another process, which must not wait either. */
CASE(lost_lets_the_writer_in)
{
	struct other other = other_start(change_by_other, NULL);
	char *view = fresh();

	alarm(PATIENT);
	other_last(&other);
	promise(!strcmp(fate_at(view), "lost"), "fate %s, not lost", fate_at(view));
}

/* Made writable, and there is no room: nothing is half done. */
CASE(lost_when_made_writable)
{
	char *view = fresh();
	int r = mprotect(view, BYTES, RW);

	promise(!strcmp(fate_at(view), "lost"), "fate %s, not lost", fate_at(view));
	printf("%s\n", r ? strerrorname_np(errno) : "writable");
	check(view, "the file as it is");
}

CASE(put_aside_somewhere)
{
	char *view = fresh();

	change();
	must(truncate(FILE_NAME, 0) == 0);
	preserved_check(view, "after the change");
	printf("%s\n", engine_at(view));
	fflush(stdout);
	check(view, "after the change");
}

/* What is unmapped is given back, so that the next one has room. */
CASE(room_is_given_back)
{
	for (int i = 0; i < 50; i++) {
		char *view = fresh();
		change();
		preserved_check(view, "after the change");
		check(view, "after the change");
		must(munmap(view, BYTES) == 0);
	}
}

/* --- descriptors, processes --- */

static void name_of(size_t i, char name[32])
{
	snprintf(name, 32, "guard.%zu", i);
}

/* The table of leases is full: the rest is copied. */
CASE(descriptors)
{
	char *views[MANY], name[32];
	size_t guarded = 0;

	limit_set(RLIMIT_NOFILE, 24);
	for (size_t i = 0; i < MANY; i++) {
		name_of(i, name);
		file_make(name, (unsigned int)i, 2);
		views[i] = view_make(name, PROT_READ, 0, 2);
		guarded += !strcmp(engine_at(views[i]), "guard");
		promise(!mmfence_active() || strcmp(engine_at(views[i]), "none"),
			"file %zu got no snapshot", i);
	}
	promise(!mmfence_active() || (guarded > 5 && guarded < 24), "%zu guarded", guarded);
	for (size_t i = 0; i < MANY; i++) {
		name_of(i, name);
		must(truncate(name, 0) == 0);
	}
	for (size_t i = 0; i < MANY; i++)
		view_check(views[i], (unsigned int)i, 0, 2, "one of many");
}

/* Until the kernel gives none any more. */
static void fill_areas(void)
{
	const size_t most = 300000;
	char *range = mmap(NULL, most * 2 * PAGE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (range == MAP_FAILED)
		skip("no address space for that many areas");
	for (size_t i = 0; i < most; i++)
		if (mprotect(range + 2 * i * PAGE, PAGE, PROT_READ)) {
			while (mmap(NULL, PAGE, i++ & 1 ? PROT_READ : PROT_NONE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
				;
			return;
		}
	skip("vm.max_map_count is too high here");
}

CASE(at_the_limit_of_areas)
{
	struct other other = other_start(change_by_other, NULL);
	char *view = fresh();
	char *second = guarded_make(SECOND, PROT_READ, PAGES);

	fill_areas();
	other_last(&other);
	check(view, "the first");
	promise(mprotect(second, BYTES, RW) == 0, "mprotect: %m");
	second[0]++;
	view_check(second + PAGE, 1, 1, PAGES - 1, "the second");
}

/* No lease thread, no capture: a plain mapping, and no waiting. */
CASE(no_lease_thread, HOLDS_BARE)
{

	become_somebody();
	file_make(FILE_NAME, 1, PAGES);
	limit_set(RLIMIT_NPROC, 1);
	alarm(PATIENT);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	promise(!strcmp(engine_at(view), "none"), "engine %s", engine_at(view));
	change();
	view_check(view, 2, 0, PAGES, "the plain mapping");
}

/* The child has none: it says so, the parent keeps its own, the writer need not wait. */
CASE(no_lease_thread_in_the_child)
{

	become_somebody();
	char *view = fresh();
	limit_set(RLIMIT_NPROC, 3);
	alarm(PATIENT);
	IN_CHILD {
		promise(!strcmp(fate_at(view), "lost"), "fate %s, not lost", fate_at(view));
	}
	guarded_check(view, "the parent");
	change();
	check(view, "the parent");
}

/* The program shuts itself in when it has its files: the old pages need no descriptor of it. */
static void by_libc(const struct rlimit *limit)
{
	must(setrlimit(RLIMIT_NOFILE, limit) == 0);
}

static void by_prlimit(const struct rlimit *limit)
{
	must(prlimit(0, RLIMIT_NOFILE, limit, NULL) == 0);
}

static void by_number(const struct rlimit *limit)
{
	uint64_t wide[2] = { limit->rlim_cur, limit->rlim_max };

	must(syscall(SYS_prlimit64, getpid(), RLIMIT_NOFILE, wide, NULL) == 0);
}

static void *by_thread_number(void *limit)
{
	must(prlimit((pid_t)syscall(SYS_gettid), RLIMIT_NOFILE, limit, NULL) == 0);
	return NULL;
}

static void by_a_thread(const struct rlimit *limit)
{
	struct rlimit copy = *limit;

	in_thread(by_thread_number, &copy);
}

struct lowering {
	void (*by)(const struct rlimit *);
	rlim_t to;
};

static void limit_is_lowered(const void *argument)
{
	const struct lowering *lowering = argument;
	struct rlimit limit = { lowering->to, lowering->to };
	struct other other = other_start(change_by_other, NULL);
	char *view = fresh();

	lowering->by(&limit);
	other_last(&other);
	check(view, "after the limit was lowered");
}

/* What is needed to preserve that many is memory, too. */
CASE(data_limit_is_lowered)
{
	struct rlimit limit = { 0, 0 };
	struct other other = other_start(change_by_other, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	for (size_t i = 0; i < 3000; i++)
		view_make(FILE_NAME, PROT_READ, i % 2 * 8, 1);
	must(setrlimit(RLIMIT_DATA, &limit) == 0);
	other_go(&other);
	view_check(view, 1, 0, PAGES, "after the limit was lowered");
	other_end(&other);
}

/* Who gives up the right to lock memory keeps what is locked. */
static void lock_outlives_the_right(const void *by_address)
{
	struct rlimit limit = { 2 * PAGE, 2 * PAGE };
	struct other other;
	char *view, line[256];

	if (geteuid())
		skip("only root has the right to lock memory");
	must(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	other = other_start(change_by_other, NULL);
	must(by_address || mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	must(!by_address || mlock(view, BYTES) == 0);
	must(strstr(smaps_line(view, "VmFlags:", line, sizeof(line)), " lo"));
	must(setgroups(0, NULL) == 0 && setgid(40000) == 0 && setuid(40000) == 0);
	other_go(&other);
	view_check(view, 1, 0, PAGES, "after the change");
	promise(strstr(smaps_line(view, "VmFlags:", line, sizeof(line)), " lo"), "not locked:%s",
		line);
	other_end(&other);
}

/* --- signals --- */

static void fill_the_queue(void)
{
	union sigval value = { 0 };
	sigset_t set;

	become_somebody();
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	limit_set(RLIMIT_SIGPENDING, 2);
	while (sigqueue(getpid(), SIGRTMIN + 5, value) == 0)
		;
	must(errno == EAGAIN);
	alarm(2 * PATIENT); /* lost signals are made good for now and then */
}

PROMISE_WIDTHS(S9, full_signal_queue_and_a_break)
{
	fill_the_queue();
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	change();
	check(view, "after the change");
}

/* The queue fills when the guard is there already. */
PROMISE_WIDTHS(S9, signal_queue_that_fills_later)
{
	char *view;

	become_somebody();
	view = fresh();
	fill_the_queue();
	change();
	check(view, "after the change");
}

PROMISE_WIDTHS(S9, full_signal_queue_and_own_stores)
{
	become_somebody();
	char *view = fresh();
	fill_the_queue();
	must(mprotect(view, BYTES, RW) == 0);
	pattern_fill(view, 9, 0);
	change();
	view_check(view, 9, 0, 1, "the store");
	view_check(view + PAGE, 1, 1, PAGES - 1, "after the change");
}

PROMISE_WIDTHS(S9, full_signal_queue_and_fork)
{
	become_somebody();
	char *view = fresh();
	fill_the_queue();
	IN_CHILD {
		change();
		check(view, "the child");
	}
	check(view, "the parent");
}

PROMISE_WIDTHS(S9, full_signal_queue_and_munmap, HOLDS_BARE)
{
	become_somebody();
	char *view = fresh();
	fill_the_queue();
	must(munmap(view, BYTES) == 0);
	wait_until(!leases_of(id_of(FILE_NAME), NULL));
}

/* --- S10: stopped for longer than the kernel waits; the runner makes that short --- */

CASE(stopped_too_long)
{
	struct gate lost = gate_make();
	pid_t child = fork();
	int status;

	must(child >= 0);
	if (!child) {
		char *view = fresh();
		raise(SIGSTOP);
		gate_wait(&lost);
		alarm(PATIENT);
		wait_until(
			!strcmp(fate_at(view), "lost")); /* the lease thread finds out on its own */
		must(munmap(view, BYTES) == 0);
		exit(0);
	}
	must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	change();
	must(kill(child, SIGCONT) == 0);
	gate_open(&lost);
	child_wait(child);
}

/* And it ends at once. */
CASE(stopped_too_long_and_ends)
{
	pid_t child = sure(fork());
	int status;

	if (!child) {
		guarded_make(FILE_NAME, PROT_READ, PAGES);
		raise(SIGSTOP);
		exit(0);
	}
	must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	change();
	must(kill(child, SIGCONT) == 0);
	child_wait(child);
}

/* Stopped, but no longer than that: nothing is lost. */
CASE(stopped_a_while)
{
	struct other other = other_start(change_by_other, NULL);
	struct gate changed = gate_make();
	int status;
	pid_t child = sure(fork());

	if (!child) {
		char *view = fresh();
		raise(SIGSTOP);
		gate_wait(&changed);
		preserved_check(view, "after SIGCONT");
		check(view, "after SIGCONT");
		_exit(0);
	}
	must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	other_begin(&other);
	wait_until_stuck(other.pid, other.pid);
	must(kill(child, SIGCONT) == 0);
	other_wait(&other);
	gate_open(&changed);
	child_wait(child);
	other_end(&other);
}

/* --- who may have a lease --- */

/* The file is root's, and the program somebody else: no lease, and so a copy. */
static void somebody_elses_file(const void *hasty)
{
	time_t made = time(NULL);
	struct other other;
	char *view;

	if (geteuid())
		skip("only root can become somebody else");
	file_make(FILE_NAME, 1, PAGES);
	other = other_start(change_by_other, NULL);
	if (!hasty)
		file_settle(FILE_NAME);
	become_somebody();
	view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	if (hasty && time(NULL) >= made + 2)
		skip("the machine is too busy to be hasty");
	printf("%s\n", engine_at(view));
	fflush(stdout);
	other_last(&other);
	check(view, "after the change");
}

/* The file cannot be opened again, and so not be asked for its holes. */
CASE(inherited_and_sparse)
{
	int fd = sure(open(FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	if (geteuid())
		skip("only root can become somebody else");
	must(ftruncate(fd, BYTES) == 0);
	fd = sure(open(FILE_NAME, O_RDONLY | O_CLOEXEC));
	become_somebody();
	must(mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
}

/* --- memory that is locked --- */

#define LOCKED_BYTES (4U << 20)

/* What takes the place of a mapping need not fit beside it. */
CASE(locked_in_future)
{
	struct rlimit limit = { LOCKED_BYTES * 3 / 2, LOCKED_BYTES * 3 / 2 };
	char line[256];
	int fd = sure(open(FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	must(ftruncate(fd, LOCKED_BYTES) == 0);
	become_somebody();
	must(setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && mlockall(MCL_FUTURE) == 0);
	char *view = mmap(NULL, LOCKED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	promise(view != MAP_FAILED, "not mapped: %s", strerror(errno));
	promise(strstr(smaps_line(view, "VmFlags:", line, sizeof(line)), " lo"), "not locked");
}

CASE(own_file)
{
	struct other other = other_start(change_by_other, NULL);
	char *view;

	become_somebody();
	view = fresh();
	other_last(&other);
	preserved_check(view, "after the change");
	check(view, "after the change");
}

CASE_OF("limit_is_lowered/zero", limit_is_lowered, AS(struct lowering, by_libc, 0))
CASE_OF("limit_is_lowered/three", limit_is_lowered, AS(struct lowering, by_libc, 3))
CASE_OF("limit_is_lowered/prlimit", limit_is_lowered, AS(struct lowering, by_prlimit, 0))
CASE_OF("limit_is_lowered/number", limit_is_lowered, AS(struct lowering, by_number, 0))
CASE_OF("limit_is_lowered/thread", limit_is_lowered, AS(struct lowering, by_a_thread, 0))
CASE_OF("lock_outlives_the_right/mlock", lock_outlives_the_right, "by address")
CASE_OF("lock_outlives_the_right/mlockall", lock_outlives_the_right, NULL)
CASE_OF("somebody_elses_file", somebody_elses_file, NULL)
CASE_OF("somebody_elses_new_file", somebody_elses_file, "hasty")

CASES_MAIN
