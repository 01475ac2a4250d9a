/* SPDX-License-Identifier: MIT */
/*
 * A record that is too large for a datagram of the journal's protocol.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../mounts.h"
#include "audit/event.h"
#include "audit/sink.h"
#include "kernel/guarded.h"
#include "support/scope.h"

#define JOURNAL "/run/systemd/journal/socket"

static int private_journal(void)
{
	struct sockaddr_un address = { AF_UNIX, JOURNAL };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (!own_mounts(0) || mount("run", "/run", "tmpfs", 0, NULL))
		cr_skip_test("may not mount an empty /run here");
	cr_assert(!mkdir("/run/systemd", 0755) && !mkdir("/run/systemd/journal", 0755));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static ssize_t receive_memory(int journal, char *out, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { out, size };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd;

	cr_assert_eq(recvmsg(journal, &message, MSG_DONTWAIT), 0, "no empty datagram");
	cr_assert_eq(control.header.cmsg_type, SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	int seals = fcntl(fd, F_GET_SEALS);
	/* Before Linux 3.17 there are none. */
	cr_assert(seals == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ||
		  (seals == -1 && errno == EINVAL));
	return pread(fd, out, size - 1, 0);
}

/* What is too large for a datagram of this socket comes as a sealed memory file, whole. */
Test(journal, large_records)
{
	static char text[65536], name[20000];
	struct scope scope;
	int journal = private_journal(), smallest = 1;
	json_t *root;

	signals_block(&scope);
	sink_configure("journal");
	sink_open();
	int fd = guarded_get(GUARDED_LOG);
	cr_assert_geq(fd, 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest)), 0);
	memset(name, '\n', sizeof(name) - 1);
	struct record *record = record_begin(EVENT_SELFMEM_OPEN, OUTCOME_FAILURE, NULL);
	record_str(record, "file.path", name);
	record_emit(record);
	signals_restore(&scope);

	cr_assert_gt(recv(journal, text, sizeof(text), MSG_DONTWAIT), 0, "no process.start");
	ssize_t length = receive_memory(journal, text, sizeof(text));
	cr_assert_gt(length, 4096);
	cr_assert_eq(strncmp(text, "MESSAGE=", 8), 0);
	root = json_loadb(text + 8, strcspn(text + 8, "\n"), 0, NULL);
	cr_assert_not_null(root);
	cr_assert_not_null(strstr(text, "\nPRIORITY=4\n"), "%s", text);
	cr_assert_eq(sink_dropped_total(), 0);
}
