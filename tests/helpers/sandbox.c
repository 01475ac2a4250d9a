/* SPDX-License-Identifier: MIT */
/*
 * P1: a program that maps a file, puts itself under a seccomp filter which kills for every
 * call but the few that it makes itself, and then opens, maps, unmaps and tries to execute as
 * before. "prctl" and "syscall" are the two ways there.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "helper.h"

#define PAGES 4

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

#define ALLOW(number)                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##number, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void enter(const char *how)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(munmap),
		ALLOW(openat),
		ALLOW(close),
		ALLOW(write),
		ALLOW(exit_group),
		ALLOW(brk),
		ALLOW(execve),
		ALLOW(clone3),
		ALLOW(prlimit64),
		ALLOW(setrlimit),
		ALLOW(umount2),
		ALLOW(dup2),
#ifdef __i386__
		ALLOW(mmap2),
		ALLOW(mmap),
		ALLOW(open),
#else
		ALLOW(mmap),
#endif
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { COUNT(rules), rules };

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (!strcmp(how, "prctl"))
		must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	else
		must(skip_without(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program),
				  "seccomp before Linux 3.17") == 0);
}

static char *map(const char *name)
{
	int fd = open(name, O_RDONLY);
	char *view = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	must(fd >= 0 && view != MAP_FAILED && close(fd) == 0);
	return view;
}

#define KILL_IF(comparison, number)                           \
	BPF_JUMP(BPF_JMP | comparison | BPF_K, number, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define X32_BIT 0x40000000

/* Refuses what mmfence never calls, some of it by its arguments, and nothing else. */
static struct sock_filter sparing[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	KILL_IF(BPF_JEQ, 0xc0de),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	KILL_IF(BPF_JSET, X32_BIT),
	KILL_IF(BPF_JGE, X32_BIT),
	KILL_IF(BPF_JGT, X32_BIT - 1),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x40000, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

/* The same, and for one argument a call that it makes. */
static struct sock_filter unsparing[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 16),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x40000, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

/* Kills for a call that only mmfence makes. */
static struct sock_filter reading[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	KILL_IF(BPF_JEQ, SYS_process_vm_readv),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

/* Kills for the call by which a child of vfork knows that it is one. */
static struct sock_filter asking[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	KILL_IF(BPF_JEQ, SYS_getpid),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

/* As Chromium and Firefox ask whether there are filters; and one that lets all through. Neither
 * changes what mmfence does. */
static int ask(const char *how)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { COUNT(all), all };

	if (!strcmp(how, "sparing"))
		program = (struct sock_fprog){ COUNT(sparing), sparing };
	if (!strcmp(how, "unsparing"))
		program = (struct sock_fprog){ COUNT(unsparing), unsparing };
	if (!strcmp(how, "reading"))
		program = (struct sock_fprog){ COUNT(reading), reading };
	if (!strcmp(how, "forbidden")) {
		program = (struct sock_fprog){ COUNT(unsparing), unsparing };
		must(setresuid(65534, 65534, 65534) == 0 &&
		     prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1 && errno == EACCES);
	} else if (!strcmp(how, "ask"))
		for (int i = 0; i < 3; i++)
			must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 &&
			     errno == EFAULT);
	else
		must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		     prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	bool refused = open("/proc/self/mem", O_RDONLY) == -1 && errno == EACCES;
	printf("%s\n", refused ? "refused" : "given");
	return 0;
}

/* What a child of vfork does to itself is not its parent's, whose memory it has. */
static int child_first(const char *how)
{
	struct sock_fprog program = { COUNT(unsparing), unsparing };
	struct sock_fprog second = { COUNT(asking), asking };
	pid_t child = vfork();
	int status;

	must(child >= 0);
	if (!child) {
		if (!strncmp(how, "child_filtered", 14))
			must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
			     !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
		else
			must(skip_without(syscall(SYS_fanotify_init, 0, 0), "fanotify") >= 0);
		if (!strcmp(how, "child_filtered_twice")) {
			must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &second));
			map("/proc/self/exe");
			_exit(0);
		}
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	must(waitpid(child, &status, 0) == child && !status);
	file_make("sandbox.data", 1, PAGES);
	map("sandbox.data");
	return ask("ask");
}

int main(int argc, char **argv)
{
	char **volatile nowhere = (char **)8;
	const struct rlimit files = { 100, 100 };
	pid_t self = getpid();

	must(argc == 2);
	if (!strncmp(argv[1], "child_", 6))
		return child_first(argv[1]);
	if (strcmp(argv[1], "prctl") && strcmp(argv[1], "syscall"))
		return ask(argv[1]);
	file_make("sandbox.data", 1, PAGES);
	file_make("sandbox.own", 1, 1);
	char *before = map("sandbox.data");
	bool leased = !fcntl(open("sandbox.own", O_RDONLY), F_SETLEASE, F_RDLCK);
	must(signal(SIGIO, SIG_IGN) != SIG_ERR);
	enter(argv[1]);
	char *after = map("sandbox.data");
	promise(page_is(before, 1, 0) && page_is(after, 1, 0), "other bytes");
	must(munmap(before, PAGES * PAGE) == 0 && munmap(after, PAGES * PAGE) == 0);
	must(open("sandbox.none", O_RDONLY) == -1);
	must(!leased || (open("sandbox.own", O_WRONLY | O_NONBLOCK) == -1 && errno == EAGAIN));
	must(setrlimit(RLIMIT_NOFILE, &files) == 0);
	must(prlimit(self, RLIMIT_NOFILE, &files, NULL) == 0);
	must(umount2("/", 0) == -1);
	must(execv("sandbox.none", argv) == -1 && errno == ENOENT);
	must(execve("sandbox.none", argv, (char *[]){ NULL }) == -1 && errno == ENOENT);
	must(execve("/proc/self/exe", argv, nowhere) == -1 && errno == EFAULT);
	must(syscall(SYS_clone3, NULL, 64) == -1 && (errno == EFAULT || errno == ENOSYS));
#ifdef __i386__
	must(syscall(SYS_mmap, NULL) == -1 && errno == EFAULT);
#endif
	must(dup2(1, 60) == 60);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	must(write(1, "done\n", 5) == 5);
	_exit(0);
}
