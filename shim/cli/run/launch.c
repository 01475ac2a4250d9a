/* SPDX-License-Identifier: MIT */
/*
 * Starts the command and waits for it: see run.h. It must not notice: it gets the signal mask and
 * the dispositions that this process was started with.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/run/run.h"

/* What a reader that has gone or a limit does to the output ends no command. Where SIGCHLD is
 * ignored, a child that ends before it is waited for leaves no status. */
static const struct {
	int signal;
	sighandler_t handler;
} settled[] = { { SIGPIPE, SIG_IGN }, { SIGXFSZ, SIG_IGN }, { SIGCHLD, SIG_DFL } };

#define SETTLED (sizeof(settled) / sizeof(*settled))

static struct sigaction settled_before[SETTLED];
static int ended_by; /* the signal that ended the command */

/* The last of all at the exit. A shell goes on with its script after a command that exited,
 * whatever the status: Ctrl-C ends the script only where SIGINT killed what it waited for. */
static void interrupt(int status, void *unused)
{
	(void)unused;
	if (ended_by == SIGINT && status == 128 + SIGINT)
		raise(SIGINT);
}

void signals_settle(void)
{
	on_exit(interrupt, NULL);
	for (size_t i = 0; i < SETTLED; i++) {
		const struct sigaction action = { .sa_handler = settled[i].handler };

		sigaction(settled[i].signal, &action, &settled_before[i]);
	}
}

void signals_restore(void)
{
	for (size_t i = 0; i < SETTLED; i++)
		sigaction(settled[i].signal, &settled_before[i], NULL);
}

static sigset_t mask_before;
static volatile sig_atomic_t child;

static const int passed_on[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM };

#define PASSED_ON (sizeof(passed_on) / sizeof(*passed_on))
#define TO_END	  4 /* the first of these: who sends them wants an end */

static struct sigaction passed_before[PASSED_ON];

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

	child = pid;
	sigfillset(&send.sa_mask); /* passed on in the order in which they came */
	for (size_t i = 0; i < PASSED_ON; i++) {
		sigaction(passed_on[i], NULL, &passed_before[i]);
		if (passed_before[i].sa_handler != SIG_IGN)
			sigaction(passed_on[i], &send, NULL);
	}
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

/* 0 or an errno. What has neither a format the kernel knows nor a #! line is the shell's. Not
 * posix_spawn, which leaves two signals of libc's own ignored. */
static int start(pid_t *pid, const char *path, char *const *arguments)
{
	volatile int error = 0;

	*pid = vfork();
	if (!*pid) {
		signals_restore();
		sigprocmask(SIG_SETMASK, &mask_before, NULL);
		execvpe(path, arguments, environ);
		error = errno;
		_exit(STATUS_NOT_RUNNABLE);
	}
	if (*pid < 0)
		error = errno;
	else if (error)
		waitpid(*pid, NULL, 0);
	return error;
}

/* Its number is another's soon after it was waited for: no signal is sent there. */
static int wait_for(pid_t pid, int *signal)
{
	siginfo_t info;
	int status;

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	child = 0;
	/* The log may be long, or nobody read the summary. */
	for (size_t i = 0; i < TO_END; i++)
		sigaction(passed_on[i], &passed_before[i], NULL);
	if (waitpid(pid, &status, 0) < 0) {
		complain("the command's end was not to be had: %m");
		return STATUS_BAD;
	}
	*signal = ended_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return *signal ? 128 + *signal : WEXITSTATUS(status);
}

int launch(const char *path, char *const *arguments, int *signal)
{
	pid_t pid;

	*signal = 0;
	hold_signals();
	int error = start(&pid, path, arguments);

	if (!error) {
		handle_signals(pid);
		return wait_for(pid, signal);
	}
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
	complain("%s: %s", arguments[0], strerror(error));
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
}
