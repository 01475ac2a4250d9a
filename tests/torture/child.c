/* SPDX-License-Identifier: MIT */
/*
 * Forks: each side has the snapshots for itself, whoever exits first, and however: by
 * exit, by exec, by a signal; and whoever it has become.
 */
#include <errno.h>
#include <grp.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "torture.h"

#define MOST_PROCESSES 40
#define NOBODY	       65534

static void kill_itself(void)
{
	counted(COUNT_KILLED, 1);
	kill(getpid(), SIGKILL);
	pause();
}

static _Noreturn void leave(void)
{
	worker_end();
	if (!chance(6))
		kill_itself();
	if (!chance(6))
		execl("/bin/true", "true", (char *)NULL);
	if (chance(2))
		_exit(0);
	exit(0);
}

static void forget_not_forked(struct reader *reader)
{
	for (size_t i = reader->count; i-- > 0;)
		if (reader->views[i].not_forked)
			view_forget(reader, &reader->views[i]);
}

/* What the lease thread must do as well. */
static void give_up_privilege(struct reader *reader)
{
	if (geteuid())
		return;
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		fail("setresuid: %s", strerror(errno));
	reader->unprivileged = true;
}

static _Noreturn void child(struct reader *reader, uint64_t seed)
{
	worker_begin('c', seed);
	me.alone = true;
	reader->depth++;
	/* Among them those of a thread that writes just now: with them the file would stay open for
	 * writing. And programs do close all that they do not know. */
	close_range(3, ~0U, 0);
	forget_not_forked(reader);
	if (!chance(6))
		give_up_privilege(reader);
	take_low_priority();
	if (chance(2))
		sleep_us(chance(4000));
	reader_check(reader, "inherited");
	reader_run(reader, chance(60), INT64_MAX);
	reader_finish(reader);
	leave();
}

void children_reap(bool all)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (all && !pid)) {
		if (pid > 0)
			child_ended(pid, status);
		doing(DOING_WAIT, -1);
		if (!pid)
			sleep_us(500);
	}
}

static void spawn(void)
{
	char *arguments[] = { "true", NULL };
	pid_t pid;
	int r = posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ);

	if (r)
		fail("posix_spawn: %s", strerror(r));
}

void reader_fork(struct reader *reader)
{
	uint64_t seed = (uint64_t)chance(~0U) << 20;

	children_reap(false);
	if (reader->depth > 3 || atomic_load(&state->living) > MOST_PROCESSES)
		return;
	doing(DOING_FORK, -1);
	if (!chance(10)) {
		spawn();
		return;
	}
	pid_t pid = me.alone && !chance(3) ? (pid_t)syscall(SYS_fork) : fork();
	if (!pid)
		child(reader, seed);
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	counted(COUNT_FORKS, 1);
	reader_check(reader, "inherited");
	/* A child of a child goes on without its parent. */
	if (reader->depth && !chance(4)) {
		reader_finish(reader);
		leave();
	}
}
