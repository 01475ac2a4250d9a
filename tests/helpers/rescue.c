/* SPDX-License-Identifier: MIT */
/*
 * S17: where it was asked for, a program that touches what was cut off goes on with zeros.
 */
#include "sigbus.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define RESCUE(function) CASE_NAMED("rescue/" #function, rescue_##function)

/* What is there again is what is read, and takes the store; and so the next time. */
static void read_again(volatile char *view)
{
	for (int i = 0; i < 3; i++) {
		cut(LEFT);
		promise(page_is(view + 9 * PAGE, 2, 9), "page 9");
	}
}

static void store_again(volatile char *view)
{
	for (int i = 0; i < 3; i++) {
		cut(LEFT);
		view[9 * PAGE + 7] = 42;
		promise(view[9 * PAGE + 7] == 42, "page 9");
	}
}

static void rescue_back_again(const void *stores)
{
	volatile char *view = map(RW, MAP_SHARED);
	bool is_store = *(const bool *)stores;
	int status = trace(is_store ? store_again : read_again, view, grow_back);

	promise(!status, "status %#x", status);
	promise((view[9 * PAGE + 7] == 42) == is_store, "the store is lost");
}

static void zeros(const volatile char *view, size_t from, size_t to)
{
	for (size_t page = from; page < to; page++)
		promise(page_is_zero(view + page * PAGE), "page %zu is not zero", page);
}

/* What is left of the file, the rest of its last page, and what is gone. */
static void check_cut(const volatile char *view)
{
	view_check(view, 1, 0, LEFT, "what is left");
	promise(pattern_wrong(view + LEFT * PAGE, 1, LEFT, 100) == 100, "the last bytes");
	zeros(view, LEFT + 1, PAGES);
}

static void rescue_read(const void *flags)
{
	char *view = map_cut(PROT_READ, *(const int *)flags);
	zeros(view, 9, 10);
	check_cut(view);
}

RESCUE(backwards)
{
	volatile char *view = map_cut(PROT_READ, MAP_SHARED);
	for (size_t page = PAGES; page-- > LEFT + 1;)
		promise(view[page * PAGE] == 0, "page %zu", page);
	check_cut(view);
}

RESCUE(again)
{
	volatile char *view = map(PROT_READ, MAP_SHARED);
	cut(9);
	zeros(view, 12, 13);
	view_check(view, 1, 0, 9, "after the first cut");
	cut(LEFT);
	check_cut(view);
}

RESCUE(grown)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	check_cut(view);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(view, 2, 0, LEFT, "what still shows the file");
	zeros(view, LEFT + 1, PAGES);
}

static void rescue_store(const void *flags)
{
	bool is_shared = *(const int *)flags & MAP_SHARED;
	volatile char *view = map_cut(RW, *(const int *)flags);
	view[9 * PAGE + 5] = 42;
	view[1] = 43;
	promise(view[9 * PAGE + 5] == 42, "the store is lost");
	zeros(view, LEFT + 1, 9);
	struct stat st;
	must(stat(FILE_NAME, &st) == 0);
	promise(st.st_size == LEFT * (off_t)PAGE + 100, "the file has grown");
	int fd = file_open(FILE_NAME);
	char byte;
	must(pread(fd, &byte, 1, 1) == 1);
	promise((byte == 43) == is_shared, "what is left of the file is not what it was");
}

RESCUE(keeps_protection)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	zeros(view, 9, 10);
	struct sigaction action = { .sa_handler = touch_caught };
	sigaction(SIGSEGV, &action, NULL);
	if (!sigsetjmp(touch_jump, 1)) {
		((volatile char *)view)[9 * PAGE] = 1;
		broken("zeros of a read-only mapping can be written");
	}
}

RESCUE(lost)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	must(close(open(FILE_NAME, O_RDONLY | O_TRUNC)) == 0);
	zeros(view, 0, PAGES);
}

static char *cut_without_a_name(void)
{
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);

	must(fd >= 0 && unlink(FILE_NAME) == 0 && ftruncate(fd, LEFT * PAGE + 100) == 0);
	must(close(fd) == 0);
	return view;
}

RESCUE(unlinked)
{
	check_cut(cut_without_a_name());
}

/* Nobody tells then how long the file is. */
RESCUE(unlinked_unprivileged)
{
	be_nobody();
	rescue_unlinked(unused);
}

static void checking_handler(int signal)
{
	check_cut(handler_view);
}

RESCUE(in_a_handler)
{
	struct sigaction action = { .sa_handler = checking_handler, .sa_flags = SA_ONSTACK };

	handler_view = map_cut(PROT_READ, MAP_SHARED);
	own_stack(16384);
	must(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
	must(raise(SIGUSR1) == 0);
}

RESCUE(in_a_child)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	IN_CHILD {
		check_cut(view);
	}
	check_cut(view);
}

RESCUE(in_a_child_of_vfork)
{
	volatile char *view = map_cut(PROT_READ, MAP_SHARED);
	pid_t pid = sure(vfork());
	if (!pid)
		_exit(view[9 * PAGE] ? EXIT_BROKEN : 0);
	child_wait(pid);
	check_cut(view);
}

/* Not a signal: the kernel's own look fails. */
RESCUE(is_no_matter_of_calls)
{
	int fds[2];

	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(pipe(fds) == 0);
	promise(write(fds[1], view + 9 * PAGE, 1) == -1 && errno == EFAULT, "write");
	check_cut(view);
	promise(write(fds[1], view + 9 * PAGE, 1) == 1, "write after the rescue");
}

/* The program's own handler comes first. */
RESCUE(not_with_a_handler)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	promise(touch(view + 9 * PAGE) == SIGBUS, "no signal");
	check_cut(view);
}

/* Threads that store into one page at once, each its own byte. */
#define THREADS 8
#define ROUNDS	200

static pthread_barrier_t barrier;
static volatile unsigned char *shared_view;

static void *storer(void *argument)
{
	unsigned char *own = argument;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);
		shared_view[9 * PAGE + *own] = *own;
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void rescue_threads(const void *flags)
{
	static unsigned char own[THREADS];
	pthread_t threads[THREADS];

	must(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
	for (size_t i = 0; i < THREADS; i++) {
		own[i] = (unsigned char)(i + 1);
		threads[i] = thread_start(storer, &own[i]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		char *view = map(RW, *(const int *)flags);
		shared_view = (unsigned char *)view;
		cut(LEFT);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		for (size_t i = 0; i < THREADS; i++)
			promise(shared_view[9 * PAGE + own[i]] == own[i],
				"round %d: the store of thread %zu is lost", round, i);
		must(munmap(view, PAGES * PAGE) == 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		thread_end(threads[i]);
}

RESCUE(locked)
{
	char vector;

	char *view = map(PROT_READ, MAP_SHARED);
	must(mlock(view, PAGES * PAGE) == 0);
	cut(LEFT);
	promise(((volatile char *)view)[9 * PAGE] == 0, "page 9");
	promise(mincore(view + 12 * PAGE, PAGE, (unsigned char *)&vector) == 0 && vector & 1,
		"the zeros are not locked in memory");
}

/* With remap_file_pages emulated: zeros in place of all of it, and nothing is left that shows the
 * file. */
RESCUE(emulated)
{
	volatile char *view = map(RW, MAP_SHARED);

	must(remap_file_pages((char *)view, PAGE, 0, 3, 0) == 0);
	must(truncate(FILE_NAME, 0) == 0);
	promise(view[0] == 0 && view[9 * PAGE] == 0, "what was cut off is no zeros");
	promise(!count_lines("/proc/self/maps", FILE_NAME), "it is still mapped");
}

#define BOTH(function)                                                                 \
	CASE_OF("rescue/" #function "/shared", rescue_##function, AS(int, MAP_SHARED)) \
	CASE_OF("rescue/" #function "/private", rescue_##function, AS(int, MAP_PRIVATE))

BOTH(read)
BOTH(store)
BOTH(threads)
CASE_OF("rescue/back_again/read", rescue_back_again, AS(bool, false))
CASE_OF("rescue/back_again/store", rescue_back_again, AS(bool, true))
CASE_OF("rescue/on_a_small_stack", on_a_small_stack, NULL)

CASES_MAIN
