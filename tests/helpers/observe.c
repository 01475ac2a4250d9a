/* SPDX-License-Identifier: MIT */
/*
 * S7 to S10: maps a file, has it overwritten by another process, and says what the mapping
 * was: "captured" (still the old pages), "plain" (the new ones), "half" (a mixture), or the
 * errno of mmap.
 *
 *	observe [NAME=VALUE]… [PATH]
 *
 *	pages=8  first=0   the file's pages, and the first that is mapped
 *	kind=regular|deleted|memfd|tmpfile|zero|anonymous|proc|sysfs|hugetlb
 *	map=private|shared|writable (shared and writable)
 *	fd=r|rw            how the descriptor that is mapped was opened
 *	prot=r|rw
 *	writer=none|open|self|busy
 *	limit=none|fsize|nproc|as|nofile
 *	user=UID           becomes that user first
 *	count=1            so many files, each with a mapping that stays
 *	repeat=1           maps and unmaps so often before
 */
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "helper.h"

static struct {
	size_t pages, first, user, count, repeat;
	const char *kind, *map, *fd, *prot, *writer, *limit, *path;
} want = { 8, 0, 0, 1, 0, "regular", "private", "r", "r", "none", "none", "observe.data" };

static bool number_option(const char *argument)
{
	static const struct {
		const char *name;
		size_t *value;
	} options[] = {
		{ "pages=", &want.pages }, { "first=", &want.first },	{ "user=", &want.user },
		{ "count=", &want.count }, { "repeat=", &want.repeat },
	};

	for (size_t i = 0; i < COUNT(options); i++)
		if (!strncmp(argument, options[i].name, strlen(options[i].name))) {
			*options[i].value = strtoul(argument + strlen(options[i].name), NULL, 0);
			return true;
		}
	return false;
}

static bool word_option(const char *argument)
{
	static const struct {
		const char *name;
		const char **value;
	} options[] = {
		{ "kind=", &want.kind }, { "map=", &want.map },	      { "fd=", &want.fd },
		{ "prot=", &want.prot }, { "writer=", &want.writer }, { "limit=", &want.limit },
	};

	for (size_t i = 0; i < COUNT(options); i++)
		if (!strncmp(argument, options[i].name, strlen(options[i].name))) {
			*options[i].value = argument + strlen(options[i].name);
			return true;
		}
	return false;
}

static bool is(const char *value, const char *word)
{
	return !strcmp(value, word);
}

/* --- the file --- */

static const char *file_name(size_t number)
{
	static char name[4200];

	if (want.count == 1)
		return want.path;
	snprintf(name, sizeof(name), "%s.%zu", want.path, number);
	return name;
}

static int make_nameless(void)
{
	int fd;

	if (is(want.kind, "memfd"))
		fd = memfd_create("observe", MFD_CLOEXEC);
	else if (is(want.kind, "tmpfile"))
		fd = open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	else
		fd = open(want.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		skip("%s: %s", want.kind, strerror(errno));
	file_fill(fd, 1, 0, want.pages);
	if (is(want.kind, "deleted"))
		must(unlink(want.path) == 0);
	return fd;
}

static int open_special(void)
{
	int fd;

	if (is(want.kind, "anonymous"))
		return -1;
	if (is(want.kind, "hugetlb"))
		fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	else
		fd = open(is(want.kind, "zero")	  ? "/dev/zero"
			  : is(want.kind, "proc") ? "/proc/self/maps"
						  : "/sys/kernel/btf/vmlinux",
			  O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		skip("%s: %s", want.kind, strerror(errno));
	return fd;
}

/* --- the other process --- */

static int nameless = -1;

static void overwrite(const void *unused)
{
	if (nameless >= 0)
		file_fill(nameless, 2, 0, want.pages);
	else
		for (size_t i = 0; i < want.count; i++)
			file_overwrite(file_name(i), 2, 0, want.pages);
}

/* Has the file open for writing from the first word on, overwrites at the second. */
static void hold_then_overwrite(const void *unused)
{
	static int held = -1;

	if (held >= 0)
		overwrite(unused);
	else
		must((held = open(file_name(0), O_RDWR | O_CLOEXEC)) >= 0);
}

/* A child of the other process writes as long as that one lives. */
static void write_all_the_time(const void *unused)
{
	int fd = sure(open(file_name(0), O_RDWR | O_CLOEXEC));
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int generation = 2;; generation++)
		file_fill(fd, generation, 0, 4);
}

/* --- limits --- */

static void become(uid_t user)
{
	if (geteuid() != 0)
		skip("only root can become another user");
	must(setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 &&
	     setresuid(user, user, user) == 0);
}

static void set_limit(int resource, rlim_t value)
{
	struct rlimit limit;

	must(getrlimit(resource, &limit) == 0);
	limit.rlim_cur = value;
	must(setrlimit(resource, &limit) == 0);
}

static size_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	size_t pages;

	must(file && fscanf(file, "%zu", &pages) == 1);
	fclose(file);
	return pages * PAGE;
}

static void fill_descriptors(void)
{
	set_limit(RLIMIT_NOFILE, 64);
	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		;
	must(errno == EMFILE);
}

static void limit_all(void)
{
	if (is(want.limit, "fsize"))
		set_limit(RLIMIT_FSIZE, want.pages * PAGE / 2);
	else if (is(want.limit, "nproc"))
		set_limit(RLIMIT_NPROC, 1);
	else if (is(want.limit, "as"))
		set_limit(RLIMIT_AS, address_space() + want.pages * PAGE);
	else if (is(want.limit, "nofile"))
		fill_descriptors();
}

/* --- mapping --- */

static char *map_it(int fd)
{
	int flags = is(want.map, "private") ? MAP_PRIVATE : MAP_SHARED;
	int prot = PROT_READ | (is(want.prot, "rw") || is(want.map, "writable") ? PROT_WRITE : 0);
	size_t length = is(want.kind, "hugetlb") ? 2u << 20 : (want.pages - want.first) * PAGE;

	if (is(want.kind, "anonymous"))
		flags |= MAP_ANONYMOUS;
	return mmap(NULL, length, prot, flags, fd, (off_t)(want.first * PAGE));
}

static int open_to_map(const char *path)
{
	bool both = is(want.fd, "rw") || is(want.map, "writable") || is(want.writer, "self");
	return sure(open(path, (both ? O_RDWR : O_RDONLY) | O_CLOEXEC));
}

static const char *judge(const char *view)
{
	size_t old = 0, new = 0, all = want.pages - want.first;

	for (size_t i = 0; i < all; i++) {
		old += page_is(view + i * PAGE, 1, want.first + i);
		new += page_is(view + i * PAGE, 2, want.first + i);
	}
	return old == all ? "captured" : new == all ? "plain" : "half";
}

static void say_writable(char *view)
{
	if (mprotect(view, PAGE, RW))
		printf(" mprotect=%s", strerrorname_np(errno));
	else
		printf(" mprotect=0");
}

static int observe_special(void)
{
	char *view = map_it(open_special());

	if (view == MAP_FAILED)
		printf("%s\n", strerrorname_np(errno));
	else
		printf("mapped\n");
	return 0;
}

static void churn(void)
{
	for (size_t i = 0; i < want.repeat; i++) {
		int fd = open_to_map(file_name(0));
		char *view = map_it(fd);
		must(view != MAP_FAILED && munmap(view, (want.pages - want.first) * PAGE) == 0);
		close(fd);
	}
}

static int observe(const struct other *other)
{
	char *views[64];
	int fds[64], errors[64];

	must(want.count <= COUNT(views));
	for (size_t i = 0; i < want.count; i++)
		fds[i] = nameless >= 0 ? nameless : open_to_map(file_name(i));
	churn();
	limit_all();
	for (size_t i = 0; i < want.count; i++) {
		views[i] = map_it(fds[i]);
		errors[i] = errno;
	}
	if (!is(want.writer, "busy"))
		other_go(other);
	for (size_t i = 0; i < want.count; i++) {
		printf("%s%s", i ? " " : "",
		       views[i] == MAP_FAILED	 ? strerrorname_np(errors[i])
		       : is(want.writer, "busy") ? "mapped"
						 : judge(views[i]));
		if (is(want.map, "shared") && views[i] != MAP_FAILED)
			say_writable(views[i]);
	}
	printf("\n");
	return 0;
}

static int observe_file(void)
{
	bool busy = is(want.writer, "busy"), open_first = is(want.writer, "open");
	struct other other;

	if (is(want.kind, "regular"))
		for (size_t i = 0; i < want.count; i++)
			file_make(file_name(i), 1, want.pages);
	else
		nameless = make_nameless();
	other = other_start(busy	 ? write_all_the_time
			    : open_first ? hold_then_overwrite
					 : overwrite,
			    NULL);
	if (busy || open_first)
		other_go(&other);
	if (is(want.kind, "regular") && !busy && want.path[0] != '/')
		file_settle(file_name(0));
	int status = observe(&other);
	fflush(stdout);
	return status;
}

int main(int argc, char **argv)
{
	bool special;

	for (int i = 1; i < argc; i++)
		if (!number_option(argv[i]) && !word_option(argv[i]))
			want.path = argv[i];
	if (want.user)
		become((uid_t)want.user);
	special = is(want.kind, "zero") || is(want.kind, "anonymous") || is(want.kind, "proc") ||
		  is(want.kind, "sysfs") || is(want.kind, "hugetlb");
	return special ? observe_special() : observe_file();
}
