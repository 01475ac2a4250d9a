/* SPDX-License-Identifier: MIT */
/*
 * S15: files whose server (FUSE) answers when the case likes.
 */
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "../mounts.h"
#include "guard_helper.h"

#define FILE_NAME "guard.data"
#define PAGES	  16

/* --- one file of a page, whose second read is answered when the word is given --- */

static struct gate asked, answer;

static void reply(int fuse, const struct fuse_in_header *request, int error, void *data,
		  size_t length)
{
	struct fuse_out_header header = { (uint32_t)(sizeof(header) + length), -error,
					  request->unique };
	struct iovec parts[] = { { &header, sizeof(header) }, { data, length } };

	must(writev(fuse, parts, 2) == (ssize_t)header.len || error);
}

static struct fuse_attr attributes(uint64_t node)
{
	bool root = node == FUSE_ROOT_ID;

	return (struct fuse_attr){ .ino = node,
				   .size = root ? 0 : PAGE,
				   .blocks = PAGE / 512,
				   .mode = root ? S_IFDIR | 0755 : S_IFREG | 0644,
				   .nlink = 1,
				   .blksize = PAGE };
}

static void reply_page(int fuse, const struct fuse_in_header *request)
{
	static char page[PAGE];
	static int reads;

	if (reads++) {
		gate_open(&asked);
		gate_wait(&answer);
	}
	reply(fuse, request, 0, page, sizeof(page));
}

static void serve(int fuse, const struct fuse_in_header *request)
{
	struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = PAGE };
	struct fuse_attr_out attr = { .attr_valid = 100, .attr = attributes(request->nodeid) };
	struct fuse_entry_out entry = {
		.nodeid = 2, .entry_valid = 100, .attr_valid = 100, .attr = attributes(2)
	};
	struct fuse_open_out opened = { .fh = 1 };
	struct fuse_statfs_out space = { .st.bsize = PAGE };

	switch (request->opcode) {
	case FUSE_INIT:
		return reply(fuse, request, 0, &init, sizeof(init));
	case FUSE_GETATTR:
		return reply(fuse, request, 0, &attr, sizeof(attr));
	case FUSE_LOOKUP:
		return reply(fuse, request, 0, &entry, sizeof(entry));
	case FUSE_OPEN:
		return reply(fuse, request, 0, &opened, sizeof(opened));
	case FUSE_READ:
		return reply_page(fuse, request);
	case FUSE_STATFS:
		return reply(fuse, request, 0, &space, sizeof(space));
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		reply(fuse, request, ENOSYS, NULL, 0);
	}
}

static _Noreturn void serve_all(int fuse)
{
	static _Alignas(8) char request[FUSE_MIN_READ_BUFFER * 2];

	must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	while (read(fuse, request, sizeof(request)) > 0)
		serve(fuse, (const struct fuse_in_header *)request);
	_exit(0);
}

static pid_t server_start(void)
{
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[100];

	if (fuse < 0 || geteuid() || !own_mounts(0))
		skip("only root mounts, and the kernel must have FUSE");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	must(mkdir("slow", 0700) == 0 && mount("slow", "slow", "fuse.slow", 0, options) == 0);
	asked = gate_make();
	answer = gate_make();
	pid_t server = sure(fork());
	if (!server)
		serve_all(fuse);
	must(close(fuse) == 0);
	return server;
}

static void change(const void *unused)
{
	(void)unused;
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

static void *map_slow(void *fd)
{
	return mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, *(const int *)fd, 0);
}

PROMISE_WIDTHS(S15, server_of_another_file_keeps_no_writer_waiting)
{
	pid_t server = server_start();
	struct other other = other_start(change, NULL);
	int slow = sure(open("slow/file", O_RDONLY | O_CLOEXEC));
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	pthread_t thread = thread_start(map_slow, &slow);

	alarm(PATIENT);
	gate_wait(&asked);
	other_go(&other);
	view_check(view, 1, 0, PAGES, "while the server does not answer");
	preserved_check(view, "while the server does not answer");
	gate_open(&answer);
	must(thread_end(thread) != MAP_FAILED);
	other_end(&other);
	must(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
}

CASES_MAIN
