/* SPDX-License-Identifier: MIT */
/*
 * P4, P5: the guard in other namespaces and below another root directory.
 */
#include <sys/mount.h>

#include "guard_file.h"

/* --- namespaces --- */

struct space {
	const char *name;
	int flag;
};

static const struct space spaces[] = {
	{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS },	 { "uts", CLONE_NEWUTS },
	{ "pid", CLONE_NEWPID },   { "net", CLONE_NEWNET },	 { "fs", CLONE_FS },
	{ "files", CLONE_FILES },  { "sysvsem", CLONE_SYSVSEM },
};

/* errno of the call in a process that has no guard. */
static int bare_errno(int (*call)(const void *), const void *argument)
{
	pid_t child = fork();
	int status;

	must(child >= 0);
	if (!child)
		_exit(call(argument) ? errno : 0);
	must(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int call_unshare(const void *argument)
{
	return unshare(((const struct space *)argument)->flag);
}

static int call_unshare_by_number(const void *argument)
{
	return (int)syscall(SYS_unshare, ((const struct space *)argument)->flag);
}

static void as_bare(int (*call)(const void *), const void *argument)
{
	int expected = bare_errno(call, argument);
	struct other other = other_start(change_by_other, NULL);
	char here[PATH_MAX], *view = fresh();

	must(getcwd(here, sizeof(here)));
	int error = call(argument) ? errno : 0;
	/* A mount namespace has a current directory of its own, and a root. */
	if (chdir(here))
		skip("not below that namespace's root: %s", here);
	promise(error == expected, "%s, not %s", strerrorname_np(error) ?: "success",
		strerrorname_np(expected) ?: "success");
	other_go(&other);
	check(view, "after the call");
	char *more = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	view_check(more, 2, 0, PAGES, "mapped after the call");
	other_end(&other);
}

static void unshare_as_bare(const void *space)
{
	as_bare(call_unshare, space);
}

static void unshare_by_number_as_bare(const void *space)
{
	as_bare(call_unshare_by_number, space);
}

struct visit {
	int fd, flag;
};

static int call_setns(const void *argument)
{
	const struct visit *visit = argument;

	return setns(visit->fd, visit->flag);
}

/* Into namespaces of a child. */
static void setns_as_bare(const void *argument)
{
	const struct space *space = argument;
	struct gate ready = gate_make(), end = gate_make();
	char path[64];
	pid_t host = sure(fork());

	if (!host) {
		close(end.out);
		char byte = (char)unshare(space->flag);
		must(write(ready.out, &byte, 1) == 1);
		if (read(end.in, &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	char failed;
	must(read(ready.in, &failed, 1) == 1);
	if (failed)
		skip("no new namespaces here");
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", host, space->name);
	struct visit visit = { file_open(path), space->flag };
	as_bare(call_setns, &visit);
	must(close(end.out) == 0);
	child_wait(host);
}

/* --- another root directory, without /proc --- */

/* Without /proc, before Linux 5.6, a file cannot be had again. */
static bool is_copied_here(void)
{
	return syscall(SYS_pidfd_getfd, -1, 0, 0) == -1 && errno != ENOSYS;
}

static void in_another_root(const void *shared)
{
	int type = *(const int *)shared;
	struct other other;

	root_only();
	if (mkdir("jail", 0755) && errno != EEXIST)
		die("mkdir");
	file_make("jail/guard.inside", 4, PAGES);
	other = other_start(change_by_other, NULL);
	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	char *view = sure(mmap(NULL, BYTES, PROT_READ, type, fd, 0));
	guarded_check(view, "before chroot");
	must(mlock(view + PAGE, PAGE) == 0);
	must(chroot("jail") == 0 && chdir("/") == 0);
	other_go(&other);
	check(view, "in another root");
	if (is_copied_here()) {
		char *more = view_make("/guard.inside", PROT_READ, 0, PAGES);
		must(truncate("/guard.inside", 0) == 0);
		view_check(more, 4, 0, PAGES, "mapped in another root");
	}
	other_end(&other);
}

CASE(fork_in_another_root)
{
	struct other other;

	root_only();
	if (mkdir("jail", 0755) && errno != EEXIST)
		die("mkdir");
	other = other_start(change_by_other, NULL);
	char *view = fresh();
	must(chroot("jail") == 0 && chdir("/") == 0);
	IN_CHILD {
		other_go(&other);
		check(view, "the child");
	}
	check(view, "the parent");
	other_end(&other);
}

CASE(proc_is_unmounted)
{
	if (mount("proc", "/proc", "proc", 0, NULL))
		skip("no /proc can be mounted: %m");
	char *view = fresh();
	promise(umount("/proc") == 0, "umount: %m");
	change();
	view_check(view, 1, 0, PAGES, "without /proc");
}

CASE_OF("in_another_root/private", in_another_root, AS(int, MAP_PRIVATE))
CASE_OF("in_another_root/shared", in_another_root, AS(int, MAP_SHARED))

int main(int argc, char **argv)
{
	for (size_t i = 0; i < COUNT(spaces); i++) {
		case_make(unshare_as_bare, &spaces[i], false, "unshare/%s", spaces[i].name);
		case_make(unshare_by_number_as_bare, &spaces[i], false, "unshare_by_number/%s",
			  spaces[i].name);
	}
	for (size_t i = 0; i < 3; i++)
		case_make(setns_as_bare, &spaces[i], false, "setns/%s", spaces[i].name);
	return cases_main(argc, argv);
}
