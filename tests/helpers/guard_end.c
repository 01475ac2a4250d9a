/* SPDX-License-Identifier: MIT */
/*
 * P4, P5: when threads, the program or its parents end, the lease thread ends no sooner and no
 * later. "guard_end held FILE" is what a case execs: nobody may have a lease on the file any more.
 */
#include <sys/prctl.h>

#include "guard_file.h"

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
	execl("/proc/self/exe", "guard_end", "held", FILE_NAME, (char *)NULL);
	die("execl");
}

PROMISE_WIDTHS(P5, exec_gives_all_leases_back, HOLDS_BARE)
{
	fresh();
	exec_held();
}

static void *exec_in_thread(void *unused)
{
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

int main(int argc, char **argv)
{
	static const char *const names[] = { "exit", "_exit", "kill", "abort", "exit_group" };
	static const enum ending endings[] = { BY_EXIT, BY__EXIT, BY_KILL, BY_ABORT, BY_RETURN };

	if (argc == 3 && !strcmp(argv[1], "held"))
		return held(argv[2]);
	for (size_t i = 0; i < COUNT(endings); i++)
		case_make(end_gives_all_back, &endings[i], true, "end_gives_all_back/%s", names[i]);
	return cases_main(argc, argv);
}
