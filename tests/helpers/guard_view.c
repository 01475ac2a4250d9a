/* SPDX-License-Identifier: MIT */
/*
 * S1, S5, S11 for read-only mappings, which are guarded: they show the file itself until somebody
 * comes to write, and the old pages afterwards; and nobody waits for what is unmapped.
 */
#include <sys/auxv.h>
#include <sys/time.h>

#include "guard_view.h"

static void private_survives(const void *trial)
{
	char *view = survives(trial, fresh);

	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	check(view, "after MADV_DONTNEED");
}

/* --- several mappings of one file --- */

CASE(several_at_different_times)
{
	char *first = fresh();
	char *window = view_make(FILE_NAME, PROT_READ, 4, 4), *second, *third;

	guarded_check(window, "a second mapping under the same lease");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	second = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	guarded_check(second, "a mapping after the break");
	must(munmap(window + PAGE, PAGE) == 0);
	file_overwrite(FILE_NAME, 3, 0, PAGES);
	third = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	must(truncate(FILE_NAME, 0) == 0);
	check(first, "mapped before the first break");
	view_check(window, 1, 4, 1, "the first piece of the window");
	view_check(window + 2 * PAGE, 1, 6, 2, "the second piece of the window");
	view_check(second, 2, 0, PAGES, "mapped between the breaks");
	view_check(third, 3, 0, PAGES, "mapped after the second break");
}

/* All windows of one break are put aside, and only they. */
CASE(many_windows)
{
	char *views[PAGES];

	file_make(FILE_NAME, 1, PAGES);
	for (size_t i = 0; i < PAGES; i++) {
		views[i] = view_make(FILE_NAME, PROT_READ, i, 1);
		guarded_check(views[i], "a window");
	}
	for (size_t i = 0; i < PAGES; i += 3)
		must(munmap(views[i], PAGE) == 0);
	way_cut_twice();
	for (size_t i = 0; i < PAGES; i++)
		if (i % 3)
			view_check(views[i], 1, i, 1, "a window");
}

/* Somebody writes while a mapping is made: it is copied, and what was guarded before stays. */
PROMISE_WIDTHS(S1, a_file_that_is_being_written_is_not_guarded)
{
	char *before = fresh(), *during, *after;

	int fd = open_for_writing(0);
	file_fill(fd, 2, 0, PAGES);
	during = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	promise(!mmfence_active() || strcmp(engine_at(during), "guard"),
		"guarded although a writer is there");
	file_fill(fd, 3, 0, PAGES);
	must(close(fd) == 0);
	after = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	guarded_check(after, "after the writer");
	way_o_trunc();
	check(before, "before the writer");
	view_check(during, 2, 0, PAGES, "during the writer");
	view_check(after, 3, 0, PAGES, "after the writer");
}

/* A moved or grown mapping is guarded where it is, and shows the file of its capture there. */
CASE(moved_and_grown)
{
	file_make(FILE_NAME, 1, PAGES);
	char *room = mmap(NULL, 4 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES / 2);

	must(room != MAP_FAILED);
	guarded_check(view, "before the move");
	promise(mremap(view, BYTES / 2, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, room + BYTES) ==
			room + BYTES,
		"a guarded mapping did not grow: %s", strerror(errno));
	view_check(room + BYTES, 1, 0, PAGES, "grown");
	way_cut_twice();
	view_check(room + BYTES, 1, 0, PAGES, "grown, and then the file was cut");
}

/* Grown after the break, as far as the file was held: S5. */
CASE(grows_only_over_what_was_put_aside)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES / 2);

	way_write();
	char *grown = mremap(view, BYTES / 2, BYTES, MREMAP_MAYMOVE);
	if (grown != MAP_FAILED) {
		check(grown, "grown after the break");
		return;
	}
	promise(errno == ENOMEM, "mremap: %s", strerror(errno));
	view_check(view, 1, 0, PAGES / 2, "what was mapped");
}

/* --- S5: unmapped --- */

/* The last piece is gone: so is the lease, and whoever comes need not wait. */
CASE(unmapped_gives_the_lease_back)
{
	char *view = fresh();
	struct file_id id = id_of(FILE_NAME);

	promise(leases_of(id, NULL) == 1, "%d leases for one file", leases_of(id, NULL));
	must(munmap(view, BYTES / 2) == 0);
	must(mmap(view + BYTES / 2, BYTES / 4, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		  -1, 0) != MAP_FAILED);
	promise(leases_of(id, "ACTIVE") == 1, "no lease, and a quarter is still mapped");
	must(munmap(view + BYTES / 4 * 3, BYTES / 4) == 0);
	wait_until(!leases_of(id, NULL));
	wait_until(!process_has_open(FILE_NAME));
	promise(try_to_write(FILE_NAME) == 0, "a writer would still wait");
}

/* The writer comes before the lease is back: nothing is copied for it. */
CASE(unmapped_lets_the_writer_in, HOLDS_BARE)
{
	for (int i = 0; i < 200; i++) {
		char *view = fresh();
		must(munmap(view, BYTES) == 0);
		way_o_trunc();
	}
}

static void try_write_lease(const void *unused)
{
	int fd = file_open(FILE_NAME);

	wait_until(fcntl(fd, F_SETLEASE, F_WRLCK) == 0 || (errno != EAGAIN && errno != EBUSY));
	promise(fcntl(fd, F_GETLEASE) == F_WRLCK, "no write lease: %s", strerror(errno));
	must(close(fd) == 0);
}

/* Only who has the file for himself can have a write lease. */
PROMISE_WIDTHS(S5, munmap_of_all_leaves_room_for_a_write_lease, HOLDS_BARE)
{
	struct other other = other_start(try_write_lease, NULL);
	char *view = fresh();

	must(munmap(view, BYTES) == 0);
	other_last(&other);
}

/* Whether the file is still there, name or not: by its handle. Free blocks would tell as well, but
 * not on a file system that others use. */
static bool is_there(int directory, struct file_handle *handle)
{
	int fd = open_by_handle_at(directory, handle, O_PATH);

	return fd >= 0 && close(fd) == 0;
}

CASE(unmapped_frees_the_file, HOLDS_BARE)
{
	struct {
		struct file_handle handle;
		char bytes[MAX_HANDLE_SZ];
	} it = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	int directory = open(".", O_RDONLY | O_DIRECTORY), mount;
	char *view = fresh();

	must(directory >= 0);
	if (name_to_handle_at(AT_FDCWD, FILE_NAME, &it.handle, &mount, 0))
		skip("no file handles on this file system");
	must(unlink(FILE_NAME) == 0);
	if (!is_there(directory, &it.handle))
		skip("no file is found by its handle here");
	check(view, "without a name");
	must(munmap(view, BYTES) == 0);
	wait_until(!is_there(directory, &it.handle));
	must(close(directory) == 0);
}

/* One lease for a file, however many mappings, and only the last gives it back. */
CASE(one_lease_for_many_mappings)
{
	char *views[8];

	file_make(FILE_NAME, 1, PAGES);
	for (size_t i = 0; i < COUNT(views); i++)
		views[i] = view_make(FILE_NAME, PROT_READ, i, PAGES - i);
	promise(leases_of(id_of(FILE_NAME), NULL) == 1, "%d leases",
		leases_of(id_of(FILE_NAME), NULL));
	for (size_t i = 0; i + 1 < COUNT(views); i++)
		must(munmap(views[i], (PAGES - i) * PAGE) == 0);
	guarded_check(views[7], "the last one");
	way_write();
	view_check(views[7], 1, 7, PAGES - 7, "the last one");
}

/* --- S11 --- */

static void nonblocking_writer(const void *argument)
{
	struct file_id id = id_of(FILE_NAME);
	int error = try_to_write(FILE_NAME);

	promise(error == EWOULDBLOCK, "the first attempt: %s", strerror(error));
	wait_until(!leases_of(id, NULL));
	error = try_to_write(FILE_NAME);
	promise(error == 0, "the second attempt: %s", strerror(error));
	way_cut_twice();
}

CASE_NAMED("nonblocking_writer", nonblocking_writer_gets_in)
{
	struct other other = other_start(nonblocking_writer, NULL);
	char *view = fresh();

	other_last(&other);
	check(view, "after a writer that does not wait");
}

/* --- P1: the program's own lease is not to be noticed, nor another fenced program's --- */

static void nonblocking_fenced_writer(const void *argument)
{
	int fd = open(FILE_NAME, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	promise(fd >= 0, "refused: %s", strerror(errno));
	must(write(fd, "changed", 7) == 7 && close(fd) == 0);
}

CASE_NAMED("nonblocking_fenced", nonblocking_fenced_gets_in)
{
	struct other other = other_start(nonblocking_fenced_writer, NULL);
	char *view = fresh();

	other_last(&other);
	check(view, "after a writer that does not wait");
}

#define OWN_FLAGS (O_WRONLY | O_NONBLOCK | O_CLOEXEC)

static _Noreturn void map_until(const volatile char *end)
{
	while (!*end)
		must(munmap(view_make(FILE_NAME, PROT_READ, 0, PAGES), PAGES * PAGE) == 0);
	exit(0);
}

/* Between its turns there is always one of them. */
PROMISE(S15, nonblocking_fenced_among_readers, HOLDS_BARE)
{
	volatile char *end = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t readers[8];

	must(end != MAP_FAILED);
	file_make(FILE_NAME, 1, PAGES);
	for (int i = 0; i < 8; i++)
		if (!(readers[i] = sure(fork())))
			map_until(end);
	for (int i = 0; i < 500; i++) {
		int fd = open(FILE_NAME, OWN_FLAGS);
		promise(fd >= 0, "refused, the %d. time: %s", i, strerror(errno));
		must(close(fd) == 0);
	}
	*end = 1;
	for (int i = 0; i < 8; i++)
		child_wait(readers[i]);
}

typedef int opener(void);

static int open_own(void)
{
	return open(FILE_NAME, OWN_FLAGS);
}

static int openat_own(void)
{
	int directory = open(".", O_PATH | O_DIRECTORY);
	int fd = openat(directory, FILE_NAME, OWN_FLAGS);

	must(close(directory) == 0);
	return fd;
}

static int open_own_by_number(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, FILE_NAME, OWN_FLAGS);
}

static int open_own_by_link(void)
{
	must(symlink(FILE_NAME, "link") == 0);
	int fd = open("link", OWN_FLAGS);
	must(unlink("link") == 0);
	return fd;
}

/* Without the right to (CAP_DAC_READ_SEARCH), by its name. */
static int open_own_by_handle(void)
{
	struct {
		struct file_handle handle;
		char room[MAX_HANDLE_SZ];
	} file = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount, directory = sure(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), fd = -1;

	errno = EPERM;
	if (!geteuid() && !name_to_handle_at(AT_FDCWD, FILE_NAME, &file.handle, &mount, 0)) {
		errno = 0;
		fd = open_by_handle_at(directory, &file.handle, OWN_FLAGS);
	}
	bool tried = fd >= 0 || (errno != EPERM && errno != EOPNOTSUPP);
	must(close(directory) == 0);
	errno = tried ? errno : 0;
	return tried ? fd : open_own();
}

static void own_nonblocking(const void *argument)
{
	opener *const *open_it = argument;
	char *view = fresh();

	errno = 0;
	int fd = (*open_it)();
	promise(fd >= 0 && errno == 0, "refused: %s", strerror(errno));
	must(write(fd, "changed", 7) == 7 && close(fd) == 0);
	check(view, "after an own store");
	/* What is refused for another reason stays so. */
	must(mkfifo("pipe", 0600) == 0);
	promise(open("pipe", OWN_FLAGS) == -1 && errno == ENXIO, "a pipe: %s", strerror(errno));
	must(unlink("pipe") == 0);
}

/* --- P1: somebody else's lease, which mmfence's runner holds on FOREIGN, is as it is --- */

#define FOREIGN "foreign"

static void interrupted(int signal)
{
}

static void opens_are_interrupted(void)
{
	struct sigaction action = { .sa_handler = interrupted };
	struct itimerval tick = { { 0, 10000 }, { 0, 10000 } };

	must(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &tick, NULL) == 0);
	promise(open(FOREIGN, O_WRONLY | O_CLOEXEC) == -1 && errno == EINTR, "open: %m");
	promise(truncate(FOREIGN, 0) == -1 && errno == EINTR, "truncate: %m");
	promise(open(FOREIGN, OWN_FLAGS) == -1 && errno == EAGAIN, "open without waiting: %m");
}

CASE_NAMED("foreign/interrupted", foreign_lease_can_be_interrupted)
{
	opens_are_interrupted();
}

/* The program's own, beside one of ours. */
CASE_NAMED("program/interrupted", lease_of_the_program_can_be_interrupted, HOLDS_BARE)
{
	char *view = fresh();
	int fd = sure(open(FOREIGN, O_RDONLY | O_CREAT | O_CLOEXEC, 0600));

	must(signal(SIGIO, SIG_IGN) != SIG_ERR);
	if (fcntl(fd, F_SETLEASE, F_RDLCK))
		skip("no lease here: %m");
	opens_are_interrupted();
	check(view, "beside a lease of the program's");
}

static int handler_errno;

static void open_in_handler(int signal)
{
	handler_errno = open(FOREIGN, OWN_FLAGS) < 0 ? errno : 0;
}

/* P2: what a handler needs that opens, and a page for what it calls. */
CASE_NAMED("foreign/small_stack", small_signal_stack_is_enough_for_an_open)
{
	size_t size = (getauxval(AT_MINSIGSTKSZ) + 2 * PAGE) & ~(PAGE - 1);
	struct sigaction action = { .sa_handler = open_in_handler, .sa_flags = SA_ONSTACK };
	char *room = sure(mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	stack_t stack = { .ss_sp = room + 8 * PAGE, .ss_size = size };

	must(mprotect(stack.ss_sp, size, PROT_READ | PROT_WRITE) == 0);
	must(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	must(raise(SIGUSR1) == 0);
	promise(handler_errno == EAGAIN, "%s", strerror(handler_errno));
}

CASE_OF("own_nonblocking/open", own_nonblocking, AS(opener *, open_own))
CASE_OF("own_nonblocking/openat", own_nonblocking, AS(opener *, openat_own))
CASE_OF("own_nonblocking/number", own_nonblocking, AS(opener *, open_own_by_number))
CASE_OF("own_nonblocking/link", own_nonblocking, AS(opener *, open_own_by_link))
CASE_OF("own_nonblocking/handle", own_nonblocking, AS(opener *, open_own_by_handle))

int main(int argc, char **argv)
{
	add_ways("survives", private_survives);
	return cases_main(argc, argv);
}
