/* SPDX-License-Identifier: MIT */
/*
 * One scenario, in which the n-th call that the library makes for itself fails, or it and all
 * after it:
 *
 *	failing SCENARIO N [onward]
 *	failing SCENARIO N warm		not the first time: no more memory of ours is left behind
 *	failing SCENARIO balanced	the same, again and again, and nothing fails
 *
 * The program checks what it sees: each byte is the captured one, its own, or (then it says
 * "changed") what others wrote later; descriptors are where they were. It says "fired" when a call
 * did fail. A call of its own may fail as the kernel's do; then the scenario is over.
 */

#include "control.h"
#include "views.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#define NAME  "data"
#define PAGES 8UL

static struct fault_page *page;
static unsigned long changed;
static char **arguments;
static int spare = -1; /* closed when the scenario is over */
static struct {
	void *at;
	size_t length;
} mapped[4];

static void arm(void)
{
	atomic_store(&page->kinds, ~0U);
}

/* What it is about is over: the checks themselves go undisturbed. */
static void disarm(void)
{
	atomic_store(&page->kinds, 0);
}

/* The program's own call: the kernel may be out of what it wants. False: it was. */
static bool got(bool condition, int error)
{
	if (condition)
		return true;
	promise(error == ENOMEM || error == EMFILE || error == EAGAIN || error == ENODEV,
		"a call failed with %s", strerrorname_np(error));
	return false;
}

#define DONE_UNLESS(condition)             \
	do {                               \
		bool holds_ = (condition); \
		if (!got(holds_, errno))   \
			return;            \
	} while (0)

static char *map_pages(int prot, int flags, size_t first, size_t pages)
{
	int fd = file_open(NAME);
	char *view = mmap(NULL, pages * PAGE, prot, flags, fd, (off_t)(first * PAGE));
	int error = errno;

	must(!close(fd));
	for (size_t i = 0; view != MAP_FAILED && i < COUNT(mapped); i++)
		if (!mapped[i].at) {
			mapped[i].at = view;
			mapped[i].length = pages * PAGE;
			break;
		}
	errno = error;
	return view;
}

/* Generation 1 was captured, 2 was written later. */
static void check(const volatile char *view, size_t first, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		if (page_is(view + i * PAGE, 1, first + i))
			continue;
		promise(page_is(view + i * PAGE, 2, first + i),
			"page %zu shows bytes of neither version", first + i);
		changed++;
	}
}

static size_t file_pages;

static void overwrite(const void *unused)
{
	file_overwrite(NAME, 2, 0, file_pages);
}

/* It has no part in what fails. */
static struct other writer(size_t pages)
{
	file_pages = pages;
	file_make(NAME, 1, pages);
	return other_start(overwrite, NULL);
}

/* ---- scenarios ---- */

/* Somebody who will write, and a mapping made while calls fail; it is over when they are gone. */
#define SCENE(view, pages, ...)              \
	struct other other = writer(pages);  \
	arm();                               \
	char *view = map_pages(__VA_ARGS__); \
	DONE_UNLESS(view != MAP_FAILED)
#define SCENE_ENDS(view, length)            \
	DONE_UNLESS(!munmap(view, length)); \
	disarm();                           \
	other_end(&other)

static void guarded_break(void)
{
	SCENE(view, PAGES, PROT_READ, MAP_PRIVATE, 0, PAGES);
	check(view, 0, PAGES);
	other_go(&other);
	check(view, 0, PAGES);
	SCENE_ENDS(view, PAGES * PAGE);
}

static void writable(void)
{
	SCENE(view, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, PAGES);
	pattern_fill(view, 7, 0);
	other_go(&other);
	promise(page_is(view, 7, 0), "a store of the program's own is gone");
	check(view + PAGE, 1, PAGES - 1);
	SCENE_ENDS(view, PAGES * PAGE);
}

/* Guarded, then stored to, then written to by others. */
static void made_writable(void)
{
	SCENE(view, PAGES, PROT_READ, MAP_PRIVATE, 0, PAGES);
	DONE_UNLESS(!mprotect(view, 2 * PAGE, PROT_READ | PROT_WRITE));
	pattern_fill(view + PAGE, 7, 0);
	other_go(&other);
	promise(page_is(view + PAGE, 7, 0), "a store of the program's own is gone");
	check(view, 0, 1);
	check(view + 2 * PAGE, 2, PAGES - 2);
	SCENE_ENDS(view, PAGES * PAGE);
}

static void shared(void)
{
	SCENE(view, PAGES, PROT_READ, MAP_SHARED, 0, PAGES);
	other_go(&other);
	check(view, 0, PAGES);
	promise(mprotect(view, PAGE, PROT_READ | PROT_WRITE) &&
			(errno == EACCES || errno == ENOMEM),
		"a shared snapshot could be made writable");
	SCENE_ENDS(view, PAGES * PAGE);
}

static void forked(bool by_hand)
{
	struct other other = writer(PAGES);
	struct gate written = gate_make();

	arm();
	char *view = map_pages(PROT_READ, MAP_PRIVATE, 0, PAGES);
	DONE_UNLESS(view != MAP_FAILED);
	pid_t pid = by_hand ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
	DONE_UNLESS(pid >= 0);
	if (!pid) {
		gate_wait(&written);
		check(view, 0, PAGES);
		/* Its page of the log's is its own: the number goes out as the status. */
		_exit(changed ? 3 : 0);
	}
	other_go(&other);
	check(view, 0, PAGES);
	gate_open(&written);
	int status;
	must(waitpid(pid, &status, 0) == pid);
	promise(!WIFSIGNALED(status), "the child was killed by signal %d", WTERMSIG(status));
	promise(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3, "the child ended with %d",
		WEXITSTATUS(status));
	changed += WEXITSTATUS(status) == 3;
	SCENE_ENDS(view, PAGES * PAGE);
	must(!close(written.in) && !close(written.out));
}

static void fork_guards(void)
{
	forked(false);
}

static void raw_clone(void)
{
	forked(true);
}

/* Many files, so that a fork hands over several messages. */
#define FILES 20

static void many_files(void)
{
	char names[FILES][16], *views[FILES];
	int status;

	for (int i = 0; i < FILES; i++) {
		snprintf(names[i], sizeof(names[i]), "file%d", i);
		file_make(names[i], 1, 1);
	}
	arm();
	for (int i = 0; i < FILES; i++) {
		int fd = file_open(names[i]);
		views[i] = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
		int error = errno;
		must(!close(fd));
		errno = error;
		DONE_UNLESS(views[i] != MAP_FAILED);
	}
	pid_t pid = fork();
	DONE_UNLESS(pid >= 0);
	if (!pid) {
		for (int i = 0; i < FILES; i++)
			check(views[i], 0, 1);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	promise(!status, "the child ended with status %#x", (unsigned int)status);
	for (int i = 0; i < FILES; i++)
		file_overwrite(names[i], 2, 0, 1);
	for (int i = 0; i < FILES; i++)
		check(views[i], 0, 1);
	for (int i = 0; i < FILES; i++)
		DONE_UNLESS(!munmap(views[i], PAGE));
}

/* Large enough to be copied beside the lease thread. */
#define LARGE (36UL << 20)

static void large_break(void)
{
	SCENE(view, LARGE / PAGE, PROT_READ, MAP_PRIVATE, 0, LARGE / PAGE);
	other_go(&other);
	check(view, 0, LARGE / PAGE);
	SCENE_ENDS(view, LARGE);
}

static void drift(void)
{
	SCENE(view, PAGES, PROT_READ, MAP_PRIVATE, 0, PAGES);
	other_go(&other);
	check(view, 0, PAGES);
	DONE_UNLESS(!munmap(view + PAGE, (PAGES - 1) * PAGE));
	SCENE_ENDS(view, PAGE);
}

/* Pieces are cut, moved, doubled and grow. */
static void index_growth(void)
{
	struct other other = writer(4 * PAGES);
	char *views[PAGES];

	arm();
	char *view = map_pages(PROT_READ, MAP_PRIVATE, 0, 4 * PAGES);
	DONE_UNLESS(view != MAP_FAILED);
	for (size_t i = 1; i < 2 * PAGES; i += 2)
		DONE_UNLESS(!munmap(view + i * PAGE, PAGE));
	for (size_t i = 0; i < PAGES; i++) {
		views[i] = map_pages(PROT_READ, MAP_PRIVATE, i, 1);
		DONE_UNLESS(views[i] != MAP_FAILED);
		void *grown = mremap(views[i], PAGE, 2 * PAGE, MREMAP_MAYMOVE);
		DONE_UNLESS(grown != MAP_FAILED);
		views[i] = grown;
	}
	other_go(&other);
	for (size_t i = 0; i < 2 * PAGES; i += 2)
		check(view + i * PAGE, i, 1);
	for (size_t i = 0; i < PAGES; i++)
		check(views[i], i, 2);
	check(view + 2 * PAGES * PAGE, 2 * PAGES, 2 * PAGES);
	disarm();
	other_end(&other);
}

/* Snapshots that are one area to the kernel are shown once more. */
static void doubled(void)
{
	struct other other = writer(PAGES);
	int fd = file_open(NAME);

	spare = fd;
	arm();
	char *view = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	DONE_UNLESS(view != MAP_FAILED);
	for (size_t i = 1; i < PAGES; i++) {
		void *part = mmap(view + i * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
				  (off_t)(i * PAGE));
		DONE_UNLESS(part != MAP_FAILED);
	}
	char *second = mremap(view, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	/* Before 5.13 not for mappings of files; and what was copied is another area. */
	if (second == MAP_FAILED && errno != EINVAL && errno != EFAULT)
		DONE_UNLESS(false);
	other_go(&other);
	check(view, 0, PAGES);
	if (second != MAP_FAILED)
		check(second, 0, PAGES);
	disarm();
	other_end(&other);
}

/* What is mapped over something of ours. */
static void covered(void)
{
	SCENE(view, PAGES, PROT_READ, MAP_PRIVATE, 0, PAGES);
	char *over = mmap(view + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	DONE_UNLESS(over != MAP_FAILED);
	pattern_fill(over, 7, 0);
	other_go(&other);
	check(view, 0, 2);
	promise(page_is(over, 7, 0),
		"what was mapped over a snapshot is not what the program stored");
	check(view + 3 * PAGE, 3, PAGES - 3);
	disarm();
	other_end(&other);
}

/* nonlinear.emulate=always */
static void remap(void)
{
	file_make(NAME, 1, 4 * PAGES);
	int fd = sure(open(NAME, O_RDWR | O_CLOEXEC));

	arm();
	char *view = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int error = errno;
	must(!close(fd));
	errno = error;
	DONE_UNLESS(view != MAP_FAILED);
	size_t shows[PAGES];
	for (size_t i = 0; i < PAGES; i++)
		shows[i] = i;
	for (size_t i = 0; i < 3 * PAGES; i++) {
		size_t slot = i * 5 % PAGES, wanted = i * 7 % (4 * PAGES);
		if (!remap_file_pages(view + slot * PAGE, PAGE, 0, wanted, 0))
			shows[slot] = wanted;
		else /* "nonlinear.emulate": what cannot be done has the kernel's answers */
			promise(errno == ENOMEM || errno == ENOSYS || errno == EINVAL,
				"remap_file_pages: %s", strerrorname_np(errno));
	}
	for (size_t i = 0; i < PAGES; i++)
		promise(page_is(view + i * PAGE, 1, shows[i]),
			"a call said that slot %zu shows page %zu: it does not", i, shows[i]);
	DONE_UNLESS(!munmap(view, PAGES * PAGE));
}

/* selfmem.map=emulate */
static void alias(void)
{
	char *source = anonymous(4 * PAGE);

	fill_pages(source, 3, 4);
	arm();
	char *view = view_try(NULL, source, 4 * PAGE, RW, MAP_SHARED);
	DONE_UNLESS(view != MAP_FAILED);
	char *second = view_try(NULL, source + PAGE, 2 * PAGE, RW, MAP_SHARED);
	for (size_t i = 0; i < 4; i++)
		promise(page_is(source + i * PAGE, 3, i) && page_is(view + i * PAGE, 3, i),
			"page %zu of what was given a view changed", i);
	must_be_coherent(source, view, 4 * PAGE, "alias");
	if (second != MAP_FAILED)
		must_be_coherent(source + PAGE, second, 2 * PAGE, "second alias");
	if (!mlock(source, PAGE) && !madvise(source, PAGE, MADV_DONTNEED_LOCKED))
		promise(page_is_zero(source) && page_is_zero(view), "given up, and not zero");
	pid_t pid = fork();
	DONE_UNLESS(pid >= 0);
	if (!pid) {
		must_be_coherent(source, view, 4 * PAGE, "alias in a child");
		_exit(0);
	}
	child_wait(pid);
	must_be_coherent(source, view, 4 * PAGE, "alias after fork");
	DONE_UNLESS(!munmap(view, 4 * PAGE));
	DONE_UNLESS(second == MAP_FAILED || !munmap(second, 2 * PAGE));
	DONE_UNLESS(!munmap(source, 4 * PAGE));
}

/* selfmem.fork=split: what cannot be copied the child shares, and the log says so. */
static void split(void)
{
	volatile char *source = anonymous(2 * PAGE);

	source[1] = 5;
	arm();
	volatile char *view = view_try(NULL, source, 2 * PAGE, RW, MAP_SHARED);
	DONE_UNLESS(view != MAP_FAILED);
	pid_t pid = fork();
	DONE_UNLESS(pid >= 0);
	if (!pid) {
		promise(source[1] == 5 && view[1] == 5, "the child does not see what was there");
		source[0] = 1;
		_exit(view[0] ? 0 : 3); /* one was replaced, and the other could not be */
	}
	int status;
	must(waitpid(pid, &status, 0) == pid);
	promise(!status || WEXITSTATUS(status) == 3, "the child ended with %#x",
		(unsigned int)status);
	changed += source[0] || status;
	must_be_coherent(source, view, 2 * PAGE, "alias after fork");
	DONE_UNLESS(!munmap((void *)view, 2 * PAGE) && !munmap((void *)source, 2 * PAGE));
}

#define CUTS 40

/* Every other page of a view goes, and the list of what is left has no room for so many parts: what
 * the program then gives up is zeros all the same. */
static void cut_views(void)
{
	char *source = anonymous(2 * CUTS * PAGE), *others = anonymous(2 * CUTS * PAGE);

	fill_pages(source, 3, 2 * CUTS);
	char *view = view_of(source, 2 * CUTS * PAGE);
	for (size_t i = 1; i < 2 * CUTS; i += 2) {
		must(mremap(others + i * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    source + i * PAGE) == source + i * PAGE);
		atomic_store(&page->kinds, 1U << 0); /* FAULT_ARENA */
	}
	disarm();
	must(!madvise(source, 2 * CUTS * PAGE, MADV_DONTNEED));
	for (size_t i = 0; i < 2 * CUTS; i++)
		promise(page_is_zero(source + i * PAGE), "page %zu was given up, and is not zero",
			i);
	promise(page_is(view + PAGE, 3, 1), "page 1 was not given up in the view");
}

static void log_lost(void)
{
	SCENE(view, PAGES, PROT_READ, MAP_PRIVATE, 0, PAGES);
	/* What is written next goes nowhere, then to a new file of that name. */
	must(!rename("../log.jsonl", "../log.old"));
	other_go(&other);
	check(view, 0, PAGES);
	SCENE_ENDS(view, PAGES * PAGE);
}

static void executed(void)
{
	char *const environment[] = { getenv("FENCE_TEST_PAGE") - strlen("FENCE_TEST_PAGE="),
				      NULL };
	char *const again[] = { arguments[0], (char *)"after_exec", arguments[2], arguments[3],
				NULL };
	SCENE(view, PAGES, PROT_READ, MAP_PRIVATE, 0, PAGES);
	other_go(&other);
	check(view, 0, PAGES);
	if (changed)
		printf("changed %lu\n", changed);
	fflush(stdout);
	other_end(&other);
	execve("/proc/self/exe", again, environment);
	DONE_UNLESS(false);
}

static void after_exec(void)
{
	struct other other = writer(PAGES);

	char *view = map_pages(PROT_READ, MAP_PRIVATE, 0, PAGES);
	DONE_UNLESS(view != MAP_FAILED);
	other_go(&other);
	check(view, 0, PAGES);
	disarm();
	other_end(&other);
}

/* ---- what is left ---- */

/* In the program's own table: but for the log, the library's list of areas, and
 * the pipes of processes that it ended early. */
static size_t descriptors(void)
{
	char path[PATH_MAX];
	DIR *table = opendir("/proc/self/fd");
	size_t count = 0;

	must(table);
	for (struct dirent *fd; (fd = readdir(table));) {
		ssize_t length = readlinkat(dirfd(table), fd->d_name, path, sizeof(path) - 1);
		if (length < 0)
			continue;
		path[length] = 0;
		count += !strstr(path, "log.jsonl") && !strstr(path, "log.old") &&
			 !strstr(path, "pipe:") && !strstr(path, "socket:") &&
			 !strstr(path, "/maps");
	}
	closedir(table);
	return count;
}

/* Nothing of a file is open any more, in no thread's table, once all its snapshots are gone. What
 * is not given back is waited for in vain. */
static void wait_until_closed(void)
{
	for (size_t i = 0; i < COUNT(mapped); i++)
		if (mapped[i].at)
			must(!munmap(mapped[i].at, mapped[i].length));
	memset(mapped, 0, sizeof(mapped));
	wait_until((access(NAME, F_OK) || !process_has_open(NAME)) &&
		   !any_thread_has_open("/memfd:mmfence"));
}

/* Whatever becomes of the records. */
static void records(void)
{
	atomic_store(&page->kinds, 1U << 6); /* FAULT_SHORT */
	for (int i = 0; i < 5; i++) {
		int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
		must(fd >= 0 && !close(fd));
	}
}

static const struct {
	const char *name;
	void (*run)(void);
	bool lists_all; /* what it mapped is in mapped[] */
} scenarios[] = {
	{ "guarded_break", guarded_break, true },
	{ "writable", writable, true },
	{ "made_writable", made_writable, true },
	{ "shared", shared, true },
	{ "fork_guards", fork_guards, true },
	{ "raw_clone", raw_clone, true },
	{ "many_files", many_files, false },
	{ "large_break", large_break, true },
	{ "drift", drift, true },
	{ "index_growth", index_growth, false },
	{ "doubled", doubled, false },
	{ "covered", covered, true },
	{ "remap", remap, false },
	{ "alias", alias, false },
	{ "split", split, false },
	{ "cut_views", cut_views, false },
	{ "log_lost", log_lost, true },
	{ "records", records, false },
	{ "executed", executed, false },
	{ "after_exec", after_exec, true },
};

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The first rounds make what is kept: call sites, the lease thread. What a later one does not give
 * back is waited for in vain. Where a call fails, it does so in several, until all is kept that is
 * kept of that: spare nodes of the index, for one. */
static void is_balanced(void (*scenario)(void), unsigned long fails)
{
	size_t bytes = 0, kept = 0;
	const int first = 4, rounds = 9;

	for (int round = 0; round < rounds; round++) {
		atomic_store(&page->count, 0);
		atomic_store(&page->first, fails && round >= first ? fails : ULONG_MAX);
		scenario();
		disarm();
		wait_until_closed();
		if (round < (fails ? rounds - 1 : first)) {
			bytes = larger(bytes, page->in_use());
			kept = larger(kept, count_lines("/proc/self/maps", "-"));
		}
		wait_until(page->in_use() <= bytes && count_lines("/proc/self/maps", "-") <= kept);
	}
}

int main(int argc, char **argv)
{
	must(argc >= 3);
	arguments = argv;
	page = page_attach();
	if (strcmp(argv[1], "after_exec")) {
		atomic_store(&page->first, strtoul(argv[2], NULL, 10));
		atomic_store(&page->onward, argc > 3 && !strcmp(argv[3], "onward"));
	}
	/* So that a number of ours can be 0. */
	close(0);
	size_t before = descriptors();
	bool again = !strcmp(argv[2], "balanced") || (argc > 3 && !strcmp(argv[3], "warm"));
	for (size_t i = 0; i < COUNT(scenarios); i++)
		if (!strcmp(argv[1], scenarios[i].name)) {
			if (again)
				is_balanced(scenarios[i].run, atomic_load(&page->first));
			else
				scenarios[i].run();
			disarm();
			close(spare);
			if (scenarios[i].lists_all) {
				wait_until_closed();
				wait_until(!page->charged());
			}
		}
	promise(descriptors() == before, "%zu descriptors, not %zu", descriptors(), before);
	if (atomic_load(&page->fired))
		printf("fired %lu, last of kind %d\n", atomic_load(&page->fired),
		       atomic_load(&page->last_kind));
	if (changed)
		printf("changed %lu\n", changed);
	return 0;
}
