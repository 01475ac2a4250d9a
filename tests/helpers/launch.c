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

ACTS(way, void, char **argv)
#define WAY(name)	  ACT(way, #name, way_##name) static void way_##name(char **argv)
#define WAY_IS(name, ...) WAY(name) DOES(__VA_ARGS__)

WAY_IS(execve, execve(argv[0], argv, environ))

/* A set-user-ID program, which is then what it became. */
WAY(changed)
{
	must(setresuid(geteuid(), geteuid(), geteuid()) == 0);
	execve(argv[0], argv, environ);
}

WAY_IS(empty, execve(argv[0], argv, nothing))
WAY_IS(other, execve(argv[0], argv, only_other))

/* More than a stack has room for. */
WAY(many)
{
	static char *variables[20001];

	for (size_t i = 0; i < COUNT(variables) - 1; i++)
		variables[i] = only_other[0];
	execve(argv[0], argv, variables);
}

WAY(unset)
{
	unsetenv("LD_PRELOAD");
	execv(argv[0], argv);
}

WAY(clearenv)
{
	clearenv();
	execv(argv[0], argv);
}

WAY(replaced)
{
	setenv("LD_PRELOAD", "", 1);
	execv(argv[0], argv);
}

WAY(execvp)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s", argv[0]);
	setenv("PATH", dirname(path), 1);
	snprintf(path, sizeof(path), "%s", argv[0]);
	argv[0] = strdup(basename(path));
	execvp(argv[0], argv);
}

WAY_IS(execvpe, execvpe(argv[0], argv, nothing))

WAY(execl)
{
	unsetenv("LD_PRELOAD");
	execl(argv[0], argv[0], argv[1], argv[1] ? argv[2] : NULL, (char *)NULL);
}

WAY_IS(execle, execle(argv[0], argv[0], argv[1], argv[1] ? argv[2] : NULL, (char *)NULL, nothing))
WAY_IS(fexecve, fexecve(open(argv[0], O_RDONLY | O_CLOEXEC), argv, nothing))
WAY_IS(execveat,
       skip_without(execveat(AT_FDCWD, argv[0], argv, nothing, 0), "execveat before Linux 3.19"))
WAY_IS(syscall, syscall(SYS_execve, argv[0], argv, nothing))

/* Which of them the dynamic linker takes is the last. */
WAY(two_preloads)
{
	char *both[] = { NULL, (char *)"LD_PRELOAD=", NULL };

	must(asprintf(&both[0], "LD_PRELOAD=%s", getenv("LD_PRELOAD") ?: "") > 0);
	execve(argv[0], argv, both);
}

/* Who passes on a list of variables, this one among them. */
WAY(preload_only)
{
	char *only[] = { NULL, NULL };

	must(asprintf(&only[0], "LD_PRELOAD=%s", getenv("LD_PRELOAD") ?: "") > 0);
	execve(argv[0], argv, only);
}

WAY(system_preload_only)
{
	char *preload = strdup(getenv("LD_PRELOAD") ?: "");
	char command[4096];

	snprintf(command, sizeof(command), "exec '%s'", argv[0]);
	clearenv();
	setenv("LD_PRELOAD", preload, 1);
	exit(system(command) ? EXIT_TRIAL : 0);
}

WAY_IS(fexecve_path, fexecve(open(argv[0], O_PATH | O_CLOEXEC), argv, environ))

static void end_as(pid_t child)
{
	int status;

	must(waitpid(child, &status, 0) > 0);
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

WAY_IS(posix_spawn, spawn(argv, environ))
WAY_IS(posix_spawn_empty, spawn(argv, nothing))

WAY(posix_spawnp)
{
	pid_t child;

	unsetenv("LD_PRELOAD");
	must(posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) == 0);
	end_as(child);
}

/* What glibc has since 2.39; before, tests/helpers/lib/pidfd_spawn.c stands for it. */
int spawn_pidfd(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attributes, char *const argv[],
		char *const environment[]) __asm__("pidfd_spawn") __attribute__((weak));
int spawn_pidfd_by_search(int *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *attributes, char *const argv[],
			  char *const environment[]) __asm__("pidfd_spawnp") __attribute__((weak));

static void spawn_by(__typeof__(&spawn_pidfd) function, char **argv, char *const *environment)
{
	int pidfd;

	must(function && function(&pidfd, argv[0], NULL, NULL, argv, environment) == 0);
	end_as(-1);
}

WAY_IS(pidfd_spawn, spawn_by(spawn_pidfd, argv, environ))
WAY_IS(pidfd_spawn_empty, spawn_by(spawn_pidfd, argv, nothing))
WAY_IS(pidfd_spawnp, spawn_by(spawn_pidfd_by_search, argv, nothing))

WAY(fork)
{
	pid_t child = sure(fork());

	if (child)
		end_as(child);
	way_empty(argv);
}

WAY(vfork)
{
	pid_t child = sure(vfork());
	if (child)
		end_as(child);
	execve(argv[0], argv, nothing);
	_exit(127);
}

WAY(system)
{
	char command[4096];
	int status;

	unsetenv("LD_PRELOAD");
	snprintf(command, sizeof(command), "'%s' %s %s", argv[0], argv[1] ? argv[1] : "",
		 argv[1] && argv[2] ? argv[2] : "");
	status = system(command);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TRIAL);
}

static char **handler_arguments;

static void start_again(int signal)
{
	char *environment[901];

	(void)signal;
	for (size_t i = 0; i < COUNT(environment) - 1; i++)
		environment[i] = only_other[0];
	environment[COUNT(environment) - 1] = NULL;
	execve(handler_arguments[0], handler_arguments, environment);
}

/* From a signal handler, whose stack has no room for another environment. */
WAY(small_stack)
{
	stack_t stack = { .ss_sp = malloc(16384), .ss_size = 16384 };
	struct sigaction action = { .sa_handler = start_again, .sa_flags = SA_ONSTACK };

	handler_arguments = argv;
	must(!sigaltstack(&stack, NULL) && !sigaction(SIGUSR1, &action, NULL));
	raise(SIGUSR1);
}

/* A second exec from a process that was itself started with nothing. */
WAY(twice)
{
	char *again[8] = { (char *)"/proc/self/exe", (char *)"empty" };

	for (int i = 0; i < 5 && argv[i]; i++)
		again[2 + i] = argv[i];
	execve(again[0], again, nothing);
}

int main(int argc, char **argv)
{
	must(argc > 2);
	for (size_t i = 0; i < way_count; i++)
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].act(argv + 2);
			die(argv[2]);
		}
	return EXIT_TRIAL;
}
