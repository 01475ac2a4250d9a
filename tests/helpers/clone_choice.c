/* SPDX-License-Identifier: MIT */
/*
 * S15: when a clone would do a writer more harm than waiting: on a file system with reflinks, a
 * file that is not on the disk yet, and one that there is no room for again.
 */
#include <sys/statvfs.h>

#include "guard_helper.h"

#define NAME  "clone_choice.data"
#define PAGES (24UL << 8) /* 24 MiB */
#define ROOM  (8UL << 20)

static void overwritten(void)
{
	char *view = view_make(NAME, PROT_READ, 0, PAGES);
	int fd;

	guarded_check(view, "a new mapping");
	fd = sure(open(NAME, O_WRONLY | O_CLOEXEC));
	file_fill(fd, 2, 0, PAGES);
	promise(!fsync(fd) && !close(fd), "the writer failed: %s", strerror(errno));
	view_check(view, 1, 0, PAGES, "after the writer");
}

CASE(dirty)
{
	file_make(NAME, 1, PAGES);
	overwritten();
}

static void make_clean(void)
{
	int fd;

	file_make(NAME, 1, PAGES);
	fd = file_open(NAME);
	must(!fsync(fd) && !close(fd));
}

CASE(clean)
{
	make_clean();
	overwritten();
}

CASE(no_room)
{
	struct statvfs space;
	int fd = open("fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	make_clean();
	must(fd >= 0 && !fstatvfs(fd, &space));
	uint64_t left = (uint64_t)space.f_bavail * space.f_frsize;
	must(left > ROOM && !posix_fallocate(fd, 0, (off_t)(left - ROOM)) && !fsync(fd));
	overwritten();
}

CASES_MAIN
