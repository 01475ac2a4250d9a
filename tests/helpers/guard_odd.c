/* SPDX-License-Identifier: MIT */
/*
 * P1, S1, S4, S9: guarded mappings in programs that do odd things: wrong pointers, listening to
 * opens, limits that shrink later, locks at the limit, areas that cannot be replaced later,
 * unmounting.
 */
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "../mounts.h"
#define PAGES 32
#include "guard_file.h"

/* --- P1: what the kernel says of a pointer to nowhere --- */

PROMISE_WIDTHS(P1, pointers_to_nowhere_are_the_kernels, HOLDS_BARE)
{
	char *const *const volatile lost = (char *const *)8; /* volatile: gcc warns of it */
	char *const nowhere[] = { (char *)lost, NULL }, *const argv[] = { (char *)"x", NULL };
	char *view = fresh();

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

/* --- S1: a length that ends within a page --- */

PROMISE_WIDTHS(S1, a_mapping_is_kept_to_the_end_of_its_last_page)
{
	static const size_t lengths[] = { 1, 2 * PAGE + 1, 3 * PAGE - 1, 3 * PAGE };
	char *views[COUNT(lengths)];

	file_make(FILE_NAME, 1, PAGES);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		int fd = file_open(FILE_NAME);
		views[i] = sure(mmap(NULL, lengths[i], is_copied() ? RW : PROT_READ, MAP_PRIVATE,
				     fd, PAGE));
		must(close(fd) == 0);
	}
	change();
	for (size_t i = 0; i < COUNT(lengths); i++)
		for (size_t page = 0; page * PAGE < lengths[i]; page++)
			promise(page_is(views[i] + page * PAGE, 1, 1 + page),
				"%zu bytes: page %zu is not what was captured", lengths[i], page);
}

/* Which of its errors a size that wraps gets differs between kernels. */
static int error_of_a_size_that_wraps(char *view)
{
	must(view != MAP_FAILED);
	promise(mremap(view, BYTES / 2, SIZE_MAX - 100, MREMAP_MAYMOVE) == MAP_FAILED,
		"a size that wraps");
	return errno;
}

PROMISE_WIDTHS(P1, mremap_of_a_copy_fails_as_the_kernel_has_it, HOLDS_BARE)
{
	char *plain = mmap(NULL, BYTES / 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, RW, 0, PAGES / 2);
	promise(mremap(view, 0, BYTES, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL,
		"doubling a private mapping: %s", strerror(errno));
	int error = error_of_a_size_that_wraps(view);
	promise(error == error_of_a_size_that_wraps(plain), "a size that wraps: %s",
		strerror(error));
	promise(mremap(view, BYTES / 2, BYTES, 64) == MAP_FAILED && errno == EINVAL,
		"unknown flags: %s", strerror(errno));
}

/* Nothing may be grown here, which is not what the kernel says of wrong arguments. */
PROMISE_WIDTHS(P1, mremap_of_a_copy_looks_at_its_arguments_first, HOLDS_BARE)
{
	static const struct {
		const char *what;
		size_t to, size; /* from view on */
		int flags;
	} wrong[] = {
		{ "without MREMAP_MAYMOVE", 8 * BYTES, BYTES, MREMAP_FIXED },
		{ "to no page", 8 * BYTES + 1, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED },
		{ "onto itself", 0, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED },
	};

	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ | PROT_WRITE, 0, PAGES / 2);
	for (size_t i = 0; i < COUNT(wrong); i++)
		promise(mremap(view, BYTES / 2, wrong[i].size, wrong[i].flags,
			       view + wrong[i].to) == MAP_FAILED &&
				errno == EINVAL,
			"%s: %s", wrong[i].what, strerror(errno));
}

/* A flag of ours with MAP_PRIVATE is none with others, and these may be asked to know all. */
PROMISE_WIDTHS(P1, an_unknown_flag_is_refused, HOLDS_BARE)
{
	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	void *at = mmap(NULL, BYTES, PROT_READ, MAP_SHARED_VALIDATE | MAP_SNAPSHOT, fd, 0);

	if (at == MAP_FAILED && errno == EINVAL)
		skip("no MAP_SHARED_VALIDATE before Linux 4.15");
	promise(at == MAP_FAILED && errno == EOPNOTSUPP, "mmap: %s", strerror(errno));
}

/* --- a scanner that is asked before a file is opened, and maps it --- */

CASE(answers_for_opens)
{
	struct fanotify_event_metadata event;
	struct other other = other_start(change_by_other, NULL);

	char *before = guarded_make("guard.before", PROT_READ, PAGES);
	file_make(FILE_NAME, 1, PAGES);
	int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE);
	if (group < 0)
		skip("no fanotify for this user");
	must(fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, FILE_NAME) == 0);
	other_begin(&other); /* it waits for us, not we for it */
	must(read(group, &event, sizeof(event)) == sizeof(event));
	char *view = sure(mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, event.fd, 0));
	struct fanotify_response yes = { event.fd, FAN_ALLOW };
	must(write(group, &yes, sizeof(yes)) == sizeof(yes) && close(event.fd) == 0);
	other_wait(&other);
	other_end(&other);
	check(view, "mapped while the writer was held");
	check(before, "mapped before");
}

/* --- S9: limits that shrink when the guard is there already --- */

static void shrinks(const void *argument)
{
	int resource = *(const int *)argument;
	struct rlimit limit = { BYTES / 2, RLIM_INFINITY };
	struct other other = other_start(change_by_other, NULL);
	char *view = fresh();

	must(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
	other_last(&other);
	check(view, "after the limit");
}

CASE(larger_than_fsize, HOLDS_BARE)
{
	struct rlimit limit = { BYTES / 2, RLIM_INFINITY };
	struct other other = other_start(change_by_other, NULL);

	file_make(FILE_NAME, 1, PAGES);
	must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	promise(!mmfence_active() || !strcmp(engine_at(view), "none") ||
			!strcmp(engine_at(view), "clone"),
		"guarded, though nothing could be put aside: %s", engine_at(view));
	other_end(&other);
}

/* --- S4: locked memory at its limit --- */

PROMISE_WIDTHS(S4, locks_stay_at_their_limit)
{
	struct other other = other_start(change_by_other, NULL);
	char line[128], before[128];

	char *view = fresh();
	limit_set(RLIMIT_MEMLOCK, BYTES / 2);
	if (mlock(view, BYTES))
		skip("only root locks beyond the limit");
	snprintf(before, sizeof(before), "%s",
		 proc_line("/proc/self/status", "VmLck:", line, sizeof(line)));
	other_last(&other);
	check(view, "locked");
	promise(!strcmp(before, proc_line("/proc/self/status", "VmLck:", line, sizeof(line))),
		"locked:%s, and then%s", before, line);
}

PROMISE_WIDTHS(S4, future_locks_lose_nothing_at_their_limit)
{
	struct other other = other_start(change_by_other, NULL);
	char *view = fresh();

	limit_set(RLIMIT_MEMLOCK, 1 << 16);
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		skip("only root locks beyond the limit");
	other_last(&other);
	check(view, "locked with all to come");
}

/* --- P2: a page between two views that a thread of the program gives, which maps files itself ---
 */

static void *gap_lock(void *gap)
{
	must(mlock(gap, PAGE) == 0);
	return NULL;
}

static void *gap_populate(void *gap)
{
	must(madvise(gap, PAGE, MADV_POPULATE_WRITE) == 0 || errno == EINVAL);
	return NULL;
}

/* Behind it a page of the caller's, which it waits for. */
static int gap_make(char *at)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register missing = { .mode = UFFDIO_REGISTER_MODE_MISSING,
					   .range = { (uintptr_t)at, PAGE } };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &missing))
		skip("userfaultfd: %s", strerror(errno));
	return fd;
}

static void gap_fill(thread_act *act)
{
	static char page[PAGE];
	char *room = sure(
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	int fd = file_open(FILE_NAME);
	struct uffdio_copy copy = { (uintptr_t)room + PAGE, (uintptr_t)page, PAGE, 0, 0 };
	struct uffd_msg message;

	for (int i = 0; i < 3; i += 2)
		must(mmap(room + i * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
		     room + i * PAGE);
	int faults = gap_make(room + PAGE);
	pthread_t thread = thread_start(act, room + PAGE);
	must(read(faults, &message, sizeof(message)) == sizeof(message));
	view_check(sure(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0)), 1, 0, 1, "meanwhile");
	must(ioctl(faults, UFFDIO_COPY, &copy) == 0);
	thread_end(thread);
}

PROMISE(P2, whoever_gives_a_page_may_map_files, HOLDS_BARE)
{
	alarm(PATIENT);
	file_make(FILE_NAME, 1, PAGES);
	gap_fill(gap_lock);
	if (!madvise(NULL, 0, MADV_POPULATE_WRITE))
		gap_fill(gap_populate);
}

/* --- areas that could not be replaced later --- */

PROMISE_WIDTHS(S1, guard_regions_lose_nothing)
{
	struct other other = other_start(change_by_other, NULL);
	char *view = fresh();

	if (madvise(view + PAGE, PAGE, 102 /* MADV_GUARD_INSTALL */))
		skip("this kernel has no guard regions");
	other_last(&other);
	view_check(view, 1, 0, 1, "before the guard region");
	view_check(view + 2 * PAGE, 1, 2, PAGES - 2, "after the guard region");
}

PROMISE_WIDTHS(S1, guard_regions_by_process_madvise_lose_nothing)
{
	struct other other = other_start(change_by_other, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	struct iovec area = { view + PAGE, PAGE };

	if (syscall(440 /* process_madvise */, syscall(SYS_pidfd_open, getpid(), 0), &area, 1,
		    102 /* MADV_GUARD_INSTALL */, 0) != PAGE)
		skip("this kernel has no guard regions by process_madvise");
	other_go(&other);
	view_check(view, 1, 0, 1, "before the guard region");
	view_check(view + 2 * PAGE, 1, 2, PAGES - 2, "after the guard region");
	other_end(&other);
}

PROMISE_WIDTHS(S1, sealed_memory_loses_nothing)
{
	struct other other = other_start(change_by_other, NULL);
	char *view = fresh();

	if (syscall(462 /* mseal */, view, BYTES, 0))
		skip("this kernel seals no memory");
	other_last(&other);
	check(view, "sealed");
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
	char *view = fresh();

	must(!renamed || rename(FILE_NAME, "another") == 0);
	other_go(&other);
	if (strcmp(how, "exits"))
		must(munmap(view, BYTES) == 0);
	other_end(&other);
}

/* --- P1: nothing is held when the program unmounts --- */

PROMISE_WIDTHS(P1, unmounting_finds_no_file_of_ours, HOLDS_BARE)
{
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

CASE_OF("shrinks/space", shrinks, AS(int, RLIMIT_AS))
CASE_OF("shrinks/size", shrinks, AS(int, RLIMIT_FSIZE))
CASE_OF("cut/unmapped", cut_quietly, "unmapped", HOLDS_BARE)
CASE_OF("cut/renamed", cut_quietly, "renamed", HOLDS_BARE)
CASE_OF("cut/exits", cut_quietly, "exits", HOLDS_BARE)

CASES_MAIN
