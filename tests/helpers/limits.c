/* SPDX-License-Identifier: MIT */
/*
 * P1: programs at the edge of what exec takes, tracers, and who must allow an exec: what the kernel
 * says and when is what it says without the library.
 */
#include <poll.h>
#include <spawn.h>
#include <sys/fanotify.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>

#include "helper.h"

#define TRUE_PATH "/bin/true"

/* --- environments that are too large, or nearly --- */

static char *const arguments[] = { (char *)"true", NULL };

static char **environment_of(size_t count, char *entry)
{
	char **environment = malloc((count + 1) * sizeof(char *));

	must(environment);
	for (size_t i = 0; i < count; i++)
		environment[i] = entry;
	environment[count] = NULL;
	return environment;
}

/* Each returns errno, or 0 when the program ran; or does not return. */
typedef int start(char **environment);

static int by_execve(char **environment)
{
	return execve(TRUE_PATH, arguments, environment) ? errno : 0;
}

static int by_execvpe(char **environment)
{
	return execvpe("true", arguments, environment) ? errno : 0;
}

static int by_fexecve(char **environment)
{
	return fexecve(open(TRUE_PATH, O_RDONLY | O_CLOEXEC), arguments, environment) ? errno : 0;
}

static int by_execveat(char **environment)
{
	return execveat(AT_FDCWD, TRUE_PATH, arguments, environment, 0) ? errno : 0;
}

static int by_execle(char **environment)
{
	return execle(TRUE_PATH, "true", NULL, environment) ? errno : 0;
}

static int by_number(char **environment)
{
	return syscall(SYS_execve, TRUE_PATH, arguments, environment) ? errno : 0;
}

static int by_environ(char **environment)
{
	environ = environment;
	return execv(TRUE_PATH, arguments) ? errno : 0;
}

static int ended(pid_t child)
{
	int status;

	must(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int by_spawn(char **environment)
{
	pid_t child;
	int error = posix_spawn(&child, TRUE_PATH, NULL, NULL, arguments, environment);

	return error ? error : ended(child);
}

static int by_spawnp(char **environment)
{
	pid_t child;
	int error = posix_spawnp(&child, "true", NULL, NULL, arguments, environment);

	return error ? error : ended(child);
}

static int by_vfork(char **environment)
{
	pid_t child = sure(vfork());
	if (!child) {
		execve(TRUE_PATH, arguments, environment);
		_exit(errno);
	}
	return ended(child);
}

static int by_hand_alone(char **environment)
{
	return (int)-by_hand(SYS_execve, (long)TRUE_PATH, (long)arguments, (long)environment, 0, 0);
}

static int started(start *way, size_t count, char *entry)
{
	pid_t child = sure(fork());

	if (!child)
		_exit(way(environment_of(count, entry)));
	return ended(child);
}

/* Also larger than the stack. */
static void skip_if_missing(start *way, int error)
{
	if (way == by_execveat && error == ENOSYS)
		skip("no execveat before Linux 3.19");
}

static void too_large(const void *argument)
{
	start *way = *(start *const *)argument;
	int error = started(way, 3000000, (char *)"A=1");

	skip_if_missing(way, error);
	promise(error == E2BIG, "%s", strerror(error));
}

/* What just fits does so although the preload is put back, if there is room, and if not. */
static void just_fits(const void *argument)
{
	start *way = *(start *const *)argument;
	const struct rlimit limit = { 1 << 20, RLIM_INFINITY };
	char entry[] = "LONG=01234567890123456789012345678901234567890123456789";
	size_t fits = 1, fails = 100000;

	must(setrlimit(RLIMIT_STACK, &limit) == 0);
	while (fits + 1 < fails) {
		size_t middle = (fits + fails) / 2;
		int error = started(by_hand_alone, middle, entry);

		promise(!error || error == E2BIG, "%zu by hand: %s", middle, strerror(error));
		*(error ? &fails : &fits) = middle;
	}
	for (size_t less = 0; less <= 4; less++) {
		int error = started(way, fits - less, entry);
		skip_if_missing(way, error);
		promise(!error, "%zu of %zu: %s", fits - less, fits, strerror(error));
	}
}

/* The longest string that exec takes. */
CASE(longest_command, HOLDS_BARE)
{
	static char command[131072];
	char answer[8] = "";

	memset(command, 'x', sizeof(command) - 1);
	memcpy(command, "exit 7 #", 8);
	unsetenv("LD_PRELOAD");
	int status = system(command);
	promise(WIFEXITED(status) && WEXITSTATUS(status) == 7, "system: status %x", status);
	memcpy(command, "echo 7 #", 8);
	FILE *pipe = popen(command, "r");
	must(pipe);
	promise(fgets(answer, sizeof(answer), pipe) && answer[0] == '7', "popen: %s", answer);
	must(pclose(pipe) == 0);
}

/* --- what a tracer sees of the end --- */

typedef void end_call(int status);

static _Noreturn void traced(end_call *end)
{
	must(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	raise(SIGSTOP);
	by_hand(SYS_getppid, 0, 0, 0, 0, 0); /* from here on */
	end(3);
	_exit(EXIT_TRIAL);
}

static long number_of(pid_t child)
{
	struct user_regs_struct registers;

	must(ptrace(PTRACE_GETREGS, child, 0, &registers) == 0);
#ifdef __x86_64__
	return (long)registers.orig_rax;
#else
	return registers.orig_eax;
#endif
}

/* On to the next system call, which it is about to make; or that it has just made. */
static long next_call(pid_t child)
{
	int status;

	must(ptrace(PTRACE_SYSCALL, child, 0, 0) == 0);
	must(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	return number_of(child);
}

static void nothing_before_the_end(const void *argument)
{
	int status;
	pid_t child = sure(fork());

	if (!child)
		traced(*(end_call *const *)argument);
	must(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	while (next_call(child) != SYS_getppid)
		;
	must(next_call(child) == SYS_getppid);
	long number = next_call(child);
	promise(number == SYS_exit_group, "system call %ld before exit_group", number);
	must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
	must(waitpid(child, &status, 0) == child);
	promise(WIFEXITED(status) && WEXITSTATUS(status) == 3, "status %x", status);
}

/* --- who must allow an exec --- */

static void allow(int group)
{
	struct fanotify_event_metadata event;

	must(read(group, &event, sizeof(event)) == sizeof(event));
	struct fanotify_response yes = { event.fd, FAN_ALLOW };
	must(write(group, &yes, sizeof(yes)) == sizeof(yes) && close(event.fd) == 0);
}

/* The one open that exec itself makes is allowed, and no other. */
CASE(one_open_for_an_exec, HOLDS_BARE)
{
	must(system("cp " TRUE_PATH " perm.true") == 0);
	int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
	if (group < 0 || fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "perm.true"))
		skip("no fanotify for this user");
	alarm(PATIENT);
	pid_t child = sure(fork());
	if (!child) {
		close(group);
		execl("./perm.true", "true", NULL);
		_exit(EXIT_BROKEN);
	}
	allow(group);
	child_wait(child);
	struct pollfd more = { .fd = group, .events = POLLIN };
	promise(poll(&more, 1, 0) == 0, "another open was asked for");
}

/* --- calls that fail for want of memory --- */

#define AREAS 5000
#define CALLS 400

/* Bytes that the process has read. */
static long long bytes_read(void)
{
	char text[256] = "";
	int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip("this kernel does not count what is read");
	must(read(fd, text, sizeof(text) - 1) > 0 && close(fd) == 0);
	return atoll(text + strlen("rchar: "));
}

static __attribute__((noinline)) int fail_here(void *nowhere)
{
	return mprotect(nowhere, 2 * PAGE, PROT_READ) ? errno : 0;
}

static __attribute__((noinline)) int fail_there(void *nowhere)
{
	return mprotect(nowhere, 2 * PAGE, RW) ? errno : 0;
}

/* Not each of them is reason to list all areas, though they come from two places in turn. A line of
 * the list has more than 40 bytes. */
PROMISE_WIDTHS(P8, failing_calls_list_the_areas_now_and_then, HOLDS_BARE)
{
	char *areas = sure(mmap(NULL, AREAS * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	for (size_t i = 0; i < AREAS; i += 2)
		must(mprotect(areas + i * PAGE, PAGE, RW) == 0);
	char *nowhere = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(nowhere != MAP_FAILED && munmap(nowhere, 2 * PAGE) == 0);
	long long before = bytes_read();
	for (int i = 0; i < CALLS; i++)
		must((i % 2 ? fail_here : fail_there)(nowhere) == ENOMEM);
	long long lists = (bytes_read() - before) / (AREAS * 40);
	promise(lists < CALLS / 4, "the areas were listed %lld times", lists);
}

#define TOO_LARGE(way) CASE_OF("large/" #way, too_large, AS(start *, by_##way), HOLDS_BARE)
#define ANY_SIZE(way)  \
	TOO_LARGE(way) \
	CASE_OF("fits/" #way, just_fits, AS(start *, by_##way), HOLDS_BARE)
ANY_SIZE(execve)
ANY_SIZE(execvpe)
TOO_LARGE(fexecve)
ANY_SIZE(execveat)
TOO_LARGE(execle)
ANY_SIZE(number)
TOO_LARGE(environ)
ANY_SIZE(spawn)
TOO_LARGE(spawnp)
ANY_SIZE(vfork)

#define ENDS(end) CASE_OF("end/" #end, nothing_before_the_end, AS(end_call *, end), HOLDS_BARE)
ENDS(_exit)
ENDS(_Exit)
ENDS(quick_exit)
ENDS(exit)

CASES_MAIN
