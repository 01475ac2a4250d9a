/* SPDX-License-Identifier: MIT */
/*
 * S6: after fork each side has its snapshots for itself, and its own guard, whoever exits first.
 */
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "guard_fork.h"

#define FILES 100

/* --- who exits first --- */

CASE(child_exits_at_once)
{
	char *view = fresh();
	pid_t child = sure(fork());

	if (!child)
		_exit(0);
	child_wait(child);
	inherited_check(view, "the parent");
	spoil();
	check(view, "the parent");
}

/* Each but the last exits as soon as it has a child. */
static _Noreturn void descend(const char *view, int depth, const struct orphan *orphan)
{
	while (depth--)
		if (fork() != 0)
			_exit(0);
	orphan_serve(view, orphan);
}

static void all_before_exit_at_once(const void *depth)
{
	struct orphan orphan = { gate_make(), gate_make() };
	char byte;
	pid_t parent = sure(fork());

	if (!parent)
		descend(fresh(), *(const int *)depth, &orphan);
	close(orphan.result.out);
	child_wait(parent);
	gate_wait(&orphan.result);
	spoil();
	gate_open(&orphan.changed);
	promise(read(orphan.result.in, &byte, 1) == 1, "the orphan did not come through");
}

/* More descriptors than RLIMIT_NOFILE are on their way in somebody's socket, until the fork waits.
 */
static int crowd[2];
static atomic_bool forks;

static void crowd_send(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	struct iovec content = { "", 1 };
	struct msghdr message = { .msg_iov = &content,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, crowd) == 0);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(253 * sizeof(int));
	for (int i = 0; i < 253; i++)
		((int *)CMSG_DATA(&control.header))[i] = crowd[0];
	must(sendmsg(crowd[0], &message, 0) == 1);
}

static void *crowd_leaves(void *unused)
{
	wait_until(forks && thread_state(getpid(), getpid()) == 'S');
	must(close(crowd[0]) == 0 && close(crowd[1]) == 0);
	return NULL;
}

CASE(crowded_sockets, HOLDS_BARE)
{

	limit_set(RLIMIT_NOFILE, 200);
	char *view = fresh();
	crowd_send();
	pthread_t thread = thread_start(crowd_leaves, NULL);
	forks = true;
	pid_t child = sure(fork());
	inherited_check(view, child ? "the parent" : "the child");
	if (!child)
		_exit(0);
	child_wait(child);
	thread_end(thread);
}

/* Every generation stays, and the last one changes the file. */
static void stay(const char *view, int depth)
{
	if (!depth) {
		spoil();
		check(view, "the last descendant");
		return;
	}
	IN_CHILD {
		inherited_check(view, "a descendant");
		stay(view, depth - 1);
	}
	check(view, "an ancestor");
}

CASE(grandchildren)
{
	stay(fresh(), 4);
}

/* Several children wait for the change, each with a guard of its own. */
CASE(many_children)
{
	char *view = fresh();
	struct gate changed[8], ready = gate_make();
	pid_t children[8];

	for (size_t i = 0; i < COUNT(children); i++) {
		changed[i] = gate_make();
		children[i] = fork();
		must(children[i] >= 0);
		if (!children[i]) {
			inherited_check(view, "a child");
			gate_open(&ready);
			gate_wait(&changed[i]);
			check(view, "a child");
			_exit(0);
		}
	}
	for (size_t i = 0; i < COUNT(children); i++)
		gate_wait(&ready);
	inherited_check(view, "the parent");
	spoil();
	for (size_t i = 0; i < COUNT(children); i++)
		gate_open(&changed[i]);
	for (size_t i = 0; i < COUNT(children); i++)
		child_wait(children[i]);
	check(view, "the parent");
}

/* The child gives its own up; the parent's stays, and the other way round. */
CASE(child_unmaps)
{
	char *view = fresh();

	IN_CHILD {
		must(munmap(view, BYTES) == 0);
		wait_until(!process_has_open(FILE_NAME));
	}
	inherited_check(view, "the parent");
	spoil();
	check(view, "the parent");
}

CASE(parent_unmaps)
{
	struct gate go = gate_make();
	char *view = fresh();
	pid_t child = sure(fork());

	if (!child) {
		gate_wait(&go);
		inherited_check(view, "the child");
		spoil();
		check(view, "the child");
		_exit(0);
	}
	must(munmap(view, BYTES) == 0);
	gate_open(&go);
	child_wait(child);
}

CASE(child_makes_it_writable)
{
	char *view = fresh();

	IN_CHILD {
		must(mprotect(view, BYTES, RW) == 0);
		pattern_fill(view + PAGE, 9, 1);
		spoil();
		view_check(view + PAGE, 9, 1, 1, "the child's store");
		view_check(view + 2 * PAGE, 1, 2, PAGES - 2, "the child");
	}
	check(view, "the parent");
}

/* The child gives a part of it up and protects another. */
CASE(child_has_its_own)
{
	char *view = fresh();

	IN_CHILD {
		must(munmap(view, 3 * PAGE) == 0);
		must(mprotect(view + 3 * PAGE, PAGE, PROT_NONE) == 0);
		spoil();
		view_check(view + 4 * PAGE, 1, 4, PAGES - 4, "what the child kept");
	}
	check(view, "the parent");
	must(munmap(view, BYTES) == 0);
}

/* A child maps the same file again, and others that its parent never had. */
CASE(child_maps_more)
{
	char *view = fresh();

	IN_CHILD {
		char *more = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		char *other = guarded_make(SECOND, PROT_READ, PAGES);
		inherited_check(more, "the child's second mapping");
		spoil();
		must(truncate(SECOND, 0) == 0);
		check(view, "the child's first mapping");
		check(more, "the child's second mapping");
		check(other, "the child's own file");
	}
	check(view, "the parent");
}

/* --- while somebody writes --- */

/* The writer has the word, and nobody waits for it: the break comes before, during or after. */
PROMISE_WIDTHS(S6, fork_while_a_writer_comes)
{
	struct other other = other_start(spoil_by_other, NULL);

	for (int i = 0; i < 100; i++) {
		char *view = fresh();
		other_begin(&other);
		pid_t child = sure(fork());
		if (child) {
			other_wait(&other);
			check(view, "the parent");
			child_wait(child);
		}
		check(view, child ? "the parent, after the child" : "the child");
		if (!child)
			_exit(0);
		must(munmap(view, BYTES) == 0);
	}
	other_end(&other);
}

static void name_of(size_t i, char name[32])
{
	snprintf(name, 32, "guard.%zu", i);
}

static void change_all(const void *unused)
{
	char name[32];

	for (size_t i = 0; i < FILES; i++) {
		name_of(i, name);
		file_overwrite(name, 2, 0, 2);
		must(truncate(name, i % 2 ? 0 : PAGE) == 0);
	}
}

static void check_all(char **views, const char *who)
{
	for (size_t i = 0; i < FILES; i++)
		view_check(views[i], (unsigned int)i + 10, 0, 2, who);
}

static void make_all(char **views)
{
	char name[32];

	for (size_t i = 0; i < FILES; i++) {
		name_of(i, name);
		file_make(name, (unsigned int)i + 10, 2);
		views[i] = view_make(name, PROT_READ, 0, 2);
		inherited_check(views[i], name);
	}
}

PROMISE_WIDTHS(S6, fork_with_a_hundred_guarded_files)
{
	char *views[FILES];

	make_all(views);
	IN_CHILD {
		for (size_t i = 0; i < FILES; i++)
			inherited_check(views[i], "the child");
		change_all(NULL);
		check_all(views, "the child");
	}
	check_all(views, "the parent");
}

PROMISE_WIDTHS(S6, fork_while_a_hundred_files_are_written)
{
	struct other other = other_start(change_all, NULL);
	char *views[FILES];

	make_all(views);
	other_begin(&other);
	for (int i = 0; i < 10; i++) {
		IN_CHILD {
			check_all(views, "a child");
		}
	}
	other_wait(&other);
	check_all(views, "the parent");
	other_end(&other);
}

/* --- limits --- */

/* More leases than the kernel takes in one message, or the socket in small ones. */
#define THOUSANDS 7000

CASE(thousands_of_files, HOLDS_BARE)
{
	static char *views[THOUSANDS];
	struct rlimit limit;
	char name[32];

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_max < THOUSANDS + 500)
		skip("RLIMIT_NOFILE is lower than this takes");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (size_t i = 0; i < THOUSANDS; i++) {
		name_of(i, name);
		file_make(name, 1, 1);
		views[i] = view_make(name, PROT_READ, 0, 1);
	}
	IN_CHILD {
		for (size_t i = 0; i < THOUSANDS; i++)
			guarded_check(views[i], "the child");
	}
	for (size_t i = 0; i < THOUSANDS; i++)
		guarded_check(views[i], "the parent");
}

/* No descriptor is left for the second lease: both sides have the old pages at once. */
CASE(at_the_descriptor_limit)
{
	char *view = fresh();

	limit_set(RLIMIT_NOFILE, 20);
	while (dup(0) >= 0)
		;
	must(errno == EMFILE);
	pid_t child = sure(fork());
	closefrom(3);
	if (!child) {
		preserved_check(view, "the child");
		spoil();
		check(view, "the child");
		_exit(0);
	}
	preserved_check(view, "the parent");
	child_wait(child);
	check(view, "the parent");
}

/* Nothing of the second leases is left in the program's table. */
static size_t descriptors_open(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 20000; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

PROMISE_WIDTHS(S6, fork_leaves_no_descriptor)
{
	char *views[FILES];

	make_all(views);
	size_t before = descriptors_open();
	pid_t child = sure(fork());
	promise(descriptors_open() == before, "%s: %zu descriptors, had %zu",
		child ? "the parent" : "the child", descriptors_open(), before);
	if (!child)
		_exit(0);
	child_wait(child);
	change_all(NULL);
	check_all(views, "the parent");
}

CASE_OF("parent_exits_at_once", all_before_exit_at_once, AS(int, 1))
CASE_OF("all_ancestors_exit_at_once", all_before_exit_at_once, AS(int, 5))

CASES_MAIN
