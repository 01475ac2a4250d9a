/* SPDX-License-Identifier: MIT */
/*
 * N2: windows whose remap_file_pages is emulated, whatever became of the descriptor and of
 * the name: the right pages, stores that arrive in the file, nothing left behind.
 */
#include <grp.h>
#include <linux/btrfs.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>

#include "helper.h"

#define NAME   "emulated.data"
#define PAGES  64
#define WINDOW 16
#define NOBODY 65534

static char *window_of(int fd, size_t first)
{
	return sure(mmap(NULL, WINDOW * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)(first * PAGE)));
}

static void become_nobody(void)
{
	must(!setgroups(0, NULL) && !setgid(NOBODY) && !setuid(NOBODY));
}

static int open_rw(const char *name)
{
	return sure(open(name, O_RDWR | O_CLOEXEC));
}

/* From page first; no name, descriptor or right leads to its file any more. */
static char *window_alone(size_t first)
{
	file_make(NAME, 1, PAGES);
	int fd = open_rw(NAME);
	must(!unlink(NAME));
	become_nobody();
	char *window = window_of(fd, first);
	must(!close(fd));
	return window;
}

/* A window on a new file; all that is left of the file's descriptors is a spare one, which cannot
 * write. */
static char *closed_window(size_t first, int *spare)
{
	file_make(NAME, 1, PAGES);
	int fd = open_rw(NAME);
	char *window = window_of(fd, first);

	*spare = file_open(NAME);
	must(!close(fd));
	return window;
}

/* Several calls, of one page and of more; what they show, and where stores go. spare sees the file.
 */
static void use(char *window, int spare)
{
	char read_back[8];

	for (size_t i = 0; i < 40; i++) {
		size_t slot = i * 5 % (WINDOW - 1), page = i * 11 % (PAGES - 1);
		promise(!remap_file_pages(window + slot * PAGE, (1 + i % 2) * PAGE, 0, page, 0),
			"remap_file_pages: %s", strerror(errno));
		for (size_t k = 0; k < 1 + i % 2; k++)
			promise(page_is(window + (slot + k) * PAGE, 1, page + k),
				"slot %zu does not show page %zu", slot + k, page + k);
	}
	must(!remap_file_pages(window + 3 * PAGE, PAGE, 0, 2, MAP_NONBLOCK));
	memcpy(window + 3 * PAGE, "stored!", 8);
	must(pread(spare, read_back, 8, 2 * PAGE) == 8);
	promise(!memcmp(read_back, "stored!", 8), "the store is not in the file");
	pattern_fill(window + 3 * PAGE, 1, 2);
}

CASE(closed, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	use(window, spare);
}

CASE(unlinked, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	must(!unlink(NAME));
	use(window, spare);
}

CASE(renamed, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	must(!rename(NAME, "emulated.other"));
	use(window, spare);
}

/* What is called so now is another file, with other contents. */
static void replaced(const void *first)
{
	int spare;
	char *window = closed_window(*(const size_t *)first, &spare);

	must(!unlink(NAME));
	file_make(NAME, 9, PAGES);
	use(window, spare);
	view_check(view_make(NAME, PROT_READ, 0, PAGES), 9, 0, PAGES, "the file that came later");
}

CASE(memfd, HOLDS_BARE)
{
	int fd = file_in_memory();
	must(fd >= 0);
	file_fill(fd, 1, 0, PAGES);
	int spare = dup(fd);
	char *window = window_of(fd, 0);
	must(!close(fd));
	use(window, spare);
}

static void segment(void)
{
	struct shmid_ds before, after;
	int id = sure(shmget(IPC_PRIVATE, PAGES * PAGE, IPC_CREAT | 0600));
	char *segment = shmat(id, NULL, 0);
	must(segment != (void *)-1);
	for (size_t i = 0; i < PAGES; i++)
		pattern_fill(segment + i * PAGE, 1, i);
	must(!shmctl(id, IPC_RMID, NULL) && !shmctl(id, IPC_STAT, &before));
	promise(!remap_file_pages(segment + PAGE, PAGE, 0, 7, 0), "remap_file_pages: %s",
		strerror(errno));
	promise(page_is(segment + PAGE, 1, 7), "not page 7");
	must(!munmap(segment, PAGES * PAGE));
	promise(shmctl(id, IPC_STAT, &after) == -1, "the segment is still attached %lu times",
		(unsigned long)after.shm_nattch);
}

/* A segment's number is the inode of its file, and the first has number 0. */
CASE(system_v, HOLDS_BARE)
{
	if (!geteuid())
		must(!unshare(CLONE_NEWIPC));
	segment();
	segment();
}

/* Pages before the first that is mapped, with no descriptor: the window itself does not lead there.
 */
CASE(lower_page, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(20, &spare);

	use(window, spare);
}

/* Another window of the process shows them, and nothing else leads there. */
CASE(lower_page_elsewhere, HOLDS_BARE)
{
	file_make(NAME, 1, PAGES);
	int fd = open_rw(NAME), spare = file_open(NAME);
	char *window = window_of(fd, 20), *other = window_of(fd, 0);
	must(!close(fd) && !unlink(NAME) && other);
	become_nobody();
	use(window, spare);
}

CASE(lower_page_by_path, HOLDS_BARE)
{
	file_make(NAME, 1, PAGES);
	must(!chown(NAME, NOBODY, NOBODY));
	int fd = open_rw(NAME), spare = file_open(NAME);
	become_nobody();
	char *window = window_of(fd, 20);
	must(!close(fd));
	use(window, spare);
}

/* No capability, no name, no descriptor: what cannot be done is not done, and nothing breaks. */
CASE(out_of_reach, HOLDS_BARE)
{
	char *window = window_alone(20);

	printf("%s\n", remap_file_pages(window, PAGE, 0, 1, 0) ? strerrorname_np(errno) : "works");
	view_check(window + PAGE, 1, 21, WINDOW - 1, "the window");
	promise(!remap_file_pages(window, PAGE, 0, 40, 0), "a page behind: %s", strerror(errno));
	promise(page_is(window, 1, 40), "not page 40");
	/* What led to the pages behind still does when no mapping of the program's shows them. */
	must(!remap_file_pages(window, WINDOW * PAGE, 0, 40, 0));
	must(remap_file_pages(window, PAGE, 0, 1, 0) == 0 || errno == ENOSYS || errno == EPERM);
	promise(!remap_file_pages(window, PAGE, 0, 20, 0), "the first page: %s", strerror(errno));
	promise(page_is(window, 1, 20), "not page 20");
}

/* The kernel takes a shared mapping of a descriptor that cannot write for no shared one. */
CASE(read_only_descriptor, HOLDS_BARE)
{
	file_make(NAME, 1, PAGES);
	int fd = file_open(NAME);
	char *window = sure(mmap(NULL, WINDOW * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	promise(remap_file_pages(window, PAGE, 0, 3, 0) == -1 && errno == EINVAL, "no EINVAL");
	fd = open_rw(NAME);
	window = mmap(NULL, WINDOW * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	must(window != MAP_FAILED && !close(fd));
	promise(!remap_file_pages(window, PAGE, 0, 3, 0), "%s", strerror(errno));
	promise(page_is(window, 1, 3), "not page 3");
	promise(!mprotect(window, PAGE, PROT_READ | PROT_WRITE), "cannot be made writable: %s",
		strerror(errno));
}

/* One area of each kind side by side, called in either order. */
CASE(read_only_beside, HOLDS_BARE)
{
	file_make(NAME, 1, PAGES);
	for (int i = 0; i < 8; i++) {
		bool read_only_first = i & 1, swapped = i & 2;
		int protection = i & 4 ? PROT_READ : PROT_READ | PROT_WRITE;
		int fds[2] = { open_rw(NAME), file_open(NAME) };
		char *room =
			mmap(NULL, WINDOW * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(room != MAP_FAILED);
		char *shared = room + (swapped ? 4 : 0) * PAGE;
		char *read_only = room + (swapped ? 0 : 4) * PAGE;
		must(mmap(shared, 4 * PAGE, protection, MAP_SHARED | MAP_FIXED, fds[0], 0) ==
		     shared);
		must(mmap(read_only, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fds[1],
			  20 * PAGE) == read_only);
		must(!close(fds[0]) && !close(fds[1]));
		for (int k = 0; k < 2; k++) {
			if (k == read_only_first) {
				promise(!remap_file_pages(shared + PAGE, PAGE, 0, 30, 0),
					"way %d: shared: %s", i, strerror(errno));
				promise(page_is(shared + PAGE, 1, 30), "way %d: not page 30", i);
			} else {
				promise(remap_file_pages(read_only + PAGE, PAGE, 0, 31, 0) == -1 &&
						errno == EINVAL,
					"way %d: read-only: no EINVAL", i);
				promise(page_is(read_only + PAGE, 1, 21), "way %d: not page 21", i);
			}
		}
		must(!munmap(room, WINDOW * PAGE));
	}
}

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
	char *room = sure(mmap(NULL, WINDOW * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
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

/* A snapshot is no shared mapping to the kernel, whatever page is asked for. */
CASE(over_snapshots, HOLDS_BARE)
{
	static const struct {
		int protection, flags;
	} kinds[] = {
		{ PROT_READ, MAP_PRIVATE },
		{ PROT_READ | PROT_WRITE, MAP_PRIVATE },
		{ PROT_READ, MAP_SHARED },
	};

	file_make(NAME, 1, PAGES);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		int fd = file_open(NAME);
		char *view = mmap(NULL, 4 * PAGE, kinds[i].protection, kinds[i].flags, fd, 0);
		must(view != MAP_FAILED && !close(fd));
		for (size_t page = 1; page < PAGES; page += 30)
			promise(remap_file_pages(view + PAGE, PAGE, 0, page, 0) == -1 &&
					errno == EINVAL,
				"kind %zu, page %zu: no EINVAL: %s", i, page, strerror(errno));
		view_check(view, 1, 0, 4, "the snapshot");
	}
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
		must(mmap(window + i % WINDOW * PAGE, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, fd, (off_t)(i * 7 % PAGES * PAGE)) != MAP_FAILED);
	after = count_lines("/proc/self/maps", NAME);
	promise(after <= before + WINDOW, "%u areas of the file, then %u", before, after);
	must(!munmap(window, WINDOW * PAGE));
	promise(!count_lines("/proc/self/maps", NAME), "the file is still mapped");
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
		must(!pthread_create(&actors[i].thread, NULL, act, &actors[i]));
	}
	for (size_t i = 0; i < COUNT(actors); i++)
		must(!pthread_join(actors[i].thread, NULL));
	promise(!count_lines("/proc/self/maps", NAME), "the file is still mapped");
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
	must(!pthread_create(&reader, NULL, read_on, &reading));
	for (size_t i = 0; i < 20000; i++)
		must(!remap_file_pages(window + PAGE, PAGE, 0, i % 2 ? 4 : 9, MAP_NONBLOCK));
	atomic_store(&reading.over, true);
	must(!pthread_join(reader, NULL));
}

static void limit_locks(rlim_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	must(!setrlimit(RLIMIT_MEMLOCK, &limit));
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
	limit_locks(WINDOW * PAGE);
	must(!remap_file_pages(window, PAGE, 0, 50, 0) || errno == EAGAIN);
	promise(remap_file_pages(window, PAGE, 0, 51, 0) == -1 && errno == EAGAIN, "no EAGAIN");
	limit_locks(0);
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

static void limit_address_space(rlim_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	must(!setrlimit(RLIMIT_AS, &limit));
}

CASE(address_space_limit_later, HOLDS_BARE)
{
	int fd;
	char *window = sparse_window(&fd);

	limit_address_space(200UL << 20);
	promise(mmap(NULL, 32UL << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED,
		"no address space is left");
	promise(!remap_file_pages(window, PAGE, 0, 3, 0), "%s", strerror(errno));
}

/* No store can be made to it, and yet to the kernel it is a shared mapping. */
CASE(sealed, HOLDS_BARE)
{
	int fd = memfd_create(NAME, MFD_ALLOW_SEALING);
	if (fd < 0)
		skip("no memfd_create before Linux 3.17");
	file_fill(fd, 1, 0, PAGES);
	must(!fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) || errno == EINVAL); /* before 5.1 */
	char *window = sure(mmap(NULL, WINDOW * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	promise(!remap_file_pages(window, PAGE, 0, 30, 0), "%s", strerror(errno));
	promise(page_is(window, 1, 30), "not page 30");
}

static void file_must_be_gone(void)
{
	promise(!count_lines("/proc/self/maps", NAME), "the file is still mapped");
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
		file_must_be_gone();
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
	must(!pthread_create(&thread, NULL, remap_on, &remapping));
	for (int i = 0; i < 100; i++) {
		IN_CHILD {
			must(!munmap(remapping.window, WINDOW * PAGE));
			file_must_be_gone();
		}
	}
	atomic_store(&remapping.over, true);
	must(!pthread_join(thread, NULL));
}

/* No huge page is taken for it, and none is kept. */
CASE(huge, HOLDS_BARE)
{
	size_t page = 2UL << 20;
	int fd = memfd_create(NAME, MFD_HUGETLB);
	char *window = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)(4 * page)))
		window = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)page);
	if (window == MAP_FAILED) {
		printf("no huge pages\n");
		return;
	}
	promise(count_lines("/proc/self/maps", NAME) == 1, "another mapping of huge pages");
	promise(!remap_file_pages(window, page, 0, 0, 0), "%s", strerror(errno));
	must(!munmap(window, page));
	file_must_be_gone();
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
	char *window = mmap(NULL, 2 * MANY * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(window != MAP_FAILED && !close(fd));
	for (size_t i = 0; i < MANY; i++)
		must(!remap_file_pages(window + 2 * i * PAGE, PAGE, 0, i * 7 % PAGES,
				       MAP_NONBLOCK));
	unsigned long before = bytes_read();
	for (size_t i = 2 * MANY; i-- > 0;)
		must(!munmap(window + i * PAGE, PAGE));
	promise(bytes_read() - before < 2UL * MANY * 20000, "%lu bytes of maps were read",
		bytes_read() - before);
	file_must_be_gone();
}

static char *subvolume_window(const char *name, int generation)
{
	struct btrfs_ioctl_vol_args args = { .fd = 0 };
	char path[64];
	int here = sure(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	strcpy(args.name, name);
	must(!ioctl(here, BTRFS_IOC_SUBVOL_CREATE, &args) && !close(here));
	snprintf(path, sizeof(path), "%s/" NAME, name);
	file_make(path, (unsigned int)generation, PAGES);
	int fd = open_rw(path);
	char *window = window_of(fd, 0);
	must(!close(fd));
	return window;
}

/* Two files that maps tells apart by their names alone. */
CASE(subvolumes, HOLDS_BARE)
{
	char *one = subvolume_window("one", 1), *two = subvolume_window("two", 2);

	for (size_t i = 0; i < 3; i++) {
		must(!remap_file_pages(one + i * PAGE, PAGE, 0, 9, 0));
		must(!remap_file_pages(two + i * PAGE, PAGE, 0, 9, 0));
		promise(page_is(one + i * PAGE, 1, 9), "not page 9 of the first file");
		promise(page_is(two + i * PAGE, 2, 9), "not page 9 of the second file");
	}
	must(!munmap(one, WINDOW * PAGE));
	promise(!count_lines("/proc/self/maps", "one/" NAME), "the first is still mapped");
	must(!remap_file_pages(two, PAGE, 0, 11, 0));
	promise(page_is(two, 2, 11), "not page 11 of the second file");
}

/* The mapping that windows come from is larger than the limit would allow. */
CASE(address_space_limit, HOLDS_BARE)
{
	int spare;
	char *window = closed_window(0, &spare);

	limit_address_space(1UL << 29);
	use(window, spare);
	promise(count_lines("/proc/self/maps", NAME) <= WINDOW, "a mapping of ours stays");
}

CASE(far_page, HOLDS_BARE)
{
	size_t far = (size_t)1 << (sizeof(size_t) == 8 ? 33 : 25);

	int fd = file_in_memory(), spare;
	must(fd >= 0);
	must(ftruncate(fd, sizeof(off_t) == 8 ? (off_t)((uint64_t)(far + 2) * PAGE) : 1 << 30) ==
	     0);
	spare = dup(fd);
	char *window = window_of(fd, 0);
	must(!close(fd));
	promise(!remap_file_pages(window, PAGE, 0, far + 1, 0), "%s", strerror(errno));
	if (sizeof(off_t) < 8)
		return;
	memcpy(window, "distant", 8);
	char read_back[8];
	must(pread(spare, read_back, 8, (off_t)((uint64_t)(far + 1) * PAGE)) == 8);
	promise(!memcmp(read_back, "distant", 8), "another page");
}

static const size_t from_the_start = 0, from_twenty = 20;

CASE_OF("replaced", replaced, &from_the_start, HOLDS_BARE)
CASE_OF("lower_page_replaced", replaced, &from_twenty, HOLDS_BARE)

CASES_MAIN
