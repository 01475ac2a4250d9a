/* SPDX-License-Identifier: MIT */
/*
 * S6 for guarded mappings: after fork each side has its own guard, whoever exits first.
 * "guard_fork noop" does nothing, for those that exec.
 */
#include <spawn.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "guard_helper.h"

#define FILE_NAME "guard.data"
#define PAGES	  16
#define BYTES	  (PAGES * PAGE)
#define FILES	  100

static char *fresh(void)
{
	return guarded_make(FILE_NAME, PROT_READ, PAGES);
}

/* The same, of a file whose times tell of every change. */
static char *settled(void)
{
	struct statfs fs;

	file_make(FILE_NAME, 1, PAGES);
	must(statfs(FILE_NAME, &fs) == 0);
	if ((uint32_t)fs.f_type == TMPFS_MAGIC || (uint32_t)fs.f_type == OVERLAYFS_SUPER_MAGIC)
		skip("a store changes no time here");
	file_settle(FILE_NAME);
	return view_make(FILE_NAME, PROT_READ, 0, PAGES);
}

static void change(void)
{
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	must(truncate(FILE_NAME, BYTES / 2) == 0);
}

static void check(const char *view, const char *who)
{
	view_check(view, 1, 0, PAGES, who);
}

/* --- who exits first --- */

CASE(child_exits_at_once)
{
	char *view = fresh();
	pid_t child = sure(fork());

	if (!child)
		_exit(0);
	child_wait(child);
	inherited_check(view, "the parent");
	change();
	check(view, "the parent");
}

/* The orphan is guarded although nobody of those before it lives; and is told the word. */
struct orphan {
	struct gate changed, result;
};

static _Noreturn void orphan_serve(const char *view, const struct orphan *orphan)
{
	close(orphan->changed.out);
	inherited_check(view, "the orphan");
	gate_open(&orphan->result);
	gate_wait(&orphan->changed);
	check(view, "the orphan");
	gate_open(&orphan->result);
	_exit(0);
}

/* Each but the last exits as soon as it has a child. */
static _Noreturn void descend(const char *view, int depth, const struct orphan *orphan)
{
	while (depth--)
		if (fork() != 0)
			_exit(0);
	orphan_serve(view, orphan);
}

static void all_before_exit_at_once(const void *depth)
{
	struct orphan orphan = { gate_make(), gate_make() };
	char byte;
	pid_t parent = sure(fork());

	if (!parent)
		descend(fresh(), *(const int *)depth, &orphan);
	close(orphan.result.out);
	child_wait(parent);
	gate_wait(&orphan.result);
	change();
	gate_open(&orphan.changed);
	promise(read(orphan.result.in, &byte, 1) == 1, "the orphan did not come through");
}

/* More descriptors than RLIMIT_NOFILE are on their way in somebody's socket, until the fork waits.
 */
static int crowd[2];
static atomic_bool forks;

static void crowd_send(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	struct iovec content = { "", 1 };
	struct msghdr message = { .msg_iov = &content,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, crowd) == 0);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(253 * sizeof(int));
	for (int i = 0; i < 253; i++)
		((int *)CMSG_DATA(&control.header))[i] = crowd[0];
	must(sendmsg(crowd[0], &message, 0) == 1);
}

static void *crowd_leaves(void *unused)
{
	(void)unused;
	wait_until(forks && thread_state(getpid(), getpid()) == 'S');
	must(close(crowd[0]) == 0 && close(crowd[1]) == 0);
	return NULL;
}

CASE(crowded_sockets, HOLDS_BARE)
{
	struct rlimit limit = { 200, 200 };

	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	char *view = fresh();
	crowd_send();
	pthread_t thread = thread_start(crowd_leaves, NULL);
	forks = true;
	pid_t child = sure(fork());
	inherited_check(view, child ? "the parent" : "the child");
	if (!child)
		_exit(0);
	child_wait(child);
	must(pthread_join(thread, NULL) == 0);
}

/* Every generation stays, and the last one changes the file. */
static void stay(const char *view, int depth)
{
	pid_t child;

	if (!depth) {
		change();
		check(view, "the last descendant");
		return;
	}
	child = sure(fork());
	if (!child) {
		inherited_check(view, "a descendant");
		stay(view, depth - 1);
		_exit(0);
	}
	child_wait(child);
	check(view, "an ancestor");
}

CASE(grandchildren)
{
	stay(fresh(), 4);
}

/* Several children wait for the change, each with a guard of its own. */
CASE(many_children)
{
	char *view = fresh();
	struct gate changed[8], ready = gate_make();
	pid_t children[8];

	for (size_t i = 0; i < COUNT(children); i++) {
		changed[i] = gate_make();
		children[i] = fork();
		must(children[i] >= 0);
		if (!children[i]) {
			inherited_check(view, "a child");
			gate_open(&ready);
			gate_wait(&changed[i]);
			check(view, "a child");
			_exit(0);
		}
	}
	for (size_t i = 0; i < COUNT(children); i++)
		gate_wait(&ready);
	inherited_check(view, "the parent");
	change();
	for (size_t i = 0; i < COUNT(children); i++)
		gate_open(&changed[i]);
	for (size_t i = 0; i < COUNT(children); i++)
		child_wait(children[i]);
	check(view, "the parent");
}

/* The child gives its own up; the parent's stays, and the other way round. */
CASE(child_unmaps)
{
	char *view = fresh();

	IN_CHILD {
		must(munmap(view, BYTES) == 0);
		wait_until(!process_has_open(FILE_NAME));
	}
	inherited_check(view, "the parent");
	change();
	check(view, "the parent");
}

CASE(parent_unmaps)
{
	struct gate go = gate_make();
	char *view = fresh();
	pid_t child = sure(fork());

	if (!child) {
		gate_wait(&go);
		inherited_check(view, "the child");
		change();
		check(view, "the child");
		_exit(0);
	}
	must(munmap(view, BYTES) == 0);
	gate_open(&go);
	child_wait(child);
}

CASE(child_makes_it_writable)
{
	char *view = fresh();

	IN_CHILD {
		must(mprotect(view, BYTES, PROT_READ | PROT_WRITE) == 0);
		pattern_fill(view + PAGE, 9, 1);
		change();
		view_check(view + PAGE, 9, 1, 1, "the child's store");
		view_check(view + 2 * PAGE, 1, 2, PAGES - 2, "the child");
	}
	check(view, "the parent");
}

/* A child maps the same file again, and others that its parent never had. */
CASE(child_maps_more)
{
	char *view = fresh();

	IN_CHILD {
		char *more = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		char *other = guarded_make("guard.second", PROT_READ, PAGES);
		inherited_check(more, "the child's second mapping");
		change();
		must(truncate("guard.second", 0) == 0);
		check(view, "the child's first mapping");
		check(more, "the child's second mapping");
		check(other, "the child's own file");
	}
	check(view, "the parent");
}

/* --- threads --- */

static void *fork_in_thread(void *view)
{
	IN_CHILD {
		inherited_check(view, "the child");
		change();
		check(view, "the child");
	}
	return NULL;
}

PROMISE_WIDTHS(S6, fork_from_a_thread)
{
	char *view = fresh();

	in_thread(fork_in_thread, view);
	check(view, "the parent");
}

static atomic_bool busy_enough;

static void *map_and_unmap(void *name)
{
	while (!atomic_load(&busy_enough))
		must(munmap(view_make(name, PROT_READ, 0, PAGES), BYTES) == 0);
	return NULL;
}

/* Others map, unmap and write while one forks. */
PROMISE_WIDTHS(S6, fork_while_threads_map_and_unmap)
{
	char *view = fresh();
	pthread_t threads[2];

	file_make("guard.second", 3, PAGES);
	must(pthread_create(&threads[0], NULL, map_and_unmap, (void *)"guard.second") == 0);
	must(pthread_create(&threads[1], NULL, map_and_unmap, (void *)FILE_NAME) == 0);
	for (int i = 0; i < 60; i++) {
		IN_CHILD {
			char *other = view_make("guard.second", PROT_READ, 0, PAGES);
			check(view, "a child");
			view_check(other, 3, 0, PAGES, "a child's own");
		}
	}
	atomic_store(&busy_enough, true);
	must(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
	change();
	check(view, "the parent");
}

/* --- while somebody writes --- */

static void change_now(const void *unused)
{
	(void)unused;
	change();
}

/* The writer has the word, and nobody waits for it: the break comes before, during or after. */
PROMISE_WIDTHS(S6, fork_while_a_writer_comes)
{
	struct other other = other_start(change_now, NULL);

	for (int i = 0; i < 100; i++) {
		char *view = fresh(), byte = 0;
		must(write(other.go, &byte, 1) == 1);
		pid_t child = sure(fork());
		if (child) {
			must(read(other.done, &byte, 1) == 1);
			check(view, "the parent");
			child_wait(child);
		}
		check(view, child ? "the parent, after the child" : "the child");
		if (!child)
			_exit(0);
		must(munmap(view, BYTES) == 0);
	}
	other_end(&other);
}

static void name_of(size_t i, char name[32])
{
	snprintf(name, 32, "guard.%zu", i);
}

static void change_all(const void *unused)
{
	char name[32];

	(void)unused;
	for (size_t i = 0; i < FILES; i++) {
		name_of(i, name);
		file_overwrite(name, 2, 0, 2);
		must(truncate(name, i % 2 ? 0 : PAGE) == 0);
	}
}

static void check_all(char **views, const char *who)
{
	for (size_t i = 0; i < FILES; i++)
		view_check(views[i], (unsigned int)i + 10, 0, 2, who);
}

static void make_all(char **views)
{
	char name[32];

	for (size_t i = 0; i < FILES; i++) {
		name_of(i, name);
		file_make(name, (unsigned int)i + 10, 2);
		views[i] = view_make(name, PROT_READ, 0, 2);
		inherited_check(views[i], name);
	}
}

PROMISE_WIDTHS(S6, fork_with_a_hundred_guarded_files)
{
	char *views[FILES];

	make_all(views);
	IN_CHILD {
		for (size_t i = 0; i < FILES; i++)
			inherited_check(views[i], "the child");
		change_all(NULL);
		check_all(views, "the child");
	}
	check_all(views, "the parent");
}

PROMISE_WIDTHS(S6, fork_while_a_hundred_files_are_written)
{
	struct other other = other_start(change_all, NULL);
	char *views[FILES], byte = 0;

	make_all(views);
	must(write(other.go, &byte, 1) == 1);
	for (int i = 0; i < 10; i++) {
		IN_CHILD {
			check_all(views, "a child");
		}
	}
	must(read(other.done, &byte, 1) == 1);
	check_all(views, "the parent");
	other_end(&other);
}

/* --- limits --- */

/* More leases than the kernel takes in one message, or the socket in small ones. */
#define THOUSANDS 7000

CASE(thousands_of_files, HOLDS_BARE)
{
	static char *views[THOUSANDS];
	struct rlimit limit;
	char name[32];

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_max < THOUSANDS + 500)
		skip("RLIMIT_NOFILE is lower than this takes");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (size_t i = 0; i < THOUSANDS; i++) {
		name_of(i, name);
		file_make(name, 1, 1);
		views[i] = view_make(name, PROT_READ, 0, 1);
	}
	IN_CHILD {
		for (size_t i = 0; i < THOUSANDS; i++)
			guarded_check(views[i], "the child");
	}
	for (size_t i = 0; i < THOUSANDS; i++)
		guarded_check(views[i], "the parent");
}

/* No descriptor is left for the second lease: both sides have the old pages at once. */
CASE(at_the_descriptor_limit)
{
	struct rlimit limit = { 20, 20 };
	char *view = fresh();

	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while (dup(0) >= 0)
		;
	must(errno == EMFILE);
	pid_t child = sure(fork());
	closefrom(3);
	if (!child) {
		preserved_check(view, "the child");
		change();
		check(view, "the child");
		_exit(0);
	}
	preserved_check(view, "the parent");
	child_wait(child);
	check(view, "the parent");
}

/* Nothing of the second leases is left in the program's table. */
static size_t descriptors_open(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 20000; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

PROMISE_WIDTHS(S6, fork_leaves_no_descriptor)
{
	char *views[FILES];

	make_all(views);
	size_t before = descriptors_open();
	pid_t child = sure(fork());
	promise(descriptors_open() == before, "%s: %zu descriptors, had %zu",
		child ? "the parent" : "the child", descriptors_open(), before);
	if (!child)
		_exit(0);
	child_wait(child);
	change_all(NULL);
	check_all(views, "the parent");
}

/* --- other ways to start a process --- */

CASE(vfork_and_exec)
{
	char *view = fresh();
	pid_t child = vfork();

	must(child >= 0);
	if (!child) {
		execl("/proc/self/exe", "guard_fork", "noop", (char *)NULL);
		_exit(EXIT_TRIAL);
	}
	child_wait(child);
	inherited_check(view, "after vfork");
	change();
	check(view, "after vfork");
}

PROMISE_WIDTHS(S6, vfork_and_exit_leave_the_guard)
{
	char *view = fresh();
	pid_t child = vfork();

	must(child >= 0);
	if (!child)
		_exit(0);
	child_wait(child);
	inherited_check(view, "after vfork");
	change();
	check(view, "after vfork");
}

/* It has closed its copy of a socket that its parent has still. */
PROMISE_WIDTHS(S6, vforked_child_that_forks_sends_nothing)
{
	char *view = fresh(), byte;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid_t child = vfork();
	must(child >= 0);
	if (!child) {
		close(pair[0]);
		pid_t grandchild = fork();
		if (!grandchild)
			_exit(!page_is(view, 1, 0));
		child_wait(grandchild);
		_exit(0);
	}
	child_wait(child);
	promise(recv(pair[1], &byte, 1, MSG_DONTWAIT) == -1, "what nobody sent was received");
	change();
	check(view, "the parent");
}

/* The lease thread is outside the domain; that of a child would not be. */
PROMISE_WIDTHS(S6, in_a_landlock_domain_a_child_keeps_its_pages)
{
	const uint64_t reading = 4; /* landlock_ruleset_attr: LANDLOCK_ACCESS_FS_READ_FILE */
	struct other other = other_start(change_now, NULL);
	int rules = (int)syscall(444 /* landlock_create_ruleset */, &reading, sizeof(reading), 0);
	char *view = fresh();

	if (rules < 0)
		skip("no Landlock here");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(syscall(446 /* landlock_restrict_self */, rules, 0) == 0);
	pid_t child = fork();
	must(child >= 0);
	if (!child) {
		other_go(&other);
		check(view, "the child");
		_exit(0);
	}
	child_wait(child);
	check(view, "the parent");
	must(munmap(view, BYTES) == 0); /* nobody could look whether it is there at the end */
	other_end(&other);
}

CASE(spawn)
{
	char *argv[] = { (char *)"guard_fork", (char *)"noop", NULL };
	char *view = fresh();
	pid_t child;

	must(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	child_wait(child);
	promise(posix_spawn(&child, "/nonexistent", NULL, NULL, argv, environ) == ENOENT,
		"posix_spawn of nothing");
	promise(system("exit 3") == 3 << 8, "system() lost the status");
	inherited_check(view, "after posix_spawn");
	change();
	check(view, "after posix_spawn");
}

/* A child that execs gives up what it inherited: nobody waits for it. */
CASE(fork_and_exec)
{
	char *view = fresh();
	struct gate hold = gate_make();
	pid_t child = sure(fork());

	if (!child) {
		must(dup2(hold.in, 0) == 0);
		execl("/bin/cat", "cat", (char *)NULL);
		_exit(EXIT_TRIAL);
	}
	char path[64], line[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", child);
	wait_until(!strcmp(proc_line(path, "", line, sizeof(line)), "cat"));
	alarm(20); /* less than /proc/sys/fs/lease-break-time */
	change();
	check(view, "the parent");
	must(close(hold.out) == 0);
	child_wait(child);
}

static long clone_by_libc(void)
{
	return syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
}

static long fork_by_number(void)
{
	return syscall(SYS_fork);
}

/* No library sees this one. */
static long clone_by_hand(void)
{
	return by_hand(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

typedef long clone_function(void);
static clone_function *const libc_clone = clone_by_libc, *const hand_clone = clone_by_hand,
			     *const number_fork = fork_by_number;

/* The child makes a call that is wrapped, and has its guard from then on. */
static void raw_clone(const void *how)
{
	char *view = settled();
	long child = (*(clone_function *const *)how)();

	must(child >= 0);
	if (!child) {
		char *more = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		inherited_check(view, "the clone");
		must(munmap(view, PAGE) == 0);
		change();
		check(more, "the clone's own");
		view_check(view + PAGE, 1, 1, PAGES - 1, "what the clone inherited");
		_exit(0);
	}
	child_wait((pid_t)child);
	check(view, "the parent");
}

/* The parent is gone when the clone makes its first call, and the file is as it was. */
static void raw_clone_survives_its_parent(const void *how)
{
	struct orphan orphan = { gate_make(), gate_make() };
	char byte;
	pid_t parent = sure(fork());

	if (!parent) {
		char *view = settled();
		pid_t forker = getpid();
		if ((*(clone_function *const *)how)() == 0) {
			wait_until(getppid() != forker);
			must(munmap(view_make(FILE_NAME, PROT_READ, 0, 1), PAGE) == 0);
			orphan_serve(view, &orphan);
		}
		_exit(0);
	}
	close(orphan.result.out);
	child_wait(parent);
	gate_wait(&orphan.result);
	change();
	gate_open(&orphan.changed);
	promise(read(orphan.result.in, &byte, 1) == 1, "the clone did not come through");
}

static void store(void)
{
	int fd = sure(open(FILE_NAME, O_RDWR | O_CLOEXEC));
	volatile char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(shared != MAP_FAILED);
	shared[1] = (char)(shared[0] + 1); /* read first: tmpfs sees no store then */
	must(munmap((void *)(uintptr_t)shared, PAGE) == 0 && close(fd) == 0);
}

/* The file changed before the clone made any call: that cannot be helped, and is said. */
static void raw_clone_too_late(const void *changed_by)
{
	void (*const *by)(void) = changed_by;
	struct gate changed = gate_make();
	char *view = fresh();
	long child = clone_by_hand();

	must(child >= 0);
	if (!child) {
		gate_wait(&changed);
		must(munmap(view_make(FILE_NAME, PROT_READ, 0, 1), PAGE) == 0);
		promise(!mmfence_active() || !strcmp(fate_at(view), "lost"), "fate %s, not lost",
			fate_at(view));
		_exit(0);
	}
	(*by)();
	gate_open(&changed);
	child_wait((pid_t)child);
	check(view, "the parent");
}

/* --- a process that shares the memory --- */

static char *sharer_view;

static int sharer_maps(void *unused)
{
	(void)unused;
	sharer_view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	return 0;
}

static int sharer_protects(void *unused)
{
	(void)unused;
	must(mprotect(sharer_view, BYTES, PROT_READ | PROT_WRITE) == 0);
	pattern_fill(sharer_view, 9, 0);
	return 0;
}

static int sharer_unmaps(void *unused)
{
	(void)unused;
	must(munmap(sharer_view, BYTES) == 0);
	return 0;
}

static void share(int (*act)(void *))
{
	char *stack =
		sure(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	pid_t child = clone(act, stack + 65536, CLONE_VM | SIGCHLD, NULL);
	must(child >= 0);
	child_wait(child);
}

/* Before there is any guard, and when there is one. */
static void sharer_that_maps(const void *first)
{
	char *view = NULL;

	if (*(const int *)first)
		file_make(FILE_NAME, 1, PAGES);
	else
		view = fresh();
	share(sharer_maps);
	if (!view)
		view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	change();
	check(view, "the process");
	check(sharer_view, "what the sharer mapped");
}

CASE(sharer_that_protects)
{
	sharer_view = fresh();
	share(sharer_protects);
	change();
	view_check(sharer_view, 9, 0, 1, "the sharer's store");
	view_check(sharer_view + PAGE, 1, 1, PAGES - 1, "what the sharer made writable");
}

CASE(sharer_that_unmaps)
{
	char *second = guarded_make("guard.second", PROT_READ, PAGES);

	sharer_view = fresh();
	share(sharer_unmaps);
	wait_until(!process_has_open(FILE_NAME));
	must(truncate("guard.second", 0) == 0);
	check(second, "another file");
}

static void (*const by_change)(void) = change, (*const by_store)(void) = store;
static const int one = 1, five = 5, zero = 0;
CASE_OF("parent_exits_at_once", all_before_exit_at_once, &one)
CASE_OF("all_ancestors_exit_at_once", all_before_exit_at_once, &five)
CASE_OF("raw_clone/libc", raw_clone, &libc_clone)
CASE_OF("raw_clone/number", raw_clone, &number_fork)
CASE_OF("raw_clone/hand", raw_clone, &hand_clone)
CASE_OF("raw_clone_survives_its_parent/libc", raw_clone_survives_its_parent, &libc_clone)
CASE_OF("raw_clone_survives_its_parent/hand", raw_clone_survives_its_parent, &hand_clone)
CASE_OF("raw_clone_too_late/overwritten", raw_clone_too_late, &by_change)
CASE_OF("raw_clone_too_late/stored_to", raw_clone_too_late, &by_store)
CASE_OF("sharer_that_maps/first", sharer_that_maps, &one)
CASE_OF("sharer_that_maps/later", sharer_that_maps, &zero)

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "noop"))
		return 0;
	return cases_main(argc, argv);
}
