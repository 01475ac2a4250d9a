/* SPDX-License-Identifier: MIT */
/*
 * Fork, exec, wait: see launch.h. The command must not notice: it gets the signal
 * mask and the dispositions that this process was started with. The child waits
 * for a word, so that what needs its process id (the log's name) is settled before.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/launch.h"

static sigset_t mask_before;
static volatile sig_atomic_t child;

static const int passed_on[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM };

#define PASSED_ON (sizeof(passed_on) / sizeof(*passed_on))

/* The keys of a terminal are for the command as well, which has had them from the kernel. */
static bool is_key(int signal, const siginfo_t *info)
{
	return (signal == SIGINT || signal == SIGQUIT) && info->si_code > 0;
}

static void forward(int signal, siginfo_t *info, void *context)
{
	int before = errno;

	(void)context;
	if (child > 0 && !is_key(signal, info))
		kill(child, signal);
	errno = before;
}

static void hold_signals(void)
{
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < PASSED_ON; i++)
		sigaddset(&held, passed_on[i]);
	sigprocmask(SIG_BLOCK, &held, &mask_before);
}

/* This process outlives them for the summary. What was ignored (nohup) stays so. */
static void handle_signals(pid_t pid)
{
	struct sigaction send = { .sa_sigaction = forward, .sa_flags = SA_RESTART | SA_SIGINFO };
	struct sigaction normal = { .sa_handler = SIG_DFL };
	struct sigaction before;

	child = pid;
	sigfillset(&send.sa_mask);	   /* passed on in the order in which they came */
	sigaction(SIGCHLD, &normal, NULL); /* ignored, waitpid would find nobody */
	for (size_t i = 0; i < PASSED_ON; i++) {
		sigaction(passed_on[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)
			sigaction(passed_on[i], &send, NULL);
	}
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

/* As execvp: what has neither a format the kernel knows nor a #! line is the shell's. */
static void execute_with_shell(const char *path, char *const *arguments)
{
	size_t count = 0;

	while (arguments[count])
		count++;
	char **shell = calloc(count + 3, sizeof(*shell));
	if (!shell)
		return;
	shell[0] = (char *)"/bin/sh";
	shell[1] = (char *)path;
	memcpy(shell + 2, arguments + 1, count * sizeof(*shell));
	execve(shell[0], shell, environ);
}

static void run_child(int go, int failed, const struct program *program, char *const *arguments,
		      void (*prepare)(void *), void *context)
{
	char word;

	if (read(go, &word, 1) != 1)
		_exit(STATUS_USAGE);
	prepare(context);
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
	execve(program->path, arguments, environ);
	if (errno == ENOEXEC)
		execute_with_shell(program->path, arguments);
	int error = errno;
	if (write(failed, &error, sizeof(error)) < 0)
		_exit(STATUS_USAGE);
	_exit(STATUS_NOT_RUNNABLE);
}

int launch_begin(struct launch *launch, const struct program *program, char *const *arguments,
		 void (*prepare)(void *context), void *context)
{
	int go[2], failed[2];

	if (pipe2(go, O_CLOEXEC) || pipe2(failed, O_CLOEXEC)) {
		complain("no pipe: %m");
		return -1;
	}
	hold_signals();
	launch->pid = fork();
	if (launch->pid < 0) {
		complain("no new process: %m");
		return -1;
	}
	if (!launch->pid) {
		close(go[1]);
		close(failed[0]);
		run_child(go[0], failed[1], program, arguments, prepare, context);
	}
	close(go[0]);
	close(failed[1]);
	launch->go = go[1];
	launch->failed = failed[0];
	handle_signals(launch->pid);
	return 0;
}

/* Its number is another's soon after it was waited for: no signal is sent there. */
static void wait_for_end(pid_t pid)
{
	siginfo_t info;
	int r;

	do
		r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	while (r < 0 && errno == EINTR);
	child = 0;
}

static int wait_for(pid_t pid)
{
	int status;

	wait_for_end(pid);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			complain("the command's end was not to be had: %m");
			return STATUS_BAD;
		}
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void launch_cancel(struct launch *launch)
{
	close(launch->go);
	close(launch->failed);
	wait_for(launch->pid);
}

int launch_finish(struct launch *launch, const char *name)
{
	int error = 0;
	ssize_t got;

	if (write(launch->go, "!", 1) < 0)
		complain("the command could not be told to start: %m");
	close(launch->go);
	do
		got = read(launch->failed, &error, sizeof(error));
	while (got < 0 && errno == EINTR);
	close(launch->failed);
	int status = wait_for(launch->pid);
	if (got != sizeof(error))
		return status;
	complain("%s: %s", name, strerror(error));
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
}
