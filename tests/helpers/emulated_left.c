/* SPDX-License-Identifier: MIT */
/*
 * N2: emulated windows leave nothing behind: no mapping, area, descriptor or lock, also under
 * limits and with threads and children.
 */
#include <stdatomic.h>

#include "emulated.h"

CASE(children, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	must(!unlink(NAME));
	must(!remap_file_pages(window, PAGE, 0, 50, 0));
	for (int i = 0; i < 3; i++) {
		pid_t child = sure(fork());
		if (!child) {
			use(window, spare);
			must(!munmap(window, WINDOW * PAGE));
			exit(0);
		}
		child_wait(child);
		promise(page_is(window, 1, 50), "a child changed its parent's window");
	}
}

static void cover(char *at, size_t pages)
{
	must(mmap(at, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	     at);
}

static void must_be_gone(int way)
{
	promise(!count_lines("/proc/self/maps", NAME), "way %d: the file is still mapped", way);
}

/* The first pages are gone before the first call, and the descriptor too. */
CASE(cut, HOLDS_BARE)
{
	file_make(NAME, 1, PAGES);
	for (int way = 0; way < 3; way++) {
		int fd = open_rw(NAME);
		char *window = window_of(fd, 0), *away = window;
		must(!close(fd));
		if (way == 1)
			cover(window, 2);
		if (way == 2)
			away = mremap(window, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
		must(away != MAP_FAILED);
		if (way != 1)
			must(!munmap(away, way ? 4 * PAGE : 2 * PAGE));
		promise(!remap_file_pages(window + 5 * PAGE, PAGE, 0, 1, 0), "way %d: %s", way,
			strerror(errno));
		promise(page_is(window + 5 * PAGE, 1, 1), "way %d: not page 1", way);
		must(!munmap(window, WINDOW * PAGE));
		must_be_gone(way);
	}
}

/* What is left is apart from the first pages before these go; no other way leads to them. */
CASE(cut_in_two, HOLDS_BARE)
{
	char *window = window_alone(0);

	cover(window + 2 * PAGE, 2);
	must(!munmap(window, 2 * PAGE));
	promise(!remap_file_pages(window + 5 * PAGE, PAGE, 0, 1, 0), "%s", strerror(errno));
	promise(page_is(window + 5 * PAGE, 1, 1), "not page 1");
	view_check(window + 6 * PAGE, 1, 6, WINDOW - 6, "the window");
}

/* Nor to them when the window is elsewhere and shows others. */
CASE(moved, HOLDS_BARE)
{
	char *room = reserve(WINDOW * PAGE);
	char *window = window_alone(0);

	must(!remap_file_pages(window, WINDOW * PAGE, 0, 40, 0));
	must(mremap(window, WINDOW * PAGE, WINDOW * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room) ==
	     room);
	promise(!remap_file_pages(room, PAGE, 0, 1, 0), "%s", strerror(errno));
	promise(page_is(room, 1, 1), "not page 1");
	view_check(room + PAGE, 1, 41, WINDOW - 1, "the window");
	must(!munmap(room, WINDOW * PAGE));
	must_be_gone(0);
}

/* When the window goes, nothing of ours holds on to the file. */
CASE(nothing_left, HOLDS_BARE)
{
	file_make(NAME, 1, PAGES);
	for (int way = 0; way < 4; way++) {
		int fd = open_rw(NAME);
		char *window = window_of(fd, way % 2 ? 8 : 0);
		must(!close(fd));
		must(!remap_file_pages(window + PAGE, PAGE, 0, 30, 0));
		must(!remap_file_pages(window + 3 * PAGE, PAGE, 0, 9, 0));
		if (way < 2)
			must(!munmap(window, WINDOW * PAGE));
		for (size_t i = 0; way == 2 && i < WINDOW; i++)
			must(!munmap(window + i * 7 % WINDOW * PAGE, PAGE));
		if (way == 3)
			cover(window, WINDOW);
		must_be_gone(way);
	}
}

/* Windows that the program makes by itself, beside and among those that are emulated. */
CASE(no_areas_pile_up, HOLDS_BARE)
{
	unsigned int before, after;

	file_make(NAME, 1, PAGES);
	int fd = open_rw(NAME);
	char *window = window_of(fd, 8);
	must(!remap_file_pages(window, PAGE, 0, 3, 0));
	before = count_lines("/proc/self/maps", NAME);
	for (size_t i = 0; i < 2000; i++)
		must(mmap(window + i % WINDOW * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd,
			  (off_t)(i * 7 % PAGES * PAGE)) != MAP_FAILED);
	after = count_lines("/proc/self/maps", NAME);
	promise(after <= before + WINDOW, "%u areas of the file, then %u", before, after);
	must(!munmap(window, WINDOW * PAGE));
	must_be_gone(0);
}

CASE(no_descriptors, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(20, &spare);

	use(window, spare);
	for (int i = 3; i < 1024; i++) {
		char path[64], to[4096] = "";
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		if (i != spare && readlink(path, to, sizeof(to) - 1) > 0)
			promise(!strstr(to, NAME), "descriptor %d is the file", i);
	}
}

struct actor {
	pthread_t thread;
	int fd;
	bool unmaps; /* its window, every now and then */
};

static void *act(void *argument)
{
	struct actor *actor = argument;
	char *window = window_of(actor->fd, 0);

	for (size_t i = 0; i < 4000; i++) {
		size_t slot = i % WINDOW, page = i * 7 % PAGES;
		promise(!remap_file_pages(window + slot * PAGE, PAGE, 0, page, 0),
			"remap_file_pages: %s", strerror(errno));
		promise(page_is(window + slot * PAGE, 1, page), "not page %zu", page);
		if (actor->unmaps && i % 50 == 49) {
			must(!munmap(window, WINDOW * PAGE));
			window = window_of(actor->fd, 0);
		}
	}
	must(!munmap(window, WINDOW * PAGE));
	return NULL;
}

/* Each in a window of its own; one makes the mappings go that the others' windows come from. */
CASE(threads, HOLDS_BARE)
{
	struct actor actors[3];

	file_make(NAME, 1, PAGES);
	for (size_t i = 0; i < COUNT(actors); i++) {
		actors[i].fd = open_rw(NAME);
		actors[i].unmaps = i == 0;
		actors[i].thread = thread_start(act, &actors[i]);
	}
	for (size_t i = 0; i < COUNT(actors); i++)
		thread_end(actors[i].thread);
	must_be_gone(0);
}

struct reading {
	const char *at;
	atomic_bool over;
};

static void *read_on(void *argument)
{
	struct reading *reading = argument;

	while (!atomic_load(&reading->over)) {
		size_t word = *(const volatile size_t *)reading->at; /* in one load */
		promise(word == (size_t)pattern_word(1, 4, 0) ||
				word == (size_t)pattern_word(1, 9, 0),
			"neither the page before nor the one after");
	}
	return NULL;
}

/* Whoever reads a page while it is remapped sees the one or the other, and is never killed. */
CASE(read_meanwhile, HOLDS_BARE)
{
	struct reading reading = { NULL, false };
	pthread_t reader;
	int spare;
	char *window = closed_window(0, &spare);

	reading.at = window + PAGE;
	must(!remap_file_pages(window + PAGE, PAGE, 0, 4, 0));
	reader = thread_start(read_on, &reading);
	for (size_t i = 0; i < 20000; i++)
		must(!remap_file_pages(window + PAGE, PAGE, 0, i % 2 ? 4 : 9, MAP_NONBLOCK));
	atomic_store(&reading.over, true);
	thread_end(reader);
}

static unsigned int locked_areas(void)
{
	return count_lines("/proc/self/smaps", " lo");
}

/* The kernel asks before it changes anything, and counts what is replaced as still locked. */
CASE(locked, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	must(!mlock(window, WINDOW * PAGE));
	use(window, spare);
	unsigned int areas = count_lines("/proc/self/maps", NAME);
	/* One area is none of the window's: the mapping that it comes from. */
	promise(locked_areas() + 1 >= areas, "only %u of %u areas are locked", locked_areas(),
		areas);
	become_nobody();
	limit_set(RLIMIT_MEMLOCK, WINDOW * PAGE);
	must(!remap_file_pages(window, PAGE, 0, 50, 0) || errno == EAGAIN);
	promise(remap_file_pages(window, PAGE, 0, 51, 0) == -1 && errno == EAGAIN, "no EAGAIN");
	limit_set(RLIMIT_MEMLOCK, 0);
	promise(remap_file_pages(window, PAGE, 0, 51, 0) == -1 && errno == EPERM, "no EPERM: %s",
		strerror(errno));
}

CASE(lock_future, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	must(!mlockall(MCL_FUTURE));
	must(!remap_file_pages(window + PAGE, PAGE, 0, 50, 0));
	must(!munlockall());
	promise(locked_areas() == 0, "%u areas are still locked", locked_areas());
	must(!mlockall(MCL_FUTURE));
	must(!remap_file_pages(window + PAGE, PAGE, 0, 51, 0));
	promise(locked_areas() >= 1, "the new area is not locked");
	must(!munlockall());
}

#define FAR 50000

static char *sparse_window(int *fd)
{
	*fd = file_in_memory();
	must(!ftruncate(*fd, (FAR + 1) * PAGE));
	char *window = window_of(*fd, 0);
	must(!remap_file_pages(window, PAGE, 0, FAR, 0));
	return window;
}

/* What windows come from is neither read nor locked, and what comes from it later is not either. */
CASE(lock_current, HOLDS_BARE)
{
	struct stat file;
	int fd;
	char *window = sparse_window(&fd);

	must(!mlockall(MCL_CURRENT) && !fstat(fd, &file));
	promise(file.st_blocks < 8192, "%ld blocks of a sparse file", (long)file.st_blocks);
	must(!munlock(window, WINDOW * PAGE));
	unsigned int before = locked_areas();
	must(!remap_file_pages(window + PAGE, PAGE, 0, 5, 0));
	promise(locked_areas() <= before, "the new area is locked");
}

CASE(address_space_limit_later, HOLDS_BARE)
{
	int fd;
	char *window = sparse_window(&fd);

	limit_set(RLIMIT_AS, 200UL << 20);
	promise(mmap(NULL, 32UL << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED,
		"no address space is left");
	promise(!remap_file_pages(window, PAGE, 0, 3, 0), "%s", strerror(errno));
}

/* A child has nothing of a window that it does not inherit. */
CASE(not_inherited, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	must(!remap_file_pages(window, PAGE, 0, 50, 0));
	must(!madvise(window, WINDOW * PAGE, MADV_DONTFORK));
	pid_t child = sure(fork());
	if (!child) {
		must_be_gone(0);
		exit(0);
	}
	child_wait(child);
	promise(!remap_file_pages(window, PAGE, 0, 9, 0) && page_is(window, 1, 9), "not page 9");
}

struct remapping {
	char *window;
	atomic_bool over;
};

static void *remap_on(void *argument)
{
	struct remapping *remapping = argument;

	for (size_t i = 0; !atomic_load(&remapping->over); i++)
		must(!remap_file_pages(remapping->window + i % WINDOW * PAGE, PAGE, 0,
				       i * 7 % PAGES, MAP_NONBLOCK));
	return NULL;
}

/* Whatever another thread was in the middle of, a child that unmaps its window holds on to nothing.
 */
CASE(fork_meanwhile, HOLDS_BARE)
{
	struct remapping remapping = { NULL, false };
	pthread_t thread;
	int spare;

	remapping.window = closed_window(0, &spare);
	must(!remap_file_pages(remapping.window, PAGE, 0, 50, 0));
	thread = thread_start(remap_on, &remapping);
	for (int i = 0; i < 100; i++) {
		IN_CHILD {
			must(!munmap(remapping.window, WINDOW * PAGE));
			must_be_gone(0);
		}
	}
	atomic_store(&remapping.over, true);
	thread_end(thread);
}

/* No huge page is taken for it, and none is kept. */
CASE(huge, HOLDS_BARE)
{
	size_t page = 2UL << 20;
	int fd = memfd_create(NAME, MFD_HUGETLB);
	char *window = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)(4 * page)))
		window = mmap(NULL, page, RW, MAP_SHARED, fd, (off_t)page);
	if (window == MAP_FAILED) {
		printf("no huge pages\n");
		return;
	}
	promise(count_lines("/proc/self/maps", NAME) == 1, "another mapping of huge pages");
	promise(!remap_file_pages(window, page, 0, 0, 0), "%s", strerror(errno));
	must(!munmap(window, page));
	must_be_gone(0);
}

static unsigned long bytes_read(void)
{
	FILE *file = fopen("/proc/self/io", "re");
	unsigned long bytes = 0;

	if (file) {
		must(fscanf(file, "rchar: %lu", &bytes) == 1);
		fclose(file);
	}
	return bytes;
}

#define MANY 800

/* Not all areas are looked at for each that goes, in whatever order they do. */
CASE(given_back_downwards, HOLDS_BARE)
{
	file_make(NAME, 1, PAGES);
	int fd = open_rw(NAME);
	char *window = mmap(NULL, 2 * MANY * PAGE, RW, MAP_SHARED, fd, 0);
	must(window != MAP_FAILED && !close(fd));
	for (size_t i = 0; i < MANY; i++)
		must(!remap_file_pages(window + 2 * i * PAGE, PAGE, 0, i * 7 % PAGES,
				       MAP_NONBLOCK));
	unsigned long before = bytes_read();
	for (size_t i = 2 * MANY; i-- > 0;)
		must(!munmap(window + i * PAGE, PAGE));
	promise(bytes_read() - before < 2UL * MANY * 20000, "%lu bytes of maps were read",
		bytes_read() - before);
	must_be_gone(0);
}

/* The mapping that windows come from is larger than the limit would allow. */
CASE(address_space_limit, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	limit_set(RLIMIT_AS, 1UL << 29);
	use(window, spare);
	promise(count_lines("/proc/self/maps", NAME) <= WINDOW, "a mapping of ours stays");
}

CASES_MAIN
