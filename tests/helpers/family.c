/* SPDX-License-Identifier: MIT */
/*
 * S6: each side of a fork has its snapshots for itself, whoever exits first; other ways of
 * starting a process are not disturbed. "family noop" does nothing, for those that exec.
 */
#include <pthread.h>
#include <sched.h>
#include <spawn.h>

#include "by_hand.h"
#include "helper.h"

#define FILE_NAME "family.data"
#define PAGES	  8
#define BYTES	  (PAGES * PAGE)

static char *fresh(void)
{
	file_make(FILE_NAME, 1, PAGES);
	return view_make(FILE_NAME, PROT_READ | PROT_WRITE, 0, PAGES);
}

static void change(void)
{
	file_overwrite(FILE_NAME, 2, 0, PAGES / 2);
	must(truncate(FILE_NAME, BYTES / 2) == 0);
}

static void child_exits_first(const void *unused)
{
	char *view = fresh();
	pid_t child = fork();

	(void)unused;
	must(child >= 0);
	if (!child) {
		view_check(view, 1, 0, PAGES, "the child");
		_exit(0);
	}
	child_wait(child);
	change();
	view_check(view, 1, 0, PAGES, "the parent");
}

/* The parent of the process that checks is gone when the file changes. */
static void parent_exits_first(const void *unused)
{
	int gone[2], changed[2], result[2];
	char byte = 0;
	pid_t parent;

	(void)unused;
	must(pipe(gone) == 0 && pipe(changed) == 0 && pipe(result) == 0);
	parent = fork();
	must(parent >= 0);
	if (!parent) {
		char *view = fresh();
		if (fork() == 0) {
			close(changed[1]);
			must(read(changed[0], &byte, 1) == 1);
			view_check(view, 1, 0, PAGES, "the orphan");
			must(write(result[1], &byte, 1) == 1);
		}
		_exit(0);
	}
	close(result[1]);
	child_wait(parent);
	change();
	must(write(changed[1], &byte, 1) == 1);
	promise(read(result[0], &byte, 1) == 1, "the orphan did not come through");
}

static void descend(const char *view, int depth)
{
	pid_t child;

	if (!depth) {
		change();
		view_check(view, 1, 0, PAGES, "the last descendant");
		return;
	}
	child = fork();
	must(child >= 0);
	if (!child) {
		descend(view, depth - 1);
		_exit(0);
	}
	child_wait(child);
	view_check(view, 1, 0, PAGES, "an ancestor");
}

static void grandchildren(const void *unused)
{
	(void)unused;
	descend(fresh(), 4);
}

static void child_has_its_own(const void *unused)
{
	char *view = fresh();
	pid_t child = fork();

	(void)unused;
	must(child >= 0);
	if (!child) {
		must(munmap(view, 3 * PAGE) == 0);
		must(mprotect(view + 3 * PAGE, PAGE, PROT_NONE) == 0);
		change();
		view_check(view + 4 * PAGE, 1, 4, PAGES - 4, "what the child kept");
		_exit(0);
	}
	child_wait(child);
	view_check(view, 1, 0, PAGES, "the parent");
	must(munmap(view, BYTES) == 0);
}

static void child_maps_more(const void *unused)
{
	char *view = fresh();
	pid_t child = fork();

	(void)unused;
	must(child >= 0);
	if (!child) {
		char *more = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		change();
		view_check(more, 1, 0, PAGES, "the child's new mapping");
		view_check(view, 1, 0, PAGES, "the child's old mapping");
		_exit(0);
	}
	child_wait(child);
	view_check(view, 1, 0, PAGES, "the parent");
}

static void vfork_and_exec(const void *unused)
{
	char *view = fresh();
	pid_t child = vfork();

	(void)unused;
	must(child >= 0);
	if (!child) {
		execl("/proc/self/exe", "family", "noop", (char *)NULL);
		_exit(EXIT_TRIAL);
	}
	child_wait(child);
	change();
	view_check(view, 1, 0, PAGES, "after vfork");
}

static void spawn(const void *unused)
{
	char *argv[] = { (char *)"family", (char *)"noop", NULL };
	char *view = fresh();
	pid_t child;

	(void)unused;
	must(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	child_wait(child);
	must(posix_spawnp(&child, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	child_wait(child);
	promise(posix_spawn(&child, "/nonexistent", NULL, NULL, argv, environ) == ENOENT,
		"posix_spawn of nothing");
	change();
	view_check(view, 1, 0, PAGES, "after posix_spawn");
}

static void shell(const void *unused)
{
	char *view = fresh(), word[16] = "";
	FILE *pipe = popen("echo word", "re");

	(void)unused;
	must(pipe && fgets(word, sizeof(word), pipe) && pclose(pipe) == 0);
	promise(!strcmp(word, "word\n"), "popen gave %s", word);
	promise(system("exit 3") == 3 << 8, "system() lost the status");
	change();
	view_check(view, 1, 0, PAGES, "after popen and system");
}

static long clone_by_libc(void)
{
	return syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
}

/* No library sees this one. */
static long clone_by_hand(void)
{
	return by_hand(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

typedef long clone_function(void);
static clone_function *const libc_clone = clone_by_libc, *const hand_clone = clone_by_hand;

static void raw_clone(const void *how)
{
	char *view = fresh();
	long child = (*(clone_function *const *)how)();

	must(child >= 0);
	if (!child) {
		char *more = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		must(munmap(view, PAGE) == 0);
		change();
		view_check(more, 1, 0, PAGES, "the clone's own");
		view_check(view + PAGE, 1, 1, PAGES - 1, "what the clone inherited");
		_exit(0);
	}
	child_wait((pid_t)child);
	view_check(view, 1, 0, PAGES, "the parent");
}

static char *sharer_view;

static int sharer(void *unused)
{
	(void)unused;
	sharer_view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	return 0;
}

static void clone_sharing_memory(const void *unused)
{
	char *view = fresh();
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	must(stack != MAP_FAILED);
	pid_t child = clone(sharer, stack + 65536, CLONE_VM | SIGCHLD, NULL);
	must(child >= 0);
	child_wait(child);
	change();
	view_check(view, 1, 0, PAGES, "the parent's mapping");
	view_check(sharer_view, 1, 0, PAGES, "the mapping that the other process made");
}

static void *thread_maps(void *unused)
{
	(void)unused;
	return view_make(FILE_NAME, PROT_READ, 0, PAGES);
}

static void thread(const void *unused)
{
	char *view = fresh();
	pthread_t other;
	void *others;

	(void)unused;
	must(pthread_create(&other, NULL, thread_maps, NULL) == 0);
	must(pthread_join(other, &others) == 0);
	change();
	view_check(view, 1, 0, PAGES, "the first thread's mapping");
	view_check(others, 1, 0, PAGES, "a mapping whose thread is gone");
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "child_exits_first", child_exits_first, NULL, false },
		{ "parent_exits_first", parent_exits_first, NULL, false },
		{ "grandchildren", grandchildren, NULL, false },
		{ "child_has_its_own", child_has_its_own, NULL, false },
		{ "child_maps_more", child_maps_more, NULL, false },
		{ "vfork_and_exec", vfork_and_exec, NULL, false },
		{ "spawn", spawn, NULL, false },
		{ "shell", shell, NULL, false },
		{ "raw_clone_by_libc", raw_clone, &libc_clone, false },
		{ "raw_clone_by_hand", raw_clone, &hand_clone, false },
		{ "clone_sharing_memory", clone_sharing_memory, NULL, false },
		{ "thread", thread, NULL, false },
	};

	if (argc == 2 && !strcmp(argv[1], "noop"))
		return 0;
	return cases_main(cases, COUNT(cases), argc, argv);
}
