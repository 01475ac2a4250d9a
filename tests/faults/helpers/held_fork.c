/* SPDX-License-Identifier: MIT */
/*
 * P2, S6: another thread forks meanwhile.
 *
 *	held_fork CASE		one of the cases below
 *	held_fork fork N	a thread is held at its N-th system call, lock or named point, and
 *				another forks; says "over" when there is no N-th
 *	held_fork clone N	the same by a system call that no library sees
 */
#include "held.h"

/* ---- fork ---- */

static char *shared_view;
static const size_t *shared_pages;
static struct gate written;

static void fork_and_check(void *unused)
{
	IN_CHILD {
		alarm(PATIENT);
		gate_wait(&written);
		view_check(shared_view, 1, 0, *shared_pages, "in a child");
	}
}

static void forked_while_copied(const void *pages)
{
	struct other other;
	struct actor actor;

	written = gate_make();
	shared_pages = pages;
	shared_view = while_copied(&other, pages, *shared_pages);
	actor_start(&actor, fork_and_check, NULL);
	actor_goes_on(&actor);
	go_on(&other);
	gate_open(&written);
	actor_join(&actor);
	view_check(shared_view, 1, 0, *shared_pages, "in the parent");
}

/* A break begins while the leases are on their way to the child. */
CASE(broken_before_adoption)
{
	struct other other = writer(&few);
	struct actor actor;

	written = gate_make();
	shared_pages = &few;
	shared_view = guarded(PAGES);
	hold_call(SYS_recvmsg);
	hold_arm(hold);
	actor_start(&actor, fork_and_check, NULL);
	hold_wait(hold);
	other_begin(&other);
	wait_until(leases_of(id_of(NAME), "BREAKING"));
	go_on(&other);
	gate_open(&written);
	actor_join(&actor);
	view_check(shared_view, 1, 0, PAGES, "in the parent");
}

static struct gate there;
static char *late_view;

static void fork_and_check_late(void *unused)
{
	IN_CHILD {
		gate_open(&there);
		gate_wait(&written);
		view_check(late_view, 1, 0, PAGES, "in the child");
	}
}

/* The thread that forks waits for somebody, its leases are handed over, and another is granted. */
CASE(granted_while_a_fork_waits)
{
	struct other other = writer(&few);
	struct actor actor;

	there = gate_make();
	written = gate_make();
	strcpy(hold->point, "fork");
	hold_arm(hold);
	actor_start(&actor, fork_and_check_late, NULL);
	hold_wait(hold);
	late_view = guarded(PAGES);
	hold_end(hold);
	gate_wait(&there);
	other_begin(&other);
	other_wait(&other);
	gate_open(&written);
	actor_join(&actor);
	view_check(late_view, 1, 0, PAGES, "in the parent");
}

/* Whoever changes the tables has seen that nobody forks, and then somebody does. */
CASE(fork_begins)
{
	struct other other = writer(&few);
	struct actor first, second;
	struct hold *forking = &page->holds[1];

	written = gate_make();
	shared_pages = &few;
	shared_view = guarded(PAGES);
	char *other_view = guarded(PAGES);
	strcpy(hold->point, "gate");
	hold->but = self();
	hold_arm(hold);
	actor_start(&first, unmap, other_view);
	hold_wait(hold);
	strcpy(forking->point, "fork");
	forking->spin = true;
	hold_arm(forking);
	actor_start(&second, fork_and_check, NULL);
	hold_wait(forking);
	hold_end(hold);
	promise(!actor_goes_on(&first), "tables change in the middle of a fork");
	hold_end(forking);
	actor_join(&first);
	other_go(&other);
	gate_open(&written);
	actor_join(&second);
}

static void fork_by_number(void *unused)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	must(pid >= 0);
	if (!pid)
		_exit(0);
	child_wait(pid);
}

static void make_writable(void *view)
{
	must(!mprotect(view, PAGE, PROT_READ | PROT_WRITE));
}

/* The first fork waits for a lock of libc's, say; whoever has that is not held up by a second. */
CASE(two_fork)
{
	struct actor first, second, third;

	file_make(NAME, 1, PAGES);
	char *view = guarded(PAGES);
	strcpy(hold->point, "fork");
	hold_arm(hold);
	actor_start(&first, fork_by_number, NULL);
	hold_wait(hold);
	actor_start(&second, fork_by_number, NULL);
	promise(!actor_goes_on(&second), "two fork at once");
	actor_start(&third, make_writable, view);
	wait_until(atomic_load(
		&third.ended)); /* and not for the lease thread, which waits for a fork */
	hold_end(hold);
	actor_join(&first);
	actor_join(&second);
	actor_join(&third);
}

static void remap_window(void *window)
{
	must(!remap_file_pages(window, PAGE, 0, 1, 0));
}

static void fork_and_remap(void *window)
{
	IN_CHILD {
		alarm(PATIENT);
		remap_window(window);
	}
}

/* The areas are counted at the first call, in a child too. */
CASE(forked_while_areas_are_counted)
{
	struct actor first, second;

	file_make(NAME, 1, PAGES);
	int fd = sure(open(NAME, O_RDWR | O_CLOEXEC));
	void *window = sure(mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0));
	strcpy(hold->point, "count");
	hold_arm(hold);
	actor_start(&first, remap_window, window);
	hold_wait(hold);
	actor_start(&second, fork_and_remap, window);
	actor_join(&second);
	hold_end(hold);
	actor_join(&first);
}

static volatile char *split_source;

static void fork_and_store(void *unused)
{
	IN_CHILD {
		split_source[0] = 1;
	}
}

/* selfmem.fork=split: a view goes while all are copied. */
CASE(unmapped_while_split)
{
	struct actor actor;

	split_source = anonymous(PAGE);
	view_of(split_source, PAGE);
	char *second = view_of(anonymous(PAGE), PAGE);
	hold_call(SYS_close_range);
	hold_arm(hold);
	actor_start(&actor, fork_and_store, NULL);
	hold_wait(hold);
	must(!munmap(second, PAGE));
	hold_end(hold);
	actor_join(&actor);
	promise(!split_source[0], "the parent sees a store of its child");
}

/* ---- a fork at any place ---- */

/* Something of everything that has a table, a lock or a buffer. */
static void all_rooms(void *unused)
{
	char *view = view_make("scene", PROT_READ, 0, PAGES);
	view_check(view, 1, 0, PAGES, "a snapshot");
	int fd = sure(open("window", O_RDWR | O_CLOEXEC));
	char *window = mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	must(window != MAP_FAILED && !close(fd));
	for (size_t i = 0; i < 3; i++)
		must(!remap_file_pages(window + i * PAGE, PAGE, 0, PAGES - 1 - i, 0));
	for (size_t i = 0; i < 3; i++)
		promise(page_is(window + i * PAGE, 1, PAGES - 1 - i), "the wrong page in a window");
	/* A page before all that is mapped: its file is opened anew. */
	fd = sure(open("unseen", O_RDWR | O_CLOEXEC));
	char *unseen = (char *)map_by_hand(5 * PAGE, RW, MAP_SHARED, fd);
	must(!close(fd) && !by_hand(SYS_munmap, (long)unseen, 4 * PAGE, 0, 0, 0));
	unseen += 4 * PAGE;
	must(!remap_file_pages(unseen, PAGE, 0, 2, 0) && page_is(unseen, 1, 2));
	char *source = anonymous(2 * PAGE), *alias = view_of(source, 2 * PAGE);
	must_be_coherent(source, alias, 2 * PAGE, "an alias");
	must(!munmap(alias, 2 * PAGE) && !munmap(window, PAGES * PAGE));
	must(!munmap(unseen, PAGE) && !munmap(view, PAGES * PAGE));
	must(execl("/nothing/there", "", (char *)NULL) < 0); /* writes totals */
}

static struct gate begin;

static void all_rooms_when_told(void *unused)
{
	gate_wait(&begin);
	all_rooms(unused);
}

/* By libc, or so that nobody hears of it. */
static void fork_and_use(void *by_libc)
{
	pid_t pid = by_libc ? fork() : (pid_t)by_hand(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	must(pid >= 0);
	if (!pid) {
		all_rooms(NULL);
		_exit(0);
	}
	child_wait(pid);
}

static void fork_at(char *by_libc, int place)
{
	struct actor first, second;

	file_make("scene", 1, PAGES);
	file_make("window", 1, PAGES);
	file_make("unseen", 1, PAGES);
	all_rooms(NULL); /* the first time of all is another scene */
	begin = gate_make();
	actor_start(&first, all_rooms_when_told, NULL);
	hold->anywhere = true;
	hold->only = atomic_load(&first.tid);
	atomic_store(&hold->pass, place);
	hold_arm(hold);
	gate_open(&begin);
	wait_until(hold_reached(hold) || atomic_load(&first.ended));
	if (!hold_reached(hold))
		helper_end(0, "over");
	actor_start(&second, fork_and_use, by_libc);
	actor_goes_on(&second); /* it may wait for a lock that the other holds */
	hold_end(hold);
	actor_join(&second);
	actor_join(&first);
}

CASE_OF("forked_while_copied", forked_while_copied, &few)
CASE_OF("forked_while_copied_beside", forked_while_copied, &many)

int main(int argc, char **argv)
{
	page = page_attach();
	hold = &page->holds[0];
	if (argc == 3) {
		fork_at(strcmp(argv[1], "fork") ? NULL : argv[1], atoi(argv[2]));
		return 0;
	}
	return cases_main(argc, argv);
}
