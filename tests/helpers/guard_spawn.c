/* SPDX-License-Identifier: MIT */
/*
 * S6: the other ways to start a process; and threads, and processes that share the memory.
 * "guard_spawn noop" does nothing, for those that exec.
 */
#include <spawn.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>

#include "guard_fork.h"

/* --- other ways to start a process --- */

CASE(vfork_and_exec)
{
	char *view = fresh();
	pid_t child = sure(vfork());
	if (!child) {
		execl("/proc/self/exe", "guard_spawn", "noop", (char *)NULL);
		_exit(EXIT_TRIAL);
	}
	child_wait(child);
	inherited_check(view, "after vfork");
	spoil();
	check(view, "after vfork");
}

PROMISE_WIDTHS(S6, vfork_and_exit_leave_the_guard)
{
	char *view = fresh();
	pid_t child = sure(vfork());
	if (!child)
		_exit(0);
	child_wait(child);
	inherited_check(view, "after vfork");
	spoil();
	check(view, "after vfork");
}

/* It has closed its copy of a socket that its parent has still. */
PROMISE_WIDTHS(S6, vforked_child_that_forks_sends_nothing)
{
	char *view = fresh(), byte;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid_t child = sure(vfork());
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
	spoil();
	check(view, "the parent");
}

/* The lease thread is outside the domain; that of a child would not be. */
PROMISE_WIDTHS(S6, in_a_landlock_domain_a_child_keeps_its_pages)
{
	const uint64_t reading = 4; /* landlock_ruleset_attr: LANDLOCK_ACCESS_FS_READ_FILE */
	struct other other = other_start(spoil_by_other, NULL);
	int rules = (int)syscall(444 /* landlock_create_ruleset */, &reading, sizeof(reading), 0);
	char *view = fresh();

	if (rules < 0)
		skip("no Landlock here");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(syscall(446 /* landlock_restrict_self */, rules, 0) == 0);
	IN_CHILD {
		other_go(&other);
		check(view, "the child");
	}
	check(view, "the parent");
	must(munmap(view, BYTES) == 0); /* nobody could look whether it is there at the end */
	other_end(&other);
}

CASE(spawn)
{
	char *argv[] = { (char *)"guard_spawn", (char *)"noop", NULL };
	char *view = fresh();
	pid_t child;

	must(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	child_wait(child);
	must(posix_spawnp(&child, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	child_wait(child);
	promise(posix_spawn(&child, "/nonexistent", NULL, NULL, argv, environ) == ENOENT,
		"posix_spawn of nothing");
	inherited_check(view, "after posix_spawn");
	spoil();
	check(view, "after posix_spawn");
}

CASE(shell)
{
	char *view = fresh(), word[16] = "";
	FILE *pipe = popen("echo word", "re");

	must(pipe && fgets(word, sizeof(word), pipe) && pclose(pipe) == 0);
	promise(!strcmp(word, "word\n"), "popen gave %s", word);
	promise(system("exit 3") == 3 << 8, "system() lost the status");
	spoil();
	check(view, "after popen and system");
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
	spoil();
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
		spoil();
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
	spoil();
	gate_open(&orphan.changed);
	promise(read(orphan.result.in, &byte, 1) == 1, "the clone did not come through");
}

typedef void changer(void);

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
	changer *const *by = changed_by;
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

/* --- threads --- */

static void *fork_in_thread(void *view)
{
	IN_CHILD {
		inherited_check(view, "the child");
		spoil();
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

static void *thread_maps(void *unused)
{
	return view_make(FILE_NAME, PROT_READ, 0, PAGES);
}

CASE(threads)
{
	char *view = fresh();
	char *others = in_thread(thread_maps, NULL);

	spoil();
	check(view, "the first thread's mapping");
	check(others, "a mapping whose thread is gone");
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

	file_make(SECOND, 3, PAGES);
	threads[0] = thread_start(map_and_unmap, (void *)SECOND);
	threads[1] = thread_start(map_and_unmap, (void *)FILE_NAME);
	for (int i = 0; i < 60; i++) {
		IN_CHILD {
			char *other = view_make(SECOND, PROT_READ, 0, PAGES);
			check(view, "a child");
			view_check(other, 3, 0, PAGES, "a child's own");
		}
	}
	atomic_store(&busy_enough, true);
	must(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
	spoil();
	check(view, "the parent");
}

/* --- a process that shares the memory --- */

static char *sharer_view;

static int sharer_maps(void *unused)
{
	sharer_view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	return 0;
}

static int sharer_protects(void *unused)
{
	must(mprotect(sharer_view, BYTES, RW) == 0);
	pattern_fill(sharer_view, 9, 0);
	return 0;
}

static int sharer_unmaps(void *unused)
{
	must(munmap(sharer_view, BYTES) == 0);
	return 0;
}

static void share(int (*act)(void *))
{
	char *stack = anonymous(65536);

	pid_t child = clone(act, stack + 65536, CLONE_VM | SIGCHLD, NULL);
	must(child >= 0);
	child_wait(child);
}

/* Before there is any guard, and when there is one. */
static void sharer_that_maps(const void *first)
{
	char *view = NULL;

	if (*(const bool *)first)
		file_make(FILE_NAME, 1, PAGES);
	else
		view = fresh();
	share(sharer_maps);
	if (!view)
		view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	spoil();
	check(view, "the process");
	check(sharer_view, "what the sharer mapped");
}

CASE(sharer_that_protects)
{
	sharer_view = fresh();
	share(sharer_protects);
	spoil();
	view_check(sharer_view, 9, 0, 1, "the sharer's store");
	view_check(sharer_view + PAGE, 1, 1, PAGES - 1, "what the sharer made writable");
}

CASE(sharer_that_unmaps)
{
	char *second = guarded_make(SECOND, PROT_READ, PAGES);

	sharer_view = fresh();
	share(sharer_unmaps);
	wait_until(!process_has_open(FILE_NAME));
	must(truncate(SECOND, 0) == 0);
	check(second, "another file");
}

CASE_OF("raw_clone/libc", raw_clone, AS(clone_function *, clone_by_libc))
CASE_OF("raw_clone/number", raw_clone, AS(clone_function *, fork_by_number))
CASE_OF("raw_clone/hand", raw_clone, AS(clone_function *, clone_by_hand))
CASE_OF("raw_clone_survives_its_parent/libc", raw_clone_survives_its_parent,
	AS(clone_function *, clone_by_libc))
CASE_OF("raw_clone_survives_its_parent/hand", raw_clone_survives_its_parent,
	AS(clone_function *, clone_by_hand))
CASE_OF("raw_clone_too_late/overwritten", raw_clone_too_late, AS(changer *, spoil))
CASE_OF("raw_clone_too_late/stored_to", raw_clone_too_late, AS(changer *, store))
CASE_OF("sharer_that_maps/first", sharer_that_maps, AS(bool, true))
CASE_OF("sharer_that_maps/later", sharer_that_maps, AS(bool, false))

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "noop"))
		return 0;
	return cases_main(argc, argv);
}
