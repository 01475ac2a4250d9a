/* SPDX-License-Identifier: MIT */
/*
 * M6: reaches its child's memory and descriptors by every call that needs no file, and says what
 * each answered. `fork`: a child of its own does the same afterwards, and traces by syscall().
 */
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "helper.h"

#define READS 20

static char there[64] = "there", here[64];

static void reach(pid_t child, bool by_number)
{
	struct iovec local = { here, sizeof(here) }, remote = { there, sizeof(there) };
	ssize_t moved = 0;
	int status;

	for (int i = 0; i < READS; i++)
		moved += process_vm_readv(child, &local, 1, &remote, 1, 0);
	printf("read %zd \"%s\", ", moved, here);
	printf("written %zd, ", process_vm_writev(child, &local, 1, &remote, 1, 0));
	errno = 0;
	printf("nobody's %ld %s, ",
	       syscall(SYS_process_vm_readv, 1 << 22, &local, 1, &remote, 1, 0), strerror(errno));
	printf("attached %ld, ", by_number ? syscall(SYS_ptrace, PTRACE_ATTACH, child, 0, 0)
					   : ptrace(PTRACE_ATTACH, child, 0, 0));
	must(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	errno = EDOM;
	printf("peeked %ld %d, ", ptrace(PTRACE_PEEKDATA, child, there, 0) & 0xff, errno);
	printf("detached %ld, ", ptrace(PTRACE_DETACH, child, 0, 0));
	int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, STDOUT_FILENO, 0);
	printf("taken %d\n", pidfd < 0 || fd >= 0);
	fflush(stdout);
}

static void reach_one(bool by_number)
{
	pid_t child = sure(fork());

	while (!child)
		pause();
	reach(child, by_number);
	must(!kill(child, SIGKILL) && waitpid(child, NULL, 0) == child);
}

int main(int argc, char **argv)
{
	int status;

	reach_one(false);
	if (argc < 2 || strcmp(argv[1], "fork"))
		return 0;
	pid_t child = sure(fork());
	if (!child) {
		reach_one(true);
		return 0;
	}
	must(waitpid(child, &status, 0) == child && !status);
	return 0;
}
