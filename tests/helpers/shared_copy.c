/* SPDX-License-Identifier: MIT */
/*
 * S13: what processes that descend from one cost together: one copy of each version of a file, and
 * one budget.
 */
#include "helper.h"

#define FILE_NAME "shared_copy.data"
#define OTHER	  "shared_copy.other"
#define CHILDREN  8
#define PAGES	  64

static char *view, *view_again;
static struct other children[CHILDREN];

/* The first time one sees what was, and maps what is; then both. */
static void check_and_map(const void *unused)
{
	static unsigned int round;

	view_check(view, 1, 0, PAGES, "a process of the family");
	if (round++ == 0)
		view_again = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	else
		view_check(view_again, 2, 0, PAGES, "a process of the family, of the second");
}

static void everybody(void)
{
	for (size_t i = 0; i < CHILDREN; i++)
		other_go(&children[i]);
	check_and_map(NULL);
}

CASE(one_for_all)
{
	file_make(FILE_NAME, 1, PAGES);
	view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	for (size_t i = 0; i < CHILDREN; i++)
		children[i] = other_start(check_and_map, NULL);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	everybody();
	file_overwrite(FILE_NAME, 3, 0, PAGES);
	everybody();
	must(munmap(view, PAGES * PAGE) == 0 && munmap(view_again, PAGES * PAGE) == 0);
}

/* Each wants another part. */
static void check_part(const void *part)
{
	size_t first = *(const size_t *)part;

	view_check(view + first * PAGE, 1, first, PAGES / 2, "a process with a part");
}

static void unmap_half(const void *part)
{
	static bool done;
	size_t other = PAGES / 2 - *(const size_t *)part;

	if (!done)
		must(munmap(view + other * PAGE, PAGES / 2 * PAGE) == 0);
	else
		check_part(part);
	done = true;
}

PROMISE_WIDTHS(S13, parts_that_differ)
{
	static const size_t parts[2] = { 0, PAGES / 2 };

	file_make(FILE_NAME, 1, PAGES);
	view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	for (size_t i = 0; i < 2; i++) {
		children[i] = other_start(unmap_half, &parts[i]);
		other_go(&children[i]);
	}
	must(munmap(view, PAGES * PAGE) == 0);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	other_go(&children[0]);
	other_go(&children[1]);
}

/* Writable, and so copied at once; what is stored there is nobody else's. */
static void map_and_store(const void *generation)
{
	char *mine = view_make(FILE_NAME, RW, 0, PAGES);

	view_check(mine, *(const unsigned int *)generation, 0, PAGES, "who maps what another has");
	memset(mine, 'x', PAGE);
	mine = view_make(FILE_NAME, RW, 0, PAGES);
	view_check(mine, *(const unsigned int *)generation, 0, PAGES, "who maps it again");
	view_again = mine;
}

static void map_both(const void *generation)
{
	static unsigned int first = 1;

	map_and_store(first == 1 ? &first : generation);
	first = 2;
}

/* Each after the other: the copy is there as long as one of them shows it. */
CASE(one_version, HOLDS_BARE)
{
	static const unsigned int generations[] = { 1, 2 };

	file_make(FILE_NAME, 1, PAGES);
	file_settle(FILE_NAME);
	map_and_store(&generations[0]);
	for (size_t i = 0; i < CHILDREN; i++) {
		children[i] = other_start(map_both, &generations[1]);
		other_go(&children[i]);
	}
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	file_settle(FILE_NAME);
	map_and_store(&generations[1]);
	for (size_t i = 0; i < CHILDREN; i++)
		other_go(&children[i]);
}

/* The copy of a file that nobody shows any more is gone; another's has its number, and where it is
 * a file the inode too. */
CASE(copy_that_is_gone, HOLDS_BARE)
{
	file_make(FILE_NAME, 1, PAGES);
	file_make(OTHER, 2, PAGES);
	file_settle(OTHER);
	view = view_make(FILE_NAME, RW, 0, PAGES);
	must(munmap(view, PAGES * PAGE) == 0);
	view_again = view_make(OTHER, RW, 0, PAGES);
	view = view_make(FILE_NAME, RW, 0, PAGES);
	view_check(view, 1, 0, PAGES, "who maps a file again");
	view_check(view_again, 2, 0, PAGES, "who maps the other one");
}

static void map_and_expect(char first)
{
	char *mine = view_make(FILE_NAME, RW, 0, PAGES);

	promise(mine[0] == first, "a mapping begins with %d, the file with %d", mine[0], first);
	must(mine[PAGES * PAGE - 1] && munmap(view, PAGES * PAGE) == 0);
	view = mine;
}

/* Stores that change no time of a file on tmpfs: the page was read through the mapping before. The
 * writer is there first, then it comes and goes. */
CASE(stores_without_a_time, HOLDS_BARE)
{
	file_make(FILE_NAME, 1, PAGES);
	file_settle(FILE_NAME);
	view = view_make(FILE_NAME, RW, 0, PAGES);
	for (char letter = 'a'; letter <= 'c'; letter++) {
		int fd = open(FILE_NAME, O_RDWR);
		char *shared = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
		must(shared != MAP_FAILED && close(fd) == 0);
		map_and_expect(*(volatile char *)shared);
		*shared = letter;
		map_and_expect(letter);
		*shared = letter - 'a' + 'A';
		must(munmap(shared, PAGE) == 0);
		map_and_expect(letter - 'a' + 'A');
	}
}

/* What another program of the family has mapped already, maybe. */
CASE(map_once, HOLDS_BARE)
{
	static const unsigned int generation = 1;

	if (access(FILE_NAME, F_OK)) {
		file_make(FILE_NAME, 1, PAGES);
		file_settle(FILE_NAME);
	}
	map_and_store(&generation);
}

static void map_in_another_program(void)
{
	pid_t child = sure(fork());
	if (!child) {
		execl("/proc/self/exe", "shared_copy", "map_once", NULL);
		die("exec");
	}
	child_wait(child);
}

CASE(other_programs, HOLDS_BARE)
{
	map_once(NULL);
	for (size_t i = 0; i < CHILDREN; i++)
		map_in_another_program();
}

/* A table that is none: it is not written to, and nobody dies of it. */
static void map_once_by(int table, off_t bytes)
{
	char where[64];
	struct stat before, after;

	must(table >= 0 && ftruncate(table, bytes) == 0 && fstat(table, &before) == 0);
	snprintf(where, sizeof(where), "%d/%d/%ju", getpid(), table, (uintmax_t)before.st_ino);
	must(setenv("MMFENCE_FAMILY", where, 1) == 0);
	map_in_another_program();
	must(fstat(table, &after) == 0 && close(table) == 0);
	promise(after.st_size == before.st_size && after.st_blocks == before.st_blocks,
		"what is no table was written to");
}

PROMISE_WIDTHS(P1, table_that_is_none, HOLDS_BARE)
{
	map_once_by(memfd_create("short", MFD_CLOEXEC), 1);
	map_once_by(memfd_create("long", MFD_CLOEXEC), 1 << 20);
	map_once_by(open(OTHER, O_RDWR | O_CREAT | O_CLOEXEC, 0600), 0);
	map_once_by(open(OTHER, O_RDWR | O_CREAT | O_CLOEXEC, 0600), 1 << 20);
}

/* A child's copy uses up what all have; when it is gone, so is its charge. */
static void map_and_overwrite(const void *unused)
{
	view = view_make(OTHER, PROT_READ, 0, PAGES);
	file_overwrite(OTHER, 2, 0, PAGES);
	view_check(view, 1, 0, PAGES, "the child");
}

CASE(one_budget)
{
	/* The parent has a place in the table when it forks. */
	file_make(OTHER, 1, PAGES);
	map_and_overwrite(NULL);
	must(munmap(view, PAGES * PAGE) == 0);
	file_make(FILE_NAME, 1, PAGES);
	file_make(OTHER, 1, PAGES);
	view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	struct other child = other_start(map_and_overwrite, NULL);
	other_go(&child);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	promise(page_is(view, 2, 0), "the parent has a copy, beyond what the family may have");
	must(kill(child.pid, SIGKILL) == 0 && waitpid(child.pid, NULL, 0) == child.pid);
	view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	file_overwrite(FILE_NAME, 3, 0, PAGES);
	view_check(view, 2, 0, PAGES, "the parent, after its child");
}

/* --- S13: a cgroup in which next to nothing is left --- */

#define CGROUP_MIB  64
#define LEFT_MIB    8
#define SMALL_FILES 96 /* of PAGES each */

static bool text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		must(close(fd) == 0);
	return done;
}

/* "...:memory:/path" of the first kind of cgroups, "0::/path" of the second. */
static bool cgroup_find(char *group)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[2048], *path = NULL;

	must(file);
	while (!path && fgets(line, sizeof(line), file)) {
		path = strstr(line, ":memory:");
		line[strcspn(line, "\n")] = 0;
	}
	must(fclose(file) == 0);
	snprintf(group, PATH_MAX, "/sys/fs/cgroup/memory%s/mmfence-test.%d",
		 path ? path + strlen(":memory:") : "", getpid());
	return path;
}

static void cgroup_make(char *group)
{
	char path[PATH_MAX + 32];

	if (!cgroup_find(group) || mkdir(group, 0755))
		skip("no cgroup of memory can be made here (root, version 1)");
	snprintf(path, sizeof(path), "%s/memory.limit_in_bytes", group);
	must(text_write(path, "64M"));
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	must(text_write(path, "0"));
}

static const char *small_name(int number)
{
	static char name[32];

	snprintf(name, sizeof(name), "small.%d", number);
	return name;
}

static _Noreturn void fill_and_map(void)
{
	size_t bytes = (CGROUP_MIB - LEFT_MIB) * 1048576;

	view_make(small_name(0), RW, 0, PAGES);
	char *filled = mmap(NULL, bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(filled != MAP_FAILED);
	memset(filled, 1, bytes);
	for (int i = 1; i < SMALL_FILES; i++)
		view_make(small_name(i), RW, 0, PAGES);
	exit(0);
}

CASE(small_copies, HOLDS_BARE)
{
	char group[PATH_MAX], up[PATH_MAX + 32];

	for (int i = 0; i < SMALL_FILES; i++)
		file_make(small_name(i), 1, PAGES);
	sync();
	cgroup_make(group);
	pid_t child = sure(fork());
	if (!child)
		fill_and_map();
	int status;
	must(waitpid(child, &status, 0) == child);
	snprintf(up, sizeof(up), "%s/../cgroup.procs", group);
	must(text_write(up, "0") && rmdir(group) == 0);
	promise(!WIFSIGNALED(status), "killed by signal %d", WTERMSIG(status));
	must(status == 0);
}

CASES_MAIN
