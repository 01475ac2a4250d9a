/* SPDX-License-Identifier: MIT */
/*
 * S6, S11: what happens while old pages are being put aside. The spill directory of the
 * environment's GUARD_SPILL is on a file system of its own, which is frozen: so the break is
 * served for as long as the case likes. Only root can do that.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "guard_file.h"

/* --- a file system that is frozen until the word is given, or all others are gone --- */

struct frost {
	pid_t pid;
	struct gate thaw, done;
};

static _Noreturn void freeze_and_wait(const struct frost *frost)
{
	int fd = open(getenv("GUARD_SPILL"), O_RDONLY | O_DIRECTORY);
	char byte;

	setsid(); /* whoever ends the case must not end us */
	must(close(frost->thaw.out) == 0);
	must(fd >= 0 && ioctl(fd, FIFREEZE, 0) == 0);
	gate_open(&frost->done);
	must(read(frost->thaw.in, &byte, 1) >= 0);
	must(ioctl(fd, FITHAW, 0) == 0);
	gate_open(&frost->done);
	_exit(0);
}

static struct frost freeze(void)
{
	struct frost frost = { 0, gate_make(), gate_make() };

	if (geteuid() || !getenv("GUARD_SPILL"))
		skip("only root can freeze a file system");
	frost.pid = fork();
	must(frost.pid >= 0);
	if (!frost.pid)
		freeze_and_wait(&frost);
	gate_wait(&frost.done);
	return frost;
}

static void thaw(const struct frost *frost)
{
	gate_open(&frost->thaw);
	gate_wait(&frost->done);
}

/* --- a writer that has come, and waits --- */

static void cut(const void *unused)
{
	must(truncate(FILE_NAME, 0) == 0);
	file_make(FILE_NAME, 2, PAGES / 2);
}

struct scene {
	struct frost frost;
	struct other writer;
	char *view;
};

/* What waits for a frozen file system cannot be interrupted. */
static bool copy_is_stuck(void)
{
	pid_t threads[16];
	size_t count = threads_get(threads, COUNT(threads));

	for (size_t i = 1; i < count; i++)
		if (thread_state(getpid(), threads[i]) == 'D')
			return true;
	return false;
}

/* Before anything is guarded: a child would have a guard of its own. */
static struct scene scene_prepare(void)
{
	struct frost frost = freeze();

	return (struct scene){ .frost = frost, .writer = other_start(cut, NULL) };
}

static void scene_begin(struct scene *scene)
{
	scene->view = fresh();
	alarm(30); /* whoever waits for the copy waits for ever */
	other_begin(&scene->writer);
	wait_until(leases_of(id_of(FILE_NAME), "BREAKING") == 1);
	wait_until(copy_is_stuck());
}

static struct scene scene_make(void)
{
	struct scene scene = scene_prepare();

	scene_begin(&scene);
	return scene;
}

static void writer_is_in(struct scene *scene)
{
	other_wait(&scene->writer);
	other_end(&scene->writer);
}

static void scene_end(struct scene *scene)
{
	thaw(&scene->frost);
	writer_is_in(scene);
}

/* --- cases --- */

/* None of these waits for the copy: if one did, nothing would ever thaw. */
CASE(calls_do_not_wait)
{
	struct scene scene = scene_prepare();
	char *other = guarded_make(SECOND, PROT_READ, PAGES), *more;

	scene_begin(&scene);
	check(scene.view, "while the writer waits");
	must(munmap(scene.view + 3 * PAGE, PAGE) == 0);
	must(mprotect(scene.view + 5 * PAGE, PAGE, PROT_NONE) == 0);
	must(madvise(scene.view, BYTES / 8, MADV_DONTNEED) == 0);
	must(mmap(scene.view + 7 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0) != MAP_FAILED);
	memset(scene.view + 7 * PAGE, 'x', PAGE);
	must(munmap(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE) == 0);
	more = view_make(SECOND, PROT_READ, 0, PAGES);
	must(munmap(other, BYTES) == 0);
	char *moved = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(mremap(scene.view + 9 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved) ==
	     moved);
	scene_end(&scene);
	view_check(scene.view, 1, 0, 3, "before the gap");
	promise(!is_mapped(scene.view + 3 * PAGE), "what was unmapped is there again");
	view_check(scene.view + 4 * PAGE, 1, 4, 1, "behind the gap");
	promise(touch(scene.view + 5 * PAGE) == SIGSEGV, "what was protected can be read");
	must(mprotect(scene.view + 5 * PAGE, PAGE, PROT_READ) == 0);
	view_check(scene.view + 5 * PAGE, 1, 5, 2, "what was protected");
	promise(scene.view[7 * PAGE] == 'x', "anonymous memory was replaced");
	view_check(scene.view + 8 * PAGE, 1, 8, 1, "behind the anonymous page");
	promise(!is_mapped(scene.view + 9 * PAGE), "what was moved is there again");
	view_check(moved, 1, 9, 1, "what was moved");
	view_check(scene.view + 10 * PAGE, 1, 10, PAGES - 10, "the rest");
	check(more, "another file");
}

/* Nor does a file that is mapped for the first time. It is small enough for the memory that there
 * is: snapshot.memory sends only the large one to the spill directory. */
CASE(another_file_does_not_wait)
{
	file_make(SECOND, 3, 2);
	struct scene scene = scene_make();
	char *view = view_make(SECOND, PROT_READ, 0, 2);

	scene_end(&scene);
	must(truncate(SECOND, 0) == 0);
	view_check(view, 3, 0, 2, "the other file");
	check(scene.view, "the file");
}

/* All of it is unmapped meanwhile: nothing is replaced there any more. */
CASE(unmapped_meanwhile)
{
	struct scene scene = scene_make();

	must(munmap(scene.view, BYTES) == 0);
	must(mmap(scene.view, BYTES, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		  0) == scene.view);
	memset(scene.view, 'x', BYTES);
	scene_end(&scene);
	for (size_t i = 0; i < BYTES; i++)
		promise(scene.view[i] == 'x', "byte %zu of other memory was replaced", i);
}

/* Whoever calls what has to wait goes on when the copy is made. */
struct caller {
	pid_t thread;
	char *view;
	struct gate started;
};

static void stuck_then_thaw(struct scene *scene, thread_act *act)
{
	struct caller caller = { 0, scene->view, gate_make() };

	pthread_t thread = thread_start(act, &caller);
	gate_wait(&caller.started);
	wait_until_stuck(getpid(), caller.thread);
	scene_end(scene);
	thread_end(thread);
}

static struct caller *caller_starts(void *argument)
{
	struct caller *caller = argument;

	caller->thread = (pid_t)syscall(SYS_gettid);
	gate_open(&caller->started);
	return caller;
}

static void *fork_and_check(void *argument)
{
	struct caller *caller = caller_starts(argument);

	IN_CHILD {
		check(caller->view, "the child");
	}
	return NULL;
}

CASE(fork_meanwhile)
{
	struct scene scene = scene_make();

	stuck_then_thaw(&scene, fork_and_check);
	check(scene.view, "the parent");
}

static void *protect_and_store(void *argument)
{
	struct caller *caller = caller_starts(argument);

	must(mprotect(caller->view, BYTES, RW) == 0);
	for (size_t i = 0; i < PAGES; i += 2)
		pattern_fill(caller->view + i * PAGE, 9, i);
	return NULL;
}

CASE(writable_meanwhile)
{
	struct scene scene = scene_make();

	stuck_then_thaw(&scene, protect_and_store);
	for (size_t i = 0; i < PAGES; i++)
		view_check(scene.view + i * PAGE, i % 2 ? 1 : 9, i, 1, "own stores and old pages");
}

/* The thread waits and is signalled: a stream would be lost. */
static void signalled(int signal)
{
	(void)signal;
}

static void *reopen(void *argument)
{
	FILE *file = fopen("/dev/null", "re");

	must(file);
	caller_starts(argument);
	promise(freopen(FILE_NAME, "r+e", file), "freopen: %m");
	return NULL;
}

CASE(freopen_meanwhile)
{
	struct sigaction action = { .sa_handler = signalled };
	struct scene scene = scene_make();
	struct caller caller = { 0, scene.view, gate_make() };

	must(sigaction(SIGUSR1, &action, NULL) == 0);
	pthread_t thread = thread_start(reopen, &caller);
	gate_wait(&caller.started);
	wait_until_stuck(getpid(), caller.thread);
	must(pthread_kill(thread, SIGUSR1) == 0);
	scene_end(&scene);
	thread_end(thread);
	view_check(scene.view, 1, 0, PAGES, "after it was opened for writing");
}

/* Several files break at once. */
static void cut_second(const void *unused)
{
	must(truncate(SECOND, PAGE / 2) == 0);
}

CASE(two_breaks)
{
	struct other second = other_start(cut_second, NULL);
	struct scene scene = scene_prepare();
	char *view = guarded_make(SECOND, PROT_READ, PAGES);

	scene_begin(&scene);
	other_begin(&second);
	wait_until(leases_of(id_of(SECOND), "BREAKING") == 1);
	scene_end(&scene);
	other_wait(&second);
	other_end(&second);
	check(scene.view, "the first file");
	check(view, "the second file");
}

CASES_MAIN
