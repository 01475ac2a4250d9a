/* SPDX-License-Identifier: MIT */
/*
 * Receivers of records: see receiver.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../mounts.h"
#include "receiver.h"

#define QUEUE "/proc/sys/net/unix/max_dgram_qlen"

/* How many datagrams may wait is the machine's; ten, unless somebody said otherwise, and a test
 * reads late. A network namespace has a number of its own. */
static void deep_queue(void)
{
	static int before;
	char text[16] = "";
	int fd;

	if (before++)
		return;
	if (!unshare(CLONE_NEWNET) && (fd = open(QUEUE, O_WRONLY | O_CLOEXEC)) >= 0) {
		cr_assert(write(fd, "1000", 4) == 4);
		close(fd);
	}
	fd = open(QUEUE, O_RDONLY | O_CLOEXEC);
	if (read(fd, text, sizeof(text) - 1) < 0 || atoi(text) < 500)
		cr_skip_test(QUEUE " is too small, and only root can change it");
	close(fd);
}

int receiver_bind(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	deep_queue();
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	cr_assert(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)), "%s: %s",
		  path, strerror(errno));
	cr_assert(chmod(path, 0666) == 0);
	if (type == SOCK_STREAM)
		cr_assert(listen(fd, 4) == 0);
	return fd;
}

static ssize_t read_sealed(int fd, char *out, size_t size)
{
	ssize_t length;

	cr_assert((fcntl(fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) ==
			  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
		  "the memory file is not sealed");
	length = pread(fd, out, size - 1, 0);
	close(fd);
	return length;
}

ssize_t receiver_next(int socket, char *out, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { out, size - 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t length = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (length < 0)
		return -1;
	cr_assert(!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)));
	if (message.msg_controllen) {
		int fd;
		cr_assert(length == 0 && control.header.cmsg_type == SCM_RIGHTS);
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
		length = read_sealed(fd, out, size);
	}
	out[length] = 0;
	return length;
}

size_t receiver_drain(int socket, struct run *run)
{
	static char text[65536];
	FILE *log = fopen(run->log_path, "ae");
	size_t count = 0;
	ssize_t length;

	cr_assert(log);
	for (; (length = receiver_next(socket, text, sizeof(text))) >= 0; count++) {
		cr_assert(length && strchr(text, '\n') == text + length - 1,
			  "a datagram is not one line: %s", text);
		fputs(text, log);
	}
	fclose(log);
	run_read_log(run);
	return count;
}

static void need_own_mounts(void)
{
	skip_unless_root();
	if (!own_mounts(0))
		cr_skip_test("no mounts here: %s", strerror(errno));
}

void private_run(void)
{
	need_own_mounts();
	cr_assert(mount("run", "/run", "tmpfs", 0, "mode=755") == 0);
}

void private_dev(void)
{
	static const char *const needed[] = { "null", "zero", "shm" };
	char dir[] = "/tmp/mmfence-dev.XXXXXX", from[64], to[64];

	need_own_mounts();
	cr_assert(mkdtemp(dir) && mount("dev", dir, "tmpfs", 0, "mode=755") == 0);
	for (size_t i = 0; i < 3; i++) {
		snprintf(from, sizeof(from), "/dev/%s", needed[i]);
		snprintf(to, sizeof(to), "%s/%s", dir, needed[i]);
		if (i == 2)
			cr_assert(mkdir(to, 0777) == 0);
		else
			cr_assert(close(open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666)) == 0);
		cr_assert(mount(from, to, NULL, MS_BIND, NULL) == 0);
	}
	cr_assert(mount(dir, "/dev", NULL, MS_MOVE, NULL) == 0, "%s", strerror(errno));
	rmdir(dir);
}

struct steps steps;

void steps_prepare(struct run *run)
{
	if (dup2(steps.told[1], 17) != 17 || dup2(steps.gate[0], 18) != 18)
		_exit(98);
}

void steps_open(void)
{
	if (steps.gate[1] > 0) {
		close(steps.gate[1]);
		close(steps.told[0]);
	}
	cr_assert(pipe2(steps.told, O_CLOEXEC) == 0 && pipe2(steps.gate, O_CLOEXEC) == 0);
}

/* So that the helper's end is noticed. */
static void close_the_helpers(void)
{
	if (steps.told[1] < 0)
		return;
	close(steps.told[1]);
	close(steps.gate[0]);
	steps.told[1] = -1;
}

void steps_take(unsigned int count)
{
	uint32_t told;

	close_the_helpers();
	while (count--) {
		struct pollfd answer = { .fd = steps.told[0], .events = POLLIN };

		cr_assert(write(steps.gate[1], "!", 1) == 1);
		cr_assert(poll(&answer, 1, 20000) == 1, "the program is held up");
		cr_assert(read(steps.told[0], &told, sizeof(told)) == sizeof(told));
	}
}
