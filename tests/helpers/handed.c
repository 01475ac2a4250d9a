/* SPDX-License-Identifier: MIT */
/*
 * A7: what becomes of the log when a program does not stay what it was: it drops privileges, closes
 * the log first, or finds its library gone, and then starts itself again as "open", which opens its
 * own memory.
 */
#include <grp.h>
#include <linux/capability.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#include "helper.h"

static void drop_privileges(void)
{
	must(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
	     setresuid(65534, 65534, 65534) == 0);
}

/* As setpriv does: until exec it may still open what it likes. */
static void keep_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	drop_privileges();
	must(syscall(SYS_capget, &header, data) == 0);
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	must(syscall(SYS_capset, &header, data) == 0);
}

/* Some programs look for the auxiliary vector where the kernel put it. */
static bool has_vector_behind(char *const *environment)
{
	while (*environment)
		environment++;
	const unsigned long *pair = (const void *)(environment + 1);
	while (pair[0] && pair[0] != AT_PAGESZ)
		pair += 2;
	return pair[0] == AT_PAGESZ && pair[1] == PAGE;
}

static int open_memory(void)
{
	must(has_vector_behind(environ));
	sure(open("/proc/self/mem", O_RDONLY));
	must(!getenv("MMFENCE_HANDED_LOG"));
	return 0;
}

/* What the kernel was given shows it, though the program is not shown it. */
static bool was_handed_on(void)
{
	static char environment[1 << 17];
	int fd = sure(open("/proc/self/environ", O_RDONLY | O_CLOEXEC));
	ssize_t size = 0, more;

	while ((more = read(fd, environment + size, sizeof(environment) - 1 - (size_t)size)) > 0)
		size += more;
	must(more == 0);
	return memmem(environment, (size_t)size, "MMFENCE_HANDED_LOG=", 19);
}

/* The log is a pipe, which nobody reads from then on. */
static void read_until_exec(void)
{
	sure(open(getenv("MMFENCE_AUDIT_LOG"), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	open_memory();
}

static void exec_self(const char *self, const char *as)
{
	execl(self, self, as, (char *)NULL);
	must(!"exec");
}

/* The child's own, which is a child of vfork's where libc makes one. */
static void spawn_self(const char *self)
{
	pid_t child = vfork();
	int status;

	if (!child) {
		execl(self, self, "open", (char *)NULL);
		_exit(127);
	}
	must(waitpid(child, &status, 0) == child && status == 0);
}

/* With all descriptors closed, or each. */
static void spawn_closed(char *self, bool each)
{
	char *const argv[] = { self, (char *)"noop", NULL };
	posix_spawn_file_actions_t actions;
	pid_t child;
	int status;

	must(!posix_spawn_file_actions_init(&actions));
	for (int fd = 3; each && fd < 256; fd++)
		must(!posix_spawn_file_actions_addclose(&actions, fd));
	must(each || !posix_spawn_file_actions_addclosefrom_np(&actions, 3));
	must(!posix_spawn(&child, self, &actions, NULL, argv, environ));
	must(waitpid(child, &status, 0) == child && status == 0);
}

static void shell_self(const char *self, bool by_popen)
{
	char command[4200];

	snprintf(command, sizeof(command), "'%s' open; exit $?", self);
	int status = by_popen ? pclose(popen(command, "w")) : system(command);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (int fd = 100; fd < 900; fd++)
		promise(fcntl(fd, F_GETFD) != 0, "descriptor %d was left behind", fd);
}

static void *shell_that_waits(void *unused)
{
	must(system("read line <way") == 0);
	return unused;
}

/* Another thread takes the number while the shell runs. */
static void shell_and_take(void)
{
	int own = sure(open("own", O_RDWR | O_CREAT | O_CLOEXEC, 0600)), number = 100;
	struct stat one, other;

	must(!mkfifo("way", 0600));
	pthread_t shell = thread_start(shell_that_waits, NULL);
	wait_until(fcntl(number, F_GETFD) == 0);
	int way = sure(open("way", O_WRONLY | O_CLOEXEC)); /* the shell is there */
	must(dup3(own, number, O_CLOEXEC) == number);
	must(write(way, "\n", 1) == 1 && !close(way));
	thread_end(shell);
	must(!fstat(own, &one));
	promise(!fstat(number, &other) && one.st_ino == other.st_ino,
		"a descriptor of the program's was closed");
}

/* It is in the way of nobody: an exec that fails leaves nothing behind. */
static void exec_nothing(void)
{
	int before = dup(0);

	must(execl("/nonexistent", "x", (char *)NULL) == -1 && errno == ENOENT);
	int after = dup(0);
	promise(after == before + 1, "a descriptor was left behind");
	for (int fd = 100; fd < 900; fd++)
		promise(fcntl(fd, F_GETFD) == -1, "descriptor %d was left behind", fd);
}

int main(int argc, char **argv)
{
	must(argc >= 2);
	if (!strcmp(argv[1], "noop"))
		return 0;
	if (!strcmp(argv[1], "open"))
		return open_memory();
	if (!strcmp(argv[1], "second")) {
		must(was_handed_on());
		exec_self(argv[0], "third");
	}
	if (!strcmp(argv[1], "third")) {
		must(!was_handed_on());
		return open_memory();
	}
	if (argc == 3 && !strcmp(argv[2], "twice"))
		must(chown(getenv("MMFENCE_AUDIT_LOG"), 65534, 65534) == 0);
	if (argc == 3 && !strcmp(argv[2], "reader"))
		read_until_exec();
	if (!strcmp(argv[1], "drop")) {
		drop_privileges();
		exec_nothing();
	} else if (!strcmp(argv[1], "keep")) {
		keep_capabilities();
	} else if (!strcmp(argv[1], "unlink")) {
		must(argc == 3 && unlink(argv[2]) == 0);
	}
	if (argc == 3 && !strcmp(argv[2], "taken"))
		shell_and_take();
	if (argc == 3 && (!strcmp(argv[2], "closed") || !strcmp(argv[2], "each")))
		spawn_closed(argv[0], !strcmp(argv[2], "each"));
	else if (argc == 3 && (!strcmp(argv[2], "system") || !strcmp(argv[2], "popen")))
		shell_self(argv[0], !strcmp(argv[2], "popen"));
	else if (argc == 3 && !strcmp(argv[2], "vfork"))
		spawn_self(argv[0]);
	else
		exec_self(argv[0], argc == 3 && !strcmp(argv[2], "twice") ? "second" : "open");
	return 0;
}
