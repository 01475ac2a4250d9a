/* SPDX-License-Identifier: MIT */
/*
 * A6, P4: starts another program in some way, and ends as that does.
 *
 *	launch WAY PROGRAM [ARGUMENT…]
 */
#include <libgen.h>
#include <spawn.h>

#include "helper.h"

static char *const nothing[] = { NULL };

static char *const only_other[] = { (char *)"OTHER=1", NULL };

static void way_execve(char **argv)
{
	execve(argv[0], argv, environ);
}

static void way_empty(char **argv)
{
	execve(argv[0], argv, nothing);
}

static void way_other(char **argv)
{
	execve(argv[0], argv, only_other);
}

static void way_unset(char **argv)
{
	unsetenv("LD_PRELOAD");
	execv(argv[0], argv);
}

static void way_clearenv(char **argv)
{
	clearenv();
	execv(argv[0], argv);
}

static void way_replaced(char **argv)
{
	setenv("LD_PRELOAD", "", 1);
	execv(argv[0], argv);
}

static void way_execvp(char **argv)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s", argv[0]);
	setenv("PATH", dirname(path), 1);
	snprintf(path, sizeof(path), "%s", argv[0]);
	argv[0] = strdup(basename(path));
	execvp(argv[0], argv);
}

static void way_execvpe(char **argv)
{
	execvpe(argv[0], argv, nothing);
}

static void way_execl(char **argv)
{
	unsetenv("LD_PRELOAD");
	execl(argv[0], argv[0], argv[1], argv[1] ? argv[2] : NULL, (char *)NULL);
}

static void way_execle(char **argv)
{
	execle(argv[0], argv[0], argv[1], argv[1] ? argv[2] : NULL, (char *)NULL, nothing);
}

static void way_fexecve(char **argv)
{
	fexecve(open(argv[0], O_RDONLY | O_CLOEXEC), argv, nothing);
}

static void way_execveat(char **argv)
{
	skip_without(execveat(AT_FDCWD, argv[0], argv, nothing, 0), "execveat before Linux 3.19");
}

static void way_syscall(char **argv)
{
	syscall(SYS_execve, argv[0], argv, nothing);
}

static void end_as(pid_t child)
{
	int status;

	must(waitpid(child, &status, 0) == child);
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	exit(WEXITSTATUS(status));
}

static void spawn(char **argv, char *const *environment)
{
	pid_t child;

	must(posix_spawn(&child, argv[0], NULL, NULL, argv, environment) == 0);
	end_as(child);
}

static void way_posix_spawn(char **argv)
{
	spawn(argv, environ);
}

static void way_posix_spawn_empty(char **argv)
{
	spawn(argv, nothing);
}

static void way_posix_spawnp(char **argv)
{
	pid_t child;

	unsetenv("LD_PRELOAD");
	must(posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) == 0);
	end_as(child);
}

static void way_fork(char **argv)
{
	pid_t child = fork();

	must(child >= 0);
	if (child)
		end_as(child);
	way_empty(argv);
}

static void way_vfork(char **argv)
{
	pid_t child = vfork();

	must(child >= 0);
	if (child)
		end_as(child);
	execve(argv[0], argv, nothing);
	_exit(127);
}

static void way_system(char **argv)
{
	char command[4096];
	int status;

	unsetenv("LD_PRELOAD");
	snprintf(command, sizeof(command), "'%s' %s %s", argv[0], argv[1] ? argv[1] : "",
		 argv[1] && argv[2] ? argv[2] : "");
	status = system(command);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TRIAL);
}

/* A second exec from a process that was itself started with nothing. */
static void way_twice(char **argv)
{
	char *again[8] = { (char *)"/proc/self/exe", (char *)"empty" };

	for (int i = 0; i < 5 && argv[i]; i++)
		again[2 + i] = argv[i];
	execve(again[0], again, nothing);
}

static const struct way {
	const char *name;
	void (*start)(char **argv);
} ways[] = {
	{ "execve", way_execve },
	{ "empty", way_empty },
	{ "other", way_other },
	{ "unset", way_unset },
	{ "clearenv", way_clearenv },
	{ "replaced", way_replaced },
	{ "execvp", way_execvp },
	{ "execvpe", way_execvpe },
	{ "execl", way_execl },
	{ "execle", way_execle },
	{ "fexecve", way_fexecve },
	{ "execveat", way_execveat },
	{ "syscall", way_syscall },
	{ "posix_spawn", way_posix_spawn },
	{ "posix_spawn_empty", way_posix_spawn_empty },
	{ "posix_spawnp", way_posix_spawnp },
	{ "fork", way_fork },
	{ "vfork", way_vfork },
	{ "system", way_system },
	{ "twice", way_twice },
};

int main(int argc, char **argv)
{
	must(argc > 2);
	for (size_t i = 0; i < COUNT(ways); i++)
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].start(argv + 2);
			die(argv[2]);
		}
	return EXIT_TRIAL;
}
