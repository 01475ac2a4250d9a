/* SPDX-License-Identifier: MIT */
/*
 * Races on purpose: a thread of the library's or of the program's is held between its look and
 * its act (../page.h), another one does what must not come in between, and then both go on.
 *
 *	held CASE		one of the cases below
 *	held fork N		a thread is held at its N-th system call, lock or named point, and
 *				another forks; says "over" when there is no N-th
 *	held clone N		the same by a system call that no library sees
 */
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "control.h"
#include "views.h"

#ifndef MADV_DONTFORK
#define MADV_DONTFORK 10
#endif

#define NAME  "data"
#define PAGES 8UL

static struct fault_page *page;
static struct hold *hold; /* the first, which most cases need alone */

static int self(void)
{
	return (int)syscall(SYS_gettid);
}

/* ---- a writer in another process ---- */

static void overwrite(const void *pages)
{
	file_overwrite(NAME, 2, 0, *(const size_t *)pages);
}

/* Forked before there is anything to inherit. */
static struct other writer(const size_t *pages)
{
	file_make(NAME, 1, *pages);
	return other_start(overwrite, pages);
}

static const size_t few = PAGES, many = (6UL << 20) / PAGE;

static char *guarded(size_t pages)
{
	char *view = view_make(NAME, PROT_READ, 0, pages);

	guarded_check(view, "a new mapping");
	return view;
}

/* ---- where the lease thread is held ---- */

static void hold_call(long number)
{
	hold->number = number;
	hold->but = self();
}

/* It has looked at the areas, and is about to replace one. */
static void hold_before_replacement(void)
{
	hold_call(SYS_mmap);
	hold->argument = 3;
	hold->mask = hold->value = MAP_FIXED;
	hold_arm(hold);
}

/* It knows what to copy, and has copied nothing yet. */
static void hold_before_copy(void)
{
	hold_call(SYS_sendfile);
	hold_arm(hold);
}

/* ---- what an area has does not change between look and replacement ---- */

static void protect(void *view)
{
	must(!mprotect(view, PAGE, PROT_NONE));
}

static void lock_memory(void *view)
{
	must(!mlock(view, PAGE));
}

static void advise(void *view)
{
	must(!madvise(view, PAGE, MADV_DONTFORK));
}

static void give_up(void *view)
{
	must(!madvise(view, PAGE, MADV_DONTNEED));
}

static void unmap(void *view)
{
	must(!munmap(view, PAGES * PAGE));
}

struct change {
	void (*act)(void *);
	bool views;  /* it matters where there are views of the program's memory */
	int touched; /* what the first page does afterwards */
};

static void change_waits(const void *argument)
{
	const struct change *change = argument;
	struct other other = writer(&few);
	struct actor actor;

	if (change->views)
		view_of(anonymous(PAGE), PAGE);
	char *view = guarded(PAGES);
	hold_before_replacement();
	other_begin(&other);
	hold_wait(hold);
	actor_start(&actor, change->act, view);
	promise(!actor_goes_on(&actor), "the area changed while the lease thread replaces it");
	hold_end(hold);
	actor_join(&actor);
	other_wait(&other);
	int signal = change->act == unmap ? 0 : touch(view);
	promise(signal == change->touched, "a touch raises %d, not %d", signal, change->touched);
	if (change->act != unmap)
		view_check(view + PAGE, 1, 1, PAGES - 1, "after the replacement");
}

/* ---- an address that is given away again ---- */

static void unmap_and_be_held(struct actor *actor, char *view)
{
	hold->number = SYS_munmap;
	hold->after = true;
	hold->but = self();
	hold_arm(hold);
	actor_start(actor, unmap, view);
	hold_wait(hold);
}

static void make_executable(void *at)
{
	/* What is there now is the program's own memory. */
	promise(!mprotect(at, PAGE, PROT_READ | PROT_EXEC), "mprotect: %s", strerrorname_np(errno));
}

/* The file is on a mount without execution (see the test); its mapping is gone, and something else
 * has its address. */
CASE(forgets_noexec)
{
	struct actor first, second;

	file_make(NAME, 1, PAGES);
	char *view = guarded(PAGES), *memory = anonymous(PAGES * PAGE);
	promise(mprotect(view, PAGE, PROT_READ | PROT_EXEC) && errno == EACCES,
		"the file could be made executable");
	unmap_and_be_held(&first, view);
	must(by_hand(SYS_mremap, (long)memory, PAGES * PAGE, PAGES * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, (long)view) == (long)view);
	actor_start(&second, make_executable, view);
	promise(!actor_goes_on(&second), "mprotect does not wait for the index");
	hold_end(hold);
	actor_join(&first);
	actor_join(&second);
}

static void map_again(void *at)
{
	int fd = file_open(NAME);

	must(mmap(at, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == at && !close(fd));
}

CASE(given_away_again)
{
	struct other other = writer(&few);
	struct actor first, second;

	char *view = guarded(PAGES);
	unmap_and_be_held(&first, view);
	actor_start(&second, map_again, view);
	actor_goes_on(&second);
	hold_end(hold);
	actor_join(&first);
	actor_join(&second);
	guarded_check(view, "mapped where a snapshot was a moment ago");
	other_last(&other);
	view_check(view, 1, 0, PAGES, "mapped where a snapshot was a moment ago");
}

/* ---- while the pages are copied ---- */

static char *while_copied(struct other *other, const size_t *pages, size_t mapped)
{
	*other = writer(pages);
	char *view = guarded(mapped);
	hold_before_copy();
	other_begin(other);
	hold_wait(hold);
	return view;
}

static void go_on(const struct other *other)
{
	hold_end(hold);
	other_wait(other);
}

static void own_memory_stays(char *at)
{
	for (size_t i = 0; i < PAGES; i++)
		promise(page_is(at + i * PAGE, 9, i), "the program's own memory was overwritten");
}

/* unmapped, and something else is there now: by libc, or so that nobody hears of it */
static void replaced(const void *by_libc)
{
	struct other other;
	char *view = while_copied(&other, &few, PAGES);
	char *memory = sure(mmap(NULL, PAGES * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	fill_pages(memory, 9, PAGES);
	if (by_libc)
		must(mremap(memory, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    view) == view);
	else
		must(by_hand(SYS_mremap, (long)memory, PAGES * PAGE, PAGES * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, (long)view) == (long)view);
	go_on(&other);
	own_memory_stays(view);
}

CASE(moved)
{
	struct other other;
	char *view = while_copied(&other, &few, PAGES), *target = anonymous(PAGES * PAGE);

	must(mremap(view, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) ==
	     target);
	char *memory = sure(mmap(view, PAGES * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	fill_pages(memory, 9, PAGES);
	go_on(&other);
	view_check(target, 1, 0, PAGES, "moved while it was copied");
	own_memory_stays(memory);
}

CASE(grown)
{
	struct other other;
	char *view = while_copied(&other, &few, PAGES / 2);

	view = sure(mremap(view, PAGES / 2 * PAGE, PAGES * PAGE, MREMAP_MAYMOVE));
	go_on(&other);
	view_check(view, 1, 0, PAGES, "grown while it was copied");
}

/* Mapped while the lease breaks: what it shows when mmap returns, before the write or after it, is
 * what it shows from then on. */
static char seen[PAGES * PAGE];

static void map_and_look(void *done)
{
	char *view = view_make(NAME, PROT_READ, 0, PAGES);

	memcpy(seen, view, sizeof(seen));
	*(char **)done = view;
}

CASE(mapped_again)
{
	struct other other;
	struct actor actor;
	char *view = while_copied(&other, &few, PAGES), *second;

	actor_start(&actor, map_and_look, &second);
	actor_goes_on(&actor);
	hold_end(hold);
	actor_join(&actor);
	other_wait(&other);
	view_check(view, 1, 0, PAGES, "copied");
	promise(!strcmp(engine_at(second), "none") || !memcmp(second, seen, sizeof(seen)),
		"mapped while another was copied: it changed");
}

/* Mapped while the lease, which nobody uses any more, is given back. */
CASE(mapped_while_let_go)
{
	struct other other = writer(&few);
	struct actor actor;
	char *view = guarded(PAGES), *second;

	strcpy(hold->point, "unused");
	hold_arm(hold);
	must(!munmap(view, PAGES * PAGE));
	hold_wait(hold);
	actor_start(&actor, map_and_look, &second);
	actor_goes_on(&actor);
	hold_end(hold);
	actor_join(&actor);
	other_last(&other);
	view_check(second, 1, 0, PAGES, "mapped while the lease was given back");
}

/* ---- a number that the program takes while the log comes there ---- */

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

static void number_is_own(void)
{
	struct stat one, other;

	record(NULL);
	promise(!fstat(own, &one) && !fstat(number, &other) && one.st_ino == other.st_ino &&
			one.st_dev == other.st_dev,
		"another file is at the number that the program took");
	promise(!other.st_size, "%jd bytes landed in a file of the program's",
		(intmax_t)other.st_size);
}

/* The log is there, and its thread does not know it yet. */
CASE(number_is_taken)
{
	struct actor actor;

	number_begin();
	strcpy(hold->point, "number");
	hold_arm(hold);
	actor_start(&actor, record, NULL);
	hold_wait(hold);
	take_number(NULL);
	hold_end(hold);
	actor_join(&actor);
	number_is_own();
}

static long sleeps_of(const struct actor *actor)
{
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", atomic_load(&actor->tid));
	return atol(proc_line(path, "voluntary_ctxt_switches:", line, sizeof(line)));
}

/* Whoever opens the log may not be run for long: others wait as long as it is there. */
CASE(opens_slowly)
{
	struct actor opener, other;

	number_begin();
	strcpy(hold->point, "number");
	hold_arm(hold);
	actor_start(&opener, record, NULL);
	hold_wait(hold);
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
	strcpy(hold->point, "keep");
	hold_arm(hold);
	actor_start(&writer, record, NULL);
	hold_wait(hold);
	strcpy(looking->point, "ours");
	hold_arm(looking);
	actor_start(&taker, take_number, NULL);
	hold_wait(looking);
	writing->number = SYS_write;
	hold_arm(writing);
	hold_end(hold);
	hold_wait(writing);
	hold_end(looking);
	wait_until(atomic_load(&taker.ended) || sleeps_of(&taker) > 20);
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
	strcpy(hold->point, "number");
	hold_arm(hold);
	actor_start(&writer, record, NULL);
	hold_wait(hold);
	number = log_number();
	actor_start(&taker, take_number, NULL);
	wait_until(atomic_load(&taker.ended) || sleeps_of(&taker) > 20);
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
	strcpy(opening->point, "number");
	hold_arm(opening);
	actor_start(&writer, record, NULL);
	hold_wait(opening);
	hold_end(hold);
	wait_until(atomic_load(&taker.ended) || sleeps_of(&taker) > 20);
	hold_end(opening);
	actor_join(&taker);
	actor_join(&writer);
	number_is_own();
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
	wait_until(atomic_load(&other.ended) || sleeps_of(&other) > 20);
	int taken = fcntl(own, F_DUPFD_CLOEXEC, number);
	hold_end(writing);
	hold_end(hold);
	actor_join(&writer);
	actor_join(&first);
	actor_join(&other);
	number = taken;
	number_is_own();
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
	strcpy(hold->point, "ours");
	hold_arm(hold);
	actor_start(&taker, take_from_nowhere, NULL);
	hold_wait(hold);
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

/* ---- the program's own open or truncate waits for a lease of ours, and a signal comes ---- */

static atomic_int signals;

static void count_signal(int unused)
{
	atomic_fetch_add(&signals, 1);
}

static void open_to_write(void *result)
{
	*(int *)result = open(NAME, O_WRONLY | O_CLOEXEC);
}

static void open_stream(void *result)
{
	*(int *)result = fopen(NAME, "w") ? 0 : -1;
}

static void open_by_number(void *result)
{
	*(int *)result = (int)syscall(SYS_openat, AT_FDCWD, NAME, O_WRONLY | O_CLOEXEC);
}

static void cut(void *result)
{
	*(int *)result = truncate(NAME, 0);
}

static const struct waiting_call {
	void (*act)(void *);
} by_open = { open_to_write }, by_stream = { open_stream }, by_number = { open_by_number },
  by_cut = { cut };

static void interrupted(const void *call)
{
	struct sigaction counted = { .sa_handler = count_signal };
	struct actor actor;
	int result = -2;

	must(!sigaction(SIGUSR1, &counted, NULL));
	file_make(NAME, 1, PAGES);
	char *view = guarded(PAGES);
	hold_call(SYS_sendfile);
	hold_arm(hold);
	actor_start(&actor, ((const struct waiting_call *)call)->act, &result);
	hold_wait(hold);
	must(!pthread_kill(actor.thread, SIGUSR1));
	wait_until(atomic_load(&signals) == 1 && actor_call(&actor) == SYS_futex);
	hold_end(hold);
	actor_join(&actor);
	promise(result >= 0, "a call of the program's own was interrupted by a wait for us");
	view_check(view, 1, 0, PAGES, "after it");
}

/* ---- a writer that does not wait is let in on the way that it allowed, and on no other ---- */

#define OUTSIDE "outside"

static void map_both(const void *unused)
{
	view_make(NAME, PROT_READ, 0, PAGES);
	view_make(OUTSIDE, PROT_READ, 0, PAGES);
}

/* Who will map both files, which are there now. */
static struct other mapper_of_both(void)
{
	struct other other = other_start(map_both, NULL);

	file_make(NAME, 1, PAGES);
	file_make(OUTSIDE, 1, PAGES);
	return other;
}

static void open_without_links(void *result)
{
	struct open_how how = { .flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };

	*(int *)result = (int)skip_without(syscall(SYS_openat2, AT_FDCWD, "way", &how, sizeof(how)),
					   "openat2 before Linux 5.6");
}

CASE(way_is_exchanged)
{
	struct other other = mapper_of_both();
	struct actor actor;
	int result;

	must(!link(NAME, "way") && !symlink(OUTSIDE, "detour"));
	other_go(&other);
	hold_call(SYS_openat2);
	hold->after = true;
	hold_arm(hold);
	actor_start(&actor, open_without_links, &result);
	hold_wait(hold);
	must(!renameat2(AT_FDCWD, "way", AT_FDCWD, "detour", RENAME_EXCHANGE));
	hold_end(hold);
	actor_join(&actor);
	promise(result == -1, "opened beyond a link");
	other_end(&other);
}

/* ---- while it is let in by another fenced program it waits, and is told of nothing ---- */

static void open_at_once(void *result)
{
	*(int *)result = open(NAME, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

CASE(nonblocking_waits)
{
	struct other other = mapper_of_both();
	struct actor actor;
	int result;

	other_go(&other);
	hold_before_copy();
	actor_start(&actor, open_at_once, &result);
	hold_wait(hold);
	wait_until(actor_call(&actor) == SYS_openat);
	hold_end(hold);
	actor_join(&actor);
	promise(result >= 0, "a writer that does not wait is refused");
	other_end(&other);
}

/* ---- a long copy is on its way, another waits, and a short one goes past both ---- */

static void overwrite_all(const void *name)
{
	struct stat file;

	must(!stat(name, &file));
	file_overwrite(name, 2, 0, (size_t)file.st_size / PAGE);
}

CASE(short_goes_first)
{
	static const char *const names[] = { "long", "long too", "short" };
	const size_t pages[] = { many, many, few };
	struct other writers[3];
	char *views[3];

	for (size_t i = 0; i < 3; i++) {
		file_make(names[i], 1, pages[i]);
		writers[i] = other_start(overwrite_all, names[i]);
	}
	for (size_t i = 0; i < 3; i++)
		views[i] = view_make(names[i], PROT_READ, 0, pages[i]);
	hold_before_copy();
	other_begin(&writers[0]);
	hold_wait(hold);
	other_begin(&writers[1]);
	wait_until(leases_of(id_of(names[1]), "BREAKING") == 1);
	other_begin(&writers[2]);
	other_wait(&writers[2]);
	promise(leases_of(id_of(names[1]), "BREAKING") == 1, "a long copy was made first");
	hold_end(hold);
	other_wait(&writers[0]);
	other_wait(&writers[1]);
	for (size_t i = 0; i < 3; i++)
		view_check(views[i], 1, 0, pages[i], names[i]);
}

/* ---- one of a family makes the copy for all ---- */

static void check_shared_view(const void *who)
{
	view_check(shared_view, 1, 0, few, who);
}

static bool is_of(int thread, const struct other *process)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", process->pid, thread);
	return !access(path, F_OK);
}

/* Two children with a guarded file; one of them, [0], is held with its copy before it. */
static void held_for_all(struct other children[2], struct other *writing)
{
	*writing = writer(&few);
	shared_view = guarded(PAGES);
	children[0] = other_start(check_shared_view, "one child");
	children[1] = other_start(check_shared_view, "another child");
	unmap(shared_view);
	hold_before_copy();
	other_begin(writing);
	hold_wait(hold);
	if (!is_of(atomic_load(&hold->reached_by), &children[0])) {
		struct other first = children[0];
		children[0] = children[1];
		children[1] = first;
	}
}

CASE(copier_is_killed)
{
	struct other children[2], writing;

	held_for_all(children, &writing);
	must(!kill(children[0].pid, SIGKILL) && waitpid(children[0].pid, NULL, 0) > 0);
	other_wait(&writing);
	other_go(&children[1]);
}

CASE(copier_is_slow)
{
	struct other children[2], writing;

	held_for_all(children, &writing);
	wait_until(leases_of(id_of(NAME), "BREAKING") == 1); /* the other one is done */
	other_go(&children[1]);
	hold_end(hold);
	other_wait(&writing);
	other_go(&children[0]);
	other_go(&children[1]);
}

static unsigned long inode_at(const void *address)
{
	char key[24], line[512];
	unsigned long inode = 0;

	snprintf(key, sizeof(key), "%lx-", (unsigned long)address);
	must(sscanf(proc_line("/proc/self/maps", key, line, sizeof(line)), "%*s %*s %*s %*s %lu",
		    &inode) == 1);
	return inode;
}

/* Is there at first; then grows its part; then checks it, and says which file has it. */
static void grow_then_check(const void *inode)
{
	static char *view;
	static int stage;

	if (++stage == 2) {
		view = sure(mremap(shared_view, PAGES / 2 * PAGE, PAGES * PAGE, MREMAP_MAYMOVE));
	} else if (stage == 3) {
		view_check(view, 1, 0, PAGES, "grown while another copied");
		*(unsigned long *)inode = inode_at(view);
	}
}

static void both_go(const struct other children[2])
{
	other_go(&children[0]);
	other_go(&children[1]);
}

/* Both have half of the file, and grow while one copies it for both. What the other has more is not
 * put into that copy: by then it may be of what was written since. */
CASE(grown_while_waiting)
{
	unsigned long *inodes = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct other children[2], writing = writer(&few);
	struct hold *waiting = &page->holds[1];

	must(inodes != MAP_FAILED);
	shared_view = guarded(PAGES / 2);
	children[0] = other_start(grow_then_check, &inodes[0]);
	children[1] = other_start(grow_then_check, &inodes[1]);
	both_go(children);
	must(!munmap(shared_view, PAGES / 2 * PAGE));
	hold_before_copy();
	other_begin(&writing);
	hold_wait(hold);
	waiting->number = SYS_futex;
	waiting->argument = 1;
	waiting->mask = FUTEX_CMD_MASK;
	waiting->value = FUTEX_WAIT;
	waiting->but = atomic_load(&hold->reached_by);
	hold_arm(waiting);
	hold_wait(waiting);
	both_go(children);
	hold_end(hold);
	wait_until(leases_of(id_of(NAME), "BREAKING") == 1);
	hold_end(waiting);
	other_wait(&writing);
	both_go(children);
	promise(inodes[0] != inodes[1], "what was missing was put into the copy of another");
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
	for (int i = 0; i < 200 && !atomic_load(&third.ended); i++)
		must(!usleep(10000));
	bool went_on = atomic_load(&third.ended);
	hold_end(hold);
	actor_join(&first);
	actor_join(&second);
	actor_join(&third);
	promise(went_on, "whoever waits for the lease thread waits for a fork");
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

/* ---- the mapping that leads to the lowest page is replaced before it does: another one does ----
 */

static void show_first(void *window)
{
	promise(!remap_file_pages(window, PAGE, 0, 0, 0), "remap_file_pages: %s", strerror(errno));
}

CASE(lowest_is_replaced)
{
	struct actor actor;

	file_make(NAME, 1, 3 * PAGES);
	int fd = sure(open(NAME, O_RDWR | O_CLOEXEC));
	char *window = sure(mmap(NULL, PAGE, RW, MAP_SHARED, fd, (off_t)(PAGES * PAGE)));
	char *later = sure(mmap(NULL, PAGE, RW, MAP_SHARED, fd, (off_t)(2 * PAGES * PAGE)));
	char *lowest = anonymous(2 * PAGE);
	for (size_t i = 0; i < 2; i++)
		sure(mmap(lowest + i * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0));
	must(!close(fd) && !unlink(NAME) && !setuid(65534));
	hold_call(SYS_mremap);
	hold->mask = -1;
	hold->value = (long)lowest;
	hold_arm(hold);
	actor_start(&actor, show_first, window);
	hold_wait(hold);
	must(by_hand(SYS_mremap, (long)later, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     (long)lowest) == (long)lowest);
	hold_end(hold);
	actor_join(&actor);
	promise(page_is(window, 1, 0), "not page 0");
	must(!munmap(window, PAGE) && !munmap(lowest, 2 * PAGE));
	promise(!count_lines("/proc/self/maps", "/" NAME), "the file is still mapped");
}

/* ---- two threads map one file for the first time ---- */

static void map_here(void *view)
{
	*(char **)view = guarded(PAGES);
}

/* Until the kernel lets the writer in; the runner makes that soon. */
CASE(copy_takes_too_long)
{
	struct other other = writer(&few);
	char *view = guarded(PAGES);

	hold_before_copy();
	other_begin(&other);
	hold_wait(hold);
	other_wait(&other);
	hold_end(hold);
	wait_until(!strcmp(fate_at(view), "lost"));
	must(munmap(view, PAGES * PAGE) == 0);
}

CASE(granted_twice)
{
	struct actor actor;
	char *second;

	file_make(NAME, 1, PAGES);
	strcpy(hold->point, "grant");
	hold->but = self();
	hold_arm(hold);
	actor_start(&actor, map_here, &second);
	hold_wait(hold);
	guarded(PAGES);
	hold_end(hold);
	actor_join(&actor);
	promise(leases_of(id_of(NAME), NULL) == 1, "%d leases on one file",
		leases_of(id_of(NAME), NULL));
}

/* ---- the log ---- */

/* process.start is written by whoever comes first; who comes second waits for it. */
CASE(announces_once)
{
	struct hold *waiting = &page->holds[1];
	struct actor first, second;

	strcpy(hold->point, "announce");
	hold_arm(hold);
	actor_start(&first, open_memory, NULL);
	hold_wait(hold);
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

CASE_OF("protect", change_waits, AS(struct change, protect, false, SIGSEGV))
CASE_OF("lock", change_waits, AS(struct change, lock_memory, false, 0))
CASE_OF("advise", change_waits, AS(struct change, advise, false, 0))
CASE_OF("give_up", change_waits, AS(struct change, give_up, true, 0))
CASE_OF("unmap", change_waits, AS(struct change, unmap, false, 0))
CASE_OF("replaced_unheard", replaced, NULL)
CASE_OF("replaced", replaced, "libc")
CASE_OF("forked_while_copied", forked_while_copied, &few)
CASE_OF("forked_while_copied_beside", forked_while_copied, &many)
CASE_OF("left_its_slot/close", left_its_slot, AS(closer, close_number))
CASE_OF("left_its_slot/range", left_its_slot, AS(closer, close_number_in_range))
CASE_OF("interrupted/open", interrupted, &by_open)
CASE_OF("interrupted/fopen", interrupted, &by_stream)
CASE_OF("interrupted/number", interrupted, &by_number)
CASE_OF("interrupted/truncate", interrupted, &by_cut)

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
