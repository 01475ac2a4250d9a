/* SPDX-License-Identifier: MIT */
/*
 * A record's fields in the journal's protocol, and a record that is too large for a
 * datagram.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "audit/event.h"
#include "audit/journal_fields.h"
#include "audit/sink.h"
#include "kernel/guarded.h"
#include "support/scope.h"

static void fields_are(const char *record, const char *expected, size_t length)
{
	char buffer[4096];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	journal_fields(&text, record, strlen(record));
	cr_assert_eq(text.length, length, "%zu bytes: %s", text.length, buffer);
	cr_assert(!memcmp(buffer, expected, length), "%s", buffer);
}

#define FIELDS(record, expected) fields_are(record "\n", expected, sizeof(expected) - 1)

Test(journal, names_and_values)
{
	FIELDS("{\"@timestamp\":\"2026\",\"a\":{\"b_c\":{\"d\":17,\"e\":true},\"f\":\"g\"},\"h\":-1}",
	       "TIMESTAMP=2026\nA_B_C_D=17\nA_B_C_E=true\nA_F=g\nH=-1\n");
}

Test(journal, arrays_are_left_out)
{
	FIELDS("{\"a\":[\"x]\\\"\",{\"b\":[1,2]}],\"c\":1,\"d\":{\"e\":[],\"f\":2}}",
	       "C=1\nD_F=2\n");
}

Test(journal, strings_are_bytes_again)
{
	FIELDS("{\"a\":\"\\\"\\\\\\t\\u001b\\u0085\303\251\",\"b\":\"\"}",
	       "A=\"\\\t\033\302\205\303\251\nB=\n");
	FIELDS("{\"a\":{\"b\":\"x\\ny\"},\"c\":1}", "A_B\n\3\0\0\0\0\0\0\0x\ny\nC=1\n");
}

Test(journal, what_does_not_fit_is_left_out)
{
	char record[8192] = "{\"a\":\"", buffer[1024];
	struct text text;

	memset(record + 6, 'x', 5000);
	strcpy(record + 5006, "\",\"b\":1}\n");
	text_init(&text, buffer, sizeof(buffer));
	journal_fields(&text, record, strlen(record));
	cr_assert_str_eq(buffer, "B=1\n");
	/* Names have at most 64 letters. */
	FIELDS("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1,\"b\":2}",
	       "B=2\n");
}

#define JOURNAL "/run/systemd/journal/socket"

static int private_journal(void)
{
	struct sockaddr_un address = { AF_UNIX, JOURNAL };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("run", "/run", "tmpfs", 0, NULL))
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
	cr_assert_eq(fcntl(fd, F_GET_SEALS),
		     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
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
