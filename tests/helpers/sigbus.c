/* SPDX-License-Identifier: MIT */
/*
 * S17: a program that touches what was cut off, never was there, or cannot be had, dies of SIGBUS
 * as it would have died. Each case alone.
 */
#include <dlfcn.h>
#include <sys/ioctl.h>

#include "sigbus.h"

/* Open still, but not for writing. */
DIES(shared)
{
	char *view = map(PROT_READ, MAP_SHARED);
	file_open(FILE_NAME);
	cut(LEFT);
	touch_page(view, 9);
}

DIES(shared_store)
{
	volatile char *view = map_cut(RW, MAP_SHARED);
	view[9 * PAGE] = 1;
	broken("page 9 could be written");
}

DIES(private)
{
	char *view = map_cut(PROT_READ, MAP_PRIVATE);
	touch_page(view, 9);
}

DIES(unlinked)
{
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);
	must(fd >= 0 && unlink(FILE_NAME) == 0 && ftruncate(fd, 0) == 0);
	touch_page(view, 9);
}

/* The size is that of a descriptor then. */
DIES(unlinked_unprivileged)
{
	be_nobody();
	unlinked(unused);
}

/* By a descriptor that is open still. */
DIES(held)
{
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);
	must(fd >= 0 && ftruncate(fd, 0) == 0);
	touch_page(view, 9);
}

/* A lease is not broken by it. */
DIES(lost)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	must(close(open(FILE_NAME, O_RDONLY | O_TRUNC)) == 0);
	touch_page(view, 9);
}

/* Two pages more than the file has. */
static char *map_beyond(void)
{
	file_make(FILE_NAME, 1, 8);
	return view_make(FILE_NAME, PROT_READ, 0, 10);
}

DIES(beyond)
{
	touch_page(map_beyond(), 9);
}

/* The old pages are elsewhere by then, as many as there were. */
DIES(beyond_preserved)
{
	be_nobody();
	char *view = map_beyond();
	file_overwrite(FILE_NAME, 2, 0, 8);
	touch_page(view, 9);
}

/* A library of libc's that has a function without relations. */
static void copy_library(const char *to)
{
	static const char *const places[] = {
#ifdef __x86_64__
		"/lib/x86_64-linux-gnu/libresolv.so.2",
		"/usr/lib64/libresolv.so.2",
#else
		"/lib/i386-linux-gnu/libresolv.so.2",
		"/usr/lib32/libresolv.so.2",
#endif
		"/usr/lib/libresolv.so.2",
	};
	char block[4096];
	ssize_t got;
	int from = -1, out = open(to, O_WRONLY | O_CREAT, 0700);

	for (size_t i = 0; from < 0 && i < COUNT(places); i++)
		from = open(places[i], O_RDONLY);
	if (from < 0)
		skip("no libresolv.so.2");
	while ((got = read(from, block, sizeof(block))) > 0)
		must(write(out, block, (size_t)got) == got);
	must(got == 0 && close(from) == 0 && close(out) == 0);
}

DIES(plugin)
{
	unsigned int (*get)(const unsigned char *from);

	copy_library("plugin.so");
	void *library = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		skip("%s", dlerror());
	*(void **)&get = dlsym(library, "ns_get16");
	if (!get)
		skip("%s", dlerror());
	must(get((const unsigned char *)"\1\2") == 258);
	must(close(open("plugin.so", O_WRONLY | O_TRUNC)) == 0);
	get((const unsigned char *)"\1\2");
	broken("it was called");
}

DIES(may_be_executed)
{
	char *view = map_cut(PROT_READ | PROT_EXEC, MAP_SHARED);
	touch_page(view, 9);
}

/* A disk that is full, and a mapping of a file with nothing but a hole, which is not open. */
static volatile char *hole_on_a_full_disk(bool keep_name)
{
	static char block[65536];
	int fd = open("full/holes", O_RDWR | O_CREAT, 0600),
	    rest = open("full/rest", O_WRONLY | O_CREAT, 0600);

	must(fd >= 0 && rest >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
	volatile char *view = mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	must(view != MAP_FAILED && close(fd) == 0);
	must(keep_name || unlink("full/holes") == 0);
	while (write(rest, block, sizeof(block)) > 0)
		;
	while (write(rest, block, 1) > 0)
		;
	return view;
}

DIES(full)
{
	hole_on_a_full_disk(true)[9 * PAGE] = 1;
	broken("a page was found");
}

DIES(full_read)
{
	touch_page((char *)hole_on_a_full_disk(true), 9);
}

/* And nobody tells how long the file is. */
DIES(full_unlinked)
{
	volatile char *view = hole_on_a_full_disk(false);
	be_nobody();
	view[9 * PAGE] = 1;
	broken("a page was found");
}

DIES(huge)
{
	const size_t page = 2 << 20;
	volatile char *view =
		mmap(NULL, 64 * page, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE,
		     -1, 0);

	if (view == MAP_FAILED)
		skip("huge pages: %s", strerror(errno));
	be_nobody();
	for (size_t i = 0; i < 64; i++)
		view[i * page] = 1;
	skip("there are huge pages");
}

/* A file on a disk of its own, out of the cache. */
static volatile char *map_from_disk(int *fd)
{
	file_make("full/" FILE_NAME, 1, PAGES);
	*fd = open("full/" FILE_NAME, O_RDWR);
	must(*fd >= 0 && fsync(*fd) == 0 && posix_fadvise(*fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	volatile char *view = sure(mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, *fd, 0));
	return view;
}

DIES(disk_gone)
{
	int fd;

	volatile char *view = map_from_disk(&fd);
	must(truncate("disk", 0) == 0);
	touch_page((char *)view, 9);
}

DIES(disk_gone_store)
{
	int fd;

	volatile char *view = map_from_disk(&fd);
	must(truncate("disk", 0) == 0);
	view[9 * PAGE] = 1;
	broken("page 9 could be written");
}

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)

/* What is in the cache can be read, and no room be had. */
DIES(disk_shut_down)
{
	uint32_t at_once = 2;
	int fd;

	volatile char *view = map_from_disk(&fd);
	must(ftruncate(fd, 0) == 0 && ftruncate(fd, PAGES * PAGE) == 0);
	(void)view[9 * PAGE];
	if (ioctl(fd, EXT4_IOC_SHUTDOWN, &at_once))
		skip("ext4 cannot be shut down: %s", strerror(errno));
	view[9 * PAGE] = 1;
	broken("page 9 could be written");
}

CASES_MAIN
