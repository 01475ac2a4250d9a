/* SPDX-License-Identifier: MIT */
/* Who holds a lease on a file, as far as the kernel tells. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/file.h"
#include "kernel/lease_thread.h"

static char name[] = "/tmp/mmfence-lease.XXXXXX";
static struct file file;
static int ready[2];

static void *hold(void *unused)
{
	(void)unused;
	cr_assert(write(ready[1], "", 1) == 1);
	pause();
	return NULL;
}

/* A process without the library takes a lease, and its first thread ends or does not. */
static pid_t holder(bool first_ends)
{
	pthread_t thread;
	char byte;

	int fd = mkstemp(name);
	cr_assert(fd >= 0 && !close(fd) && !pipe(ready));
	pid_t pid = fork();
	if (!pid) {
		if (fcntl(open(name, O_RDONLY), F_SETLEASE, F_RDLCK))
			_exit(1);
		pthread_create(&thread, NULL, hold, NULL);
		if (first_ends)
			syscall(SYS_exit, 0);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		cr_skip_test("no leases here");
	fd = open(name, O_RDONLY);
	cr_assert(fd >= 0 && !file_identify(fd, &file) && !close(fd));
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(name);
}

Test(lease, one_on_a_file_of_the_same_number_elsewhere_is_not_its)
{
	pid_t pid = holder(false);

	cr_expect(lease_owner_of(&file) == LEASE_FOREIGN);
	file.device ^= UINT64_C(0x70) << 32;
	cr_expect(lease_owner_of(&file) == LEASE_NOBODYS);
	end(pid);
}

Test(lease, of_a_process_without_memory_nobody_knows_whether_it_is_fenced)
{
	pid_t pid = holder(true);
	char path[40], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	while (state != 'Z') {
		FILE *stat = fopen(path, "re");
		cr_assert(stat && fscanf(stat, "%*d %*s %c", &state) == 1 && !fclose(stat));
	}
	cr_expect(lease_owner_of(&file) == LEASE_UNSURE);
	end(pid);
}
