/* SPDX-License-Identifier: MIT */
/*
 * S11: what a writer sees of somebody else's snapshots: it gets in, soon, and what it finds
 * is an ordinary file.
 */
#include "helper.h"

#define FILE_NAME "writer.data"
#define PAGES	  64
#define BYTES	  (PAGES * PAGE)

static void open_and_write(const void *unused)
{
	alarm(PATIENT);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

/* fcntl(2): open with O_NONBLOCK fails with EWOULDBLOCK while a lease is being broken. */
static void open_nonblocking(const void *unused)
{
	int fd;

	alarm(PATIENT);
	while ((fd = open(FILE_NAME, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
		promise(errno == EWOULDBLOCK, "open: %s", strerror(errno));
	file_fill(fd, 2, 0, PAGES);
	close(fd);
}

static void open_and_read(const void *unused)
{
	int fd = file_open(FILE_NAME);
	char page[PAGE];

	alarm(PATIENT);
	must(pread(fd, page, PAGE, 0) == (ssize_t)PAGE && page_is(page, 1, 0));
	close(fd);
}

static void by_other(other_act *act)
{
	struct other other;

	file_make(FILE_NAME, 1, PAGES);
	other = other_start(act, NULL);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	other_last(&other);
	view_check(view, 1, 0, PAGES, "the mapping");
}

CASE(nonblocking)
{
	by_other(open_nonblocking);
}

CASE(waits)
{
	by_other(open_and_write);
}

CASE(reader, HOLDS_BARE)
{
	by_other(open_and_read);
}

CASE(own)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	open_and_write(NULL);
	view_check(view, 1, 0, PAGES, "the mapping");
	/* And again, with new content. */
	char *second = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	file_overwrite(FILE_NAME, 3, 0, PAGES);
	view_check(view, 1, 0, PAGES, "the first mapping");
	view_check(second, 2, 0, PAGES, "the second mapping");
	must(munmap(view, BYTES) == 0 && munmap(second, BYTES) == 0);
}

CASE(many_mappings)
{
	enum { MANY = 300 };
	static char *views[MANY];
	struct other other;

	file_make(FILE_NAME, 1, PAGES);
	other = other_start(open_and_write, NULL);
	for (size_t i = 0; i < MANY; i++)
		views[i] = view_make(FILE_NAME, PROT_READ, i % 60, 1 + i % 4);
	for (size_t i = 0; i < MANY; i += 3)
		must(munmap(views[i], (1 + i % 4) * PAGE) == 0);
	other_go(&other);
	for (size_t i = 0; i < MANY; i++)
		if (i % 3)
			view_check(views[i], 1, i % 60, 1 + i % 4, "one of many mappings");
	other_end(&other);
}

enum { FILES = 200 };

static const char *numbered(size_t number)
{
	static char name[32];

	snprintf(name, sizeof(name), "writer.%zu", number);
	return name;
}

/* All leases are broken as fast as a program can. */
static void write_all(const void *unused)
{
	for (size_t i = 0; i < FILES; i++)
		if (i % 2)
			file_overwrite(numbered(i), 2, 0, 2);
		else
			must(truncate(numbered(i), 0) == 0);
}

CASE(many_files)
{
	static char *views[FILES];
	struct other other;

	for (size_t i = 0; i < FILES; i++)
		file_make(numbered(i), 1, 2);
	other = other_start(write_all, NULL);
	for (size_t i = 0; i < FILES; i++)
		views[i] = view_make(numbered(i), PROT_READ, 0, 2);
	other_go(&other);
	for (size_t i = 0; i < FILES; i++)
		view_check(views[i], 1, 0, 2, "one of many files");
	other_end(&other);
}

/* The program maps and unmaps all the time while others write: nobody waits for it. */
CASE(busy)
{
	int status;
	pid_t child;

	file_make(FILE_NAME, 1, PAGES);
	child = sure(fork());
	if (!child) {
		for (int i = 0; i < 1000; i++)
			open_and_write(NULL);
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		char first[PAGE];
		memcpy(first, view + 7 * PAGE, PAGE);
		for (int i = 0; i < 20; i++)
			promise(!memcmp(first, view + 7 * PAGE, PAGE), "a page changed");
		must(munmap(view, BYTES) == 0);
	}
	promise(status == 0, "the writer ended with %x", (unsigned int)status);
}

CASE(unmapped, HOLDS_BARE)
{
	struct other other;

	file_make(FILE_NAME, 1, PAGES);
	other = other_start(open_and_write, NULL);
	must(munmap(view_make(FILE_NAME, PROT_READ, 0, PAGES), BYTES) == 0);
	other_last(&other);
}

CASE(exited, HOLDS_BARE)
{
	pid_t child;

	file_make(FILE_NAME, 1, PAGES);
	child = sure(fork());
	if (!child) {
		view_make(FILE_NAME, PROT_READ, 0, PAGES);
		kill(getpid(), SIGKILL);
	}
	must(waitpid(child, NULL, 0) == child);
	open_and_write(NULL);
}

CASES_MAIN
