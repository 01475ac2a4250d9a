/* SPDX-License-Identifier: MIT */
/*
 *	job COMMAND…
 *
 * Runs COMMAND, its output thrown away, until it and all that it left behind have ended, and prints
 * the processor time that all of them took, in ns, and the most memory that one of them had
 * resident, in KiB.
 */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"

static double ns_of(struct timeval time)
{
	return ((double)time.tv_sec * 1e6 + (double)time.tv_usec) * 1e3;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status, result = 1;
	pid_t pid, ended;

	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1) || (pid = fork()) < 0)
		die("job COMMAND…");
	if (!pid) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		execvp(argv[1], argv + 1);
		die(argv[1]);
	}
	while ((ended = wait(&status)) > 0)
		if (ended == pid)
			result = status != 0;
	if (result || getrusage(RUSAGE_CHILDREN, &usage)) {
		fprintf(stderr, "job: %s failed\n", argv[1]);
		return 1;
	}
	printf("%.0f %ld\n", ns_of(usage.ru_utime) + ns_of(usage.ru_stime), usage.ru_maxrss);
	return 0;
}
