/* SPDX-License-Identifier: MIT */
/*
 * N2: windows whose remap_file_pages is emulated, whatever became of the descriptor and of
 * the name: the right pages, and stores that arrive in the file.
 */
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "emulated.h"

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
	promise(!mprotect(window, PAGE, RW), "cannot be made writable: %s", strerror(errno));
}

/* One area of each kind side by side, called in either order. */
CASE(read_only_beside, HOLDS_BARE)
{
	file_make(NAME, 1, PAGES);
	for (int i = 0; i < 8; i++) {
		bool read_only_first = i & 1, swapped = i & 2;
		int protection = i & 4 ? PROT_READ : RW;
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

/* A snapshot is no shared mapping to the kernel, whatever page is asked for. */
CASE(over_snapshots, HOLDS_BARE)
{
	static const struct {
		int protection, flags;
	} kinds[] = {
		{ PROT_READ, MAP_PRIVATE },
		{ RW, MAP_PRIVATE },
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

CASE(far_page, HOLDS_BARE)
{
	size_t far = (size_t)1 << (sizeof(size_t) == 8 ? 33 : 25);

	int fd = file_in_memory(), spare;
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

CASE_OF("replaced", replaced, AS(size_t, 0), HOLDS_BARE)
CASE_OF("lower_page_replaced", replaced, AS(size_t, 20), HOLDS_BARE)

CASES_MAIN
