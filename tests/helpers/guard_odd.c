/* SPDX-License-Identifier: MIT */
/*
 * P1, S1, S4, S9: guarded mappings in programs that do odd things: wrong pointers, listening to
 * opens, limits that shrink later, locks at the limit, areas that cannot be replaced later,
 * unmounting.
 */
#include <linux/sched.h>
#include <sys/fanotify.h>
#include <sys/resource.h>

#include "../mounts.h"
#include "guard_helper.h"

#define FILE_NAME "guard.data"
#define PAGES	  32
#define BYTES	  (PAGES * PAGE)

static void change(const void *unused)
{
	(void)unused;
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

/* --- P1: what the kernel says of a pointer to nowhere --- */

static void wrong_pointers(const void *unused)
{
	char *const *const volatile lost = (char *const *)8; /* volatile: gcc warns of it */
	char *const nowhere[] = { (char *)lost, NULL }, *const argv[] = { (char *)"x", NULL };
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
	promise(syscall(SYS_clone3, NULL, 0) == -1 && (errno == EINVAL || errno == ENOSYS),
		"clone3 of nothing: %s", strerror(errno));
	promise(syscall(SYS_clone3, 8, CLONE_ARGS_SIZE_VER0) == -1 &&
			(errno == EFAULT || errno == ENOSYS), /* before 5.3 */
		"clone3 of nowhere: %s", strerror(errno));
	promise(execve("/bin/true", argv, lost) == -1 && errno == EFAULT,
		"an environment nowhere: %s", strerror(errno));
	promise(execve("/bin/true", argv, nowhere) == -1 && errno == EFAULT, "a string nowhere: %s",
		strerror(errno));
	promise(syscall(SYS_execve, "/bin/true", argv, nowhere) == -1 && errno == EFAULT,
		"a string nowhere, by number: %s", strerror(errno));
	promise(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 8, NULL) == -1 && errno == EFAULT,
		"a limit nowhere: %s", strerror(errno));
	guarded_check(view, "after all that");
}

/* Which of its errors a size that wraps gets differs between kernels. */
static int error_of_a_size_that_wraps(char *view)
{
	must(view != MAP_FAILED);
	promise(mremap(view, BYTES / 2, SIZE_MAX - 100, MREMAP_MAYMOVE) == MAP_FAILED,
		"a size that wraps");
	return errno;
}

static void mremap_errors(const void *unused)
{
	char *plain = mmap(NULL, BYTES / 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ | PROT_WRITE, 0, PAGES / 2);
	promise(mremap(view, 0, BYTES, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL,
		"doubling a private mapping: %s", strerror(errno));
	int error = error_of_a_size_that_wraps(view);
	promise(error == error_of_a_size_that_wraps(plain), "a size that wraps: %s",
		strerror(error));
	promise(mremap(view, BYTES / 2, BYTES, 64) == MAP_FAILED && errno == EINVAL,
		"unknown flags: %s", strerror(errno));
}

/* --- a scanner that is asked before a file is opened, and maps it --- */

static void answers_for_opens(const void *unused)
{
	struct fanotify_event_metadata event;
	char done;
	struct other other = other_start(change, NULL);

	(void)unused;
	char *before = guarded_make("guard.before", PROT_READ, PAGES);
	file_make(FILE_NAME, 1, PAGES);
	int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE);
	if (group < 0)
		skip("no fanotify for this user");
	must(fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, FILE_NAME) == 0);
	must(write(other.go, "", 1) == 1); /* it waits for us, not we for it */
	must(read(group, &event, sizeof(event)) == sizeof(event));
	char *view = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, event.fd, 0);
	must(view != MAP_FAILED);
	struct fanotify_response yes = { event.fd, FAN_ALLOW };
	must(write(group, &yes, sizeof(yes)) == sizeof(yes) && close(event.fd) == 0);
	must(read(other.done, &done, 1) == 1);
	other_end(&other);
	view_check(view, 1, 0, PAGES, "mapped while the writer was held");
	view_check(before, 1, 0, PAGES, "mapped before");
}

/* --- S9: limits that shrink when the guard is there already --- */

static void shrinks(const void *argument)
{
	int resource = *(const int *)argument;
	struct rlimit limit = { BYTES / 2, RLIM_INFINITY };
	struct other other = other_start(change, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	must(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
	other_go(&other);
	view_check(view, 1, 0, PAGES, "after the limit");
	other_end(&other);
}

static void larger_than_fsize(const void *unused)
{
	struct rlimit limit = { BYTES / 2, RLIM_INFINITY };
	struct other other = other_start(change, NULL);

	(void)unused;
	file_make(FILE_NAME, 1, PAGES);
	must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	promise(!mmfence_active() || !strcmp(engine_at(view), "none") ||
			!strcmp(engine_at(view), "clone"),
		"guarded, though nothing could be put aside: %s", engine_at(view));
	other_end(&other);
}

/* --- S4: locked memory at its limit --- */

static void locked_at_the_limit(const void *unused)
{
	struct rlimit limit = { BYTES / 2, BYTES / 2 };
	struct other other = other_start(change, NULL);
	char line[128], before[128];

	(void)unused;
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	must(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (mlock(view, BYTES))
		skip("only root locks beyond the limit");
	snprintf(before, sizeof(before), "%s",
		 proc_line("/proc/self/status", "VmLck:", line, sizeof(line)));
	other_go(&other);
	view_check(view, 1, 0, PAGES, "locked");
	promise(!strcmp(before, proc_line("/proc/self/status", "VmLck:", line, sizeof(line))),
		"locked:%s, and then%s", before, line);
	other_end(&other);
}

static void future_locked_at_the_limit(const void *unused)
{
	struct rlimit limit = { 1 << 16, 1 << 16 };
	struct other other = other_start(change, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
	must(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		skip("only root locks beyond the limit");
	other_go(&other);
	view_check(view, 1, 0, PAGES, "locked with all to come");
	other_end(&other);
}

/* --- areas that could not be replaced later --- */

static void guard_regions(const void *unused)
{
	struct other other = other_start(change, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
	if (madvise(view + PAGE, PAGE, 102 /* MADV_GUARD_INSTALL */))
		skip("this kernel has no guard regions");
	other_go(&other);
	view_check(view, 1, 0, 1, "before the guard region");
	view_check(view + 2 * PAGE, 1, 2, PAGES - 2, "after the guard region");
	other_end(&other);
}

static void sealed(const void *unused)
{
	struct other other = other_start(change, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	(void)unused;
	if (syscall(462 /* mseal */, view, BYTES, 0))
		skip("this kernel seals no memory");
	other_go(&other);
	view_check(view, 1, 0, PAGES, "sealed");
	other_end(&other);
}

/* --- S10: cut off by an open that breaks no lease, and no writer after it --- */

static void cut(const void *name)
{
	int fd = open(name, O_RDONLY | O_TRUNC | O_CLOEXEC);

	must(fd >= 0 && close(fd) == 0);
}

static void cut_quietly(const void *how)
{
	bool renamed = !strcmp(how, "renamed");
	struct other other = other_start(cut, renamed ? "another" : FILE_NAME);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);

	must(!renamed || rename(FILE_NAME, "another") == 0);
	other_go(&other);
	if (strcmp(how, "exits"))
		must(munmap(view, BYTES) == 0);
	other_end(&other);
}

/* --- P1: nothing is held when the program unmounts --- */

static void unmounts(const void *unused)
{
	(void)unused;
	if (geteuid() || !own_mounts(0))
		skip("only root mounts");
	must(mkdir("mounted", 0700) == 0);
	for (int i = 0; i < 300; i++) {
		must(mount("none", "mounted", "tmpfs", 0, NULL) == 0);
		char *view = guarded_make("mounted/guard.data", PROT_READ, PAGES);
		must(munmap(view, BYTES) == 0);
		promise(umount("mounted") == 0, "umount %d: %s", i, strerror(errno));
	}
}

int main(int argc, char **argv)
{
	static const int space = RLIMIT_AS, size = RLIMIT_FSIZE;
	static const struct test_case cases[] = {
		{ "wrong_pointers", wrong_pointers, NULL, HOLDS_BARE },
		{ "mremap_errors", mremap_errors, NULL, HOLDS_BARE },
		{ "answers_for_opens", answers_for_opens, NULL, false },
		{ "shrinks/space", shrinks, &space, false },
		{ "shrinks/size", shrinks, &size, false },
		{ "larger_than_fsize", larger_than_fsize, NULL, HOLDS_BARE },
		{ "locked_at_the_limit", locked_at_the_limit, NULL, false },
		{ "future_locked_at_the_limit", future_locked_at_the_limit, NULL, false },
		{ "guard_regions", guard_regions, NULL, false },
		{ "sealed", sealed, NULL, false },
		{ "cut/unmapped", cut_quietly, "unmapped", HOLDS_BARE },
		{ "cut/renamed", cut_quietly, "renamed", HOLDS_BARE },
		{ "cut/exits", cut_quietly, "exits", HOLDS_BARE },
		{ "unmounts", unmounts, NULL, HOLDS_BARE },
	};

	return cases_main(cases, COUNT(cases), argc, argv);
}
