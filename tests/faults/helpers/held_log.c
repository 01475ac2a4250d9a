/* SPDX-License-Identifier: MIT */
/*
 * A2, A3, P1: who is held opens the log, writes to it or closes it; or another takes its number.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "held.h"

/* ---- a number that the program takes while the log comes there ---- */

/* A thread that does this comes to the named point, and stays there. */
static void hold_at(struct hold *it, const char *point, struct actor *actor, void (*act)(void *))
{
	strcpy(it->point, point);
	hold_arm(it);
	actor_start(actor, act, NULL);
	hold_wait(it);
}

static long sleeps_of(const struct actor *actor)
{
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", atomic_load(&actor->tid));
	return atol(proc_line(path, "voluntary_ctxt_switches:", line, sizeof(line)));
}

/* It waits for another, or need not. */
static void wait_until_held_up(const struct actor *actor)
{
	wait_until(atomic_load(&actor->ended) || sleeps_of(actor) > 20);
}

/* The lowest number where it is open. */
static int log_number(void)
{
	const char *path = getenv("MMFENCE_AUDIT_LOG");
	struct stat log, file;

	must(path && !stat(path, &log));
	for (int fd = 3; fd < 1024; fd++)
		if (!fstat(fd, &file) && file.st_ino == log.st_ino && file.st_dev == log.st_dev)
			return fd;
	promise(false, "the log is not open");
	return -1;
}

/* The number that the log had: it is the first to be tried when the log is opened again. */
static int log_closed(void)
{
	int fd = log_number();

	must(!close(fd));
	return fd;
}

static void record(void *unused)
{
	must(!munmap(view_make(NAME, PROT_READ, 0, 1), PAGE));
}

static int own, number;

static void take_number(void *unused)
{
	promise(syscall(SYS_dup3, own, number, O_CLOEXEC) == number, "dup3: %s", strerror(errno));
}

static void number_begin(void)
{
	file_make(NAME, 1, PAGES);
	record(NULL);
	own = sure(open("own", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	number = log_closed();
}

static bool is_own(int fd)
{
	struct stat one, other;

	return !fstat(own, &one) && !fstat(fd, &other) && one.st_ino == other.st_ino &&
	       one.st_dev == other.st_dev;
}

static void number_is_own(void)
{
	struct stat file;

	record(NULL);
	promise(is_own(number), "another file is at the number that the program took");
	must(!fstat(own, &file));
	promise(!file.st_size, "%jd bytes landed in a file of the program's",
		(intmax_t)file.st_size);
}

/* The log is there, and its thread does not know it yet. */
CASE(number_is_taken)
{
	struct actor actor;

	number_begin();
	hold_at(hold, "number", &actor, record);
	take_number(NULL);
	hold_end(hold);
	actor_join(&actor);
	number_is_own();
}

/* Whoever opens the log may not be run for long: others wait as long as it is there. */
CASE(opens_slowly)
{
	struct actor opener, other;

	number_begin();
	hold_at(hold, "number", &opener, record);
	actor_start(&other, record, NULL);
	wait_until(atomic_load(&other.ended) || sleeps_of(&other) > 1500);
	promise(!atomic_load(&other.ended), "a record was given up");
	hold_end(hold);
	actor_join(&opener);
	actor_join(&other);
}

/* The program's thread has looked, and its call comes while a record is on its way. */
CASE(number_is_left)
{
	struct hold *writing = &page->holds[1];
	struct actor taker, writer;

	number_begin();
	hold_call(SYS_dup3);
	hold_arm(hold);
	actor_start(&taker, take_number, NULL);
	hold_wait(hold);
	writing->number = SYS_write;
	hold_arm(writing);
	actor_start(&writer, record, NULL);
	hold_wait(writing);
	hold_end(hold);
	actor_join(&taker);
	hold_end(writing);
	actor_join(&writer);
	number_is_own();
}

/* It comes into its slot just while the program's thread looks whether it is ours. */
CASE(number_is_kept)
{
	struct hold *looking = &page->holds[1], *writing = &page->holds[2];
	struct actor taker, writer;

	number_begin();
	hold_at(hold, "keep", &writer, record);
	hold_at(looking, "ours", &taker, take_number);
	writing->number = SYS_write;
	hold_arm(writing);
	hold_end(hold);
	hold_wait(writing);
	hold_end(looking);
	wait_until_held_up(&taker);
	hold_end(writing);
	actor_join(&writer);
	actor_join(&taker);
	number_is_own();
}

/* The kernel gave the number, which was free, to the thread that opens the log, and that has not
 * moved it out of the way yet. */
CASE(number_is_opened)
{
	struct actor taker, writer;

	number_begin();
	hold_at(hold, "number", &writer, record);
	number = log_number();
	actor_start(&taker, take_number, NULL);
	wait_until_held_up(&taker);
	hold_end(hold);
	actor_join(&taker);
	actor_join(&writer);
	number_is_own();
}

/* The program's thread has looked, and its call comes when the log is open there. */
CASE(number_will_be_taken)
{
	struct hold *opening = &page->holds[1];
	struct actor taker, writer;

	number_begin();
	number = own + 2; /* own + 1 is the first that record() itself has */
	hold_call(SYS_dup3);
	hold_arm(hold);
	actor_start(&taker, take_number, NULL);
	hold_wait(hold);
	hold_at(opening, "number", &writer, record);
	hold_end(hold);
	wait_until_held_up(&taker);
	hold_end(opening);
	actor_join(&taker);
	actor_join(&writer);
	number_is_own();
}

/* Nobody listens at the socket that the log is, and so it is closed again: it, and not the file
 * that the program put at its number meanwhile. */
CASE(number_of_a_socket)
{
	struct hold *connecting = &page->holds[1];
	struct actor taker, writer;

	file_make(NAME, 1, PAGES);
	own = sure(open("own", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	number = own + 1;
	hold_call(SYS_dup3);
	hold_arm(hold);
	actor_start(&taker, take_number, NULL);
	hold_wait(hold);
	connecting->number = SYS_connect;
	connecting->mask = ~0L;
	connecting->value = number;
	hold_arm(connecting);
	actor_start(&writer, record, NULL);
	hold_wait(connecting);
	hold_end(hold);
	wait_until_held_up(&taker);
	hold_end(connecting);
	actor_join(&taker);
	actor_join(&writer);
	promise(is_own(number), "the file that the program put at the number was closed");
}

/* Among ours is /proc/self/maps too, where the kernel (from 6.11) can be asked by it. */
static bool close_maps(void)
{
	char link[64], path[PATH_MAX];
	bool found = false;

	for (int fd = 3; fd < 1024; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t length = readlink(link, path, sizeof(path));
		if (length > 5 && !memcmp(path + length - 5, "/maps", 5)) {
			must(!close(fd));
			found = true;
		}
	}
	return found;
}

static void remap(void *window)
{
	must(!remap_file_pages(window, PAGE, 0, 1, 0));
}

static void take_next(void *unused)
{
	must(dup3(own, number + 1, O_CLOEXEC) == number + 1);
}

/* The first number at which it is opened is left to the program. So is, then, the next one. */
CASE(number_of_maps)
{
	struct hold *closing = &page->holds[1];
	struct actor taker, other, remapping;

	own = sure(open(NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	must(!ftruncate(own, PAGES * PAGE));
	char *window = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
	must(window != MAP_FAILED);
	remap(window);
	if (!close_maps())
		return;
	number = own + 1;
	hold_call(SYS_dup3);
	hold_arm(hold);
	actor_start(&taker, take_number, NULL);
	hold_wait(hold);
	closing->number = SYS_close;
	closing->mask = ~0L;
	closing->value = number + 1;
	hold_arm(closing);
	actor_start(&remapping, remap, window);
	hold_wait(closing);
	hold_end(hold);
	actor_start(&other, take_next, NULL);
	wait_until_held_up(&other);
	hold_end(closing);
	actor_join(&taker);
	actor_join(&other);
	actor_join(&remapping);
	promise(is_own(number) && is_own(number + 1), "a file of the program's was closed");
}

static void close_number(void *unused)
{
	close(number);
}

static void close_number_in_range(void *unused)
{
	must(!close_range((unsigned int)number, (unsigned int)number, 0));
}

typedef void (*closer)(void *);

/* It has left its slot, and is about to be closed; a record is on its way there. */
static void left_its_slot(const void *way)
{
	struct hold *writing = &page->holds[1];
	struct actor first, writer, other;

	number_begin();
	writing->number = SYS_write;
	hold_arm(writing);
	actor_start(&writer, record, NULL);
	hold_wait(writing);
	strcpy(hold->point, "close");
	hold_arm(hold);
	number = log_number();
	actor_start(&first, close_number, NULL);
	hold_wait(hold);
	actor_start(&other, *(const closer *)way, NULL);
	wait_until_held_up(&other);
	int taken = fcntl(own, F_DUPFD_CLOEXEC, number);
	hold_end(writing);
	hold_end(hold);
	actor_join(&writer);
	actor_join(&first);
	actor_join(&other);
	number = taken;
	number_is_own();
}

/* It is closed, and the thread that closed it does not know it yet: the program has the number. */
CASE(number_is_free)
{
	struct actor closing, other;

	number_begin();
	hold_call(SYS_close);
	hold->after = true;
	hold->mask = ~0L;
	hold->value = number;
	hold_arm(hold);
	actor_start(&closing, record, NULL);
	hold_wait(hold);
	must(fcntl(own, F_DUPFD_CLOEXEC, number) == number);
	actor_start(&other, close_number, NULL);
	wait_until_held_up(&other);
	hold_end(hold);
	actor_join(&closing);
	actor_join(&other);
	promise(fcntl(number, F_GETFD) < 0, "a descriptor that the program closed is open");
}

static void take_from_nowhere(void *unused)
{
	promise(dup3(77, number, O_CLOEXEC) == -1 && errno == EBADF, "dup3 from nowhere");
}

/* The lease thread, which has a table of its own, puts the log at the same number there. */
CASE(number_is_of_another_table)
{
	struct actor taker;
	struct stat file;

	file_make(NAME, 1, PAGES);
	limit_set(RLIMIT_NOFILE, 512);
	number = 512 - 64; /* the first that is tried */
	must(dup2(sure(open(NAME, O_RDONLY | O_CLOEXEC)), number) == number);
	hold_at(hold, "ours", &taker, take_from_nowhere);
	guarded(PAGES);
	hold_end(hold);
	actor_join(&taker);
	promise(!fstat(number, &file), "a descriptor of the program's was closed");
}

/* ---- a signal that waits for the end of a scope ---- */

static void open_memory(void *unused)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && !close(fd));
}

static sigjmp_buf out;

static void jump_out(int unused)
{
	siglongjmp(out, 1);
}

static void record_and_jump(void *unused)
{
	if (!sigsetjmp(out, 1))
		open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	open_memory(NULL);
}

/* Nobody is inside then, and nobody is waited for before a filter is installed. */
CASE(jumps_out)
{
	struct sigaction jump = { .sa_handler = jump_out };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(*code), code };
	struct rusage before, after;
	struct actor actor;

	must(!sigaction(SIGUSR1, &jump, NULL));
	hold_call(SYS_write);
	hold_arm(hold);
	actor_start(&actor, record_and_jump, NULL);
	hold_wait(hold);
	must(!pthread_kill(actor.thread, SIGUSR1));
	hold_end(hold);
	actor_join(&actor);
	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !getrusage(RUSAGE_THREAD, &before));
	must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
	must(!getrusage(RUSAGE_THREAD, &after));
	promise(after.ru_nvcsw - before.ru_nvcsw < 500, "a thread is waited for that is outside");
}

/* ---- the log ---- */

/* process.start is written by whoever comes first; who comes second waits for it. */
CASE(announces_once)
{
	struct hold *waiting = &page->holds[1];
	struct actor first, second;

	hold_at(hold, "announce", &first, open_memory);
	waiting->number = SYS_sched_yield;
	waiting->but = self();
	hold_arm(waiting);
	actor_start(&second, open_memory, NULL);
	wait_until(hold_reached(waiting) || atomic_load(&second.ended));
	promise(!atomic_load(&second.ended), "a record is written before process.start");
	hold_end(hold);
	actor_join(&first);
	hold_end(waiting);
	actor_join(&second);
}

/* How many opens a record takes. */
static int opens(void)
{
	atomic_store(&hold->pass, INT_MAX);
	open_memory(NULL);
	return INT_MAX - atomic_load(&hold->pass);
}

/* audit.drift=on: what is compared by a thread with a table of its own is not said by it. */
CASE(compared_in_another_table)
{
	struct other other = writer(&few);
	char *view = guarded(PAGES);

	other_last(&other);
	hold->number = SYS_openat;
	hold->only = self();
	hold_arm(hold);
	open_memory(NULL);
	int before = opens();
	must(!munmap(view, PAGES * PAGE));
	int after = opens();
	promise(before == after, "%d opens for a record, and then %d", before, after);
}

/* A thread has begun to write a record, and the process ends. */
CASE(ends_unfinished)
{
	struct actor actor;

	open_memory(NULL);
	hold->number = SYS_write;
	hold->but = self();
	hold_arm(hold);
	actor_start(&actor, open_memory, NULL);
	hold_wait(hold);
	_exit(0);
}

CASE_OF("left_its_slot/close", left_its_slot, AS(closer, close_number))
CASE_OF("left_its_slot/range", left_its_slot, AS(closer, close_number_in_range))

HELD_MAIN
