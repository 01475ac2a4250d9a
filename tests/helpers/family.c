/* SPDX-License-Identifier: MIT */
/*
 * S6: each side of a fork has its snapshots for itself, whoever exits first; other ways of
 * starting a process are not disturbed. "family noop" does nothing, for those that exec.
 */
#include <spawn.h>

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

PROMISE(S6, child_exits_first)
{
	char *view = fresh();

	IN_CHILD {
		view_check(view, 1, 0, PAGES, "the child");
	}
	change();
	view_check(view, 1, 0, PAGES, "the parent");
}

/* The parent of the process that checks is gone when the file changes. */
PROMISE(S6, parent_exits_first)
{
	int gone[2], changed[2], result[2];
	char byte = 0;
	pid_t parent;

	must(pipe(gone) == 0 && pipe(changed) == 0 && pipe(result) == 0);
	parent = sure(fork());
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
	child = sure(fork());
	if (!child) {
		descend(view, depth - 1);
		_exit(0);
	}
	child_wait(child);
	view_check(view, 1, 0, PAGES, "an ancestor");
}

CASE(grandchildren)
{
	descend(fresh(), 4);
}

PROMISE(S6, child_has_its_own)
{
	char *view = fresh();

	IN_CHILD {
		must(munmap(view, 3 * PAGE) == 0);
		must(mprotect(view + 3 * PAGE, PAGE, PROT_NONE) == 0);
		change();
		view_check(view + 4 * PAGE, 1, 4, PAGES - 4, "what the child kept");
	}
	view_check(view, 1, 0, PAGES, "the parent");
	must(munmap(view, BYTES) == 0);
}

CASE(child_maps_more)
{
	char *view = fresh();

	IN_CHILD {
		char *more = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		change();
		view_check(more, 1, 0, PAGES, "the child's new mapping");
		view_check(view, 1, 0, PAGES, "the child's old mapping");
	}
	view_check(view, 1, 0, PAGES, "the parent");
}

CASE(vfork_and_exec)
{
	char *view = fresh();
	pid_t child = vfork();

	must(child >= 0);
	if (!child) {
		execl("/proc/self/exe", "family", "noop", (char *)NULL);
		_exit(EXIT_TRIAL);
	}
	child_wait(child);
	change();
	view_check(view, 1, 0, PAGES, "after vfork");
}

CASE(spawn)
{
	char *argv[] = { (char *)"family", (char *)"noop", NULL };
	char *view = fresh();
	pid_t child;

	must(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	child_wait(child);
	must(posix_spawnp(&child, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	child_wait(child);
	promise(posix_spawn(&child, "/nonexistent", NULL, NULL, argv, environ) == ENOENT,
		"posix_spawn of nothing");
	change();
	view_check(view, 1, 0, PAGES, "after posix_spawn");
}

CASE(shell)
{
	char *view = fresh(), word[16] = "";
	FILE *pipe = popen("echo word", "re");

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

PROMISE(S6, clone_that_shares_memory)
{
	char *view = fresh();
	char *stack =
		sure(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

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

PROMISE(S6, threads)
{
	char *view = fresh();
	void *others;

	pthread_t other = thread_start(thread_maps, NULL);
	must(pthread_join(other, &others) == 0);
	change();
	view_check(view, 1, 0, PAGES, "the first thread's mapping");
	view_check(others, 1, 0, PAGES, "a mapping whose thread is gone");
}

CASE_OF("raw_clone_by_libc", raw_clone, &libc_clone)
CASE_OF("raw_clone_by_hand", raw_clone, &hand_clone)

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "noop"))
		return 0;
	return cases_main(argc, argv);
}
