/* SPDX-License-Identifier: MIT */
/*
 * M3, M5: no shared mapping of the memory of devices comes to be that is writable or could be made
 * so, whatever is asked for and how; what was there before stays; the descriptor's position too.
 */
#include <sys/sysmacros.h>

#include "helper.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static off_t offset; /* somewhere that the kernel lets be mapped */

/* ---- the devices ---- */

static int open_node(unsigned int minor_number, int flags)
{
	char name[24];

	snprintf(name, sizeof(name), "node.%u", minor_number);
	if (mknod(name, S_IFCHR | 0600, makedev(1, minor_number)) && errno != EEXIST)
		skip("only root can make a device");
	int fd = open(name, flags | O_CLOEXEC);
	if (fd < 0 && (errno == ENXIO || errno == ENODEV))
		skip("this kernel was built without this device (CONFIG_DEVMEM, CONFIG_DEVPORT)");
	must(fd >= 0);
	return fd;
}

static int open_memory(int flags)
{
	offset = 0xa0000;
	return open_node(1, flags);
}

static bool can_be_mapped(int fd)
{
	void *at = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	return at != MAP_FAILED && munmap(at, PAGE) == 0;
}

/* A BAR of a PCI device that the kernel lets be mapped. */
static int open_bar(int flags)
{
	const char *devices = "/sys/bus/pci/devices";
	DIR *directory = opendir(devices);
	struct dirent *entry;
	char path[512];

	while (directory && (entry = readdir(directory)))
		for (int bar = 0; bar < 6; bar++) {
			snprintf(path, sizeof(path), "%s/%s/resource%d", devices, entry->d_name,
				 bar);
			int fd = open(path, flags | O_CLOEXEC);
			if (fd >= 0 && can_be_mapped(fd))
				return fd;
			close(fd);
		}
	skip("no PCI device whose memory can be mapped");
}

/* ---- the ways to ask ---- */

typedef void *ask(void *at, int protection, int flags, int fd);

static void *by_mmap(void *at, int protection, int flags, int fd)
{
	return mmap(at, PAGE, protection, flags, fd, offset);
}

static void *by_mmap64(void *at, int protection, int flags, int fd)
{
	return mmap64(at, PAGE, protection, flags, fd, offset);
}

static void *by_number(void *at, int protection, int flags, int fd)
{
#ifdef __i386__
	return (void *)syscall(SYS_mmap2, at, PAGE, protection, flags, fd, offset / (off_t)PAGE);
#else
	return (void *)syscall(SYS_mmap, at, PAGE, protection, flags, fd, offset);
#endif
}

static void *by_old_number(void *at, int protection, int flags, int fd)
{
#ifdef __i386__
	unsigned long arguments[] = { (unsigned long)at,    PAGE, (unsigned long)protection,
				      (unsigned long)flags, fd,	  (unsigned long)offset };
	return (void *)syscall(SYS_mmap, arguments);
#else
	return by_number(at, protection, flags, fd);
#endif
}

static char *make_room(void)
{
	char *room = anonymous(PAGE);

	*room = 'r';
	return room;
}

static void refused(ask *how, int protection, int flags, int fd)
{
	char *room = make_room();
	void *at = how(flags & MAP_FIXED ? room : NULL, protection, flags, fd);

	promise(at == MAP_FAILED, "mapped with protection %d and flags %#x", protection, flags);
	promise(errno == EACCES, "protection %d and flags %#x: %s", protection, flags,
		strerror(errno));
	promise(*room == 'r', "what was there before is gone");
	must(munmap(room, PAGE) == 0);
}

static void every_way(int fd)
{
	static ask *const ways[] = { by_mmap, by_mmap64, by_number, by_old_number };
	static const int flags[] = { 0, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_POPULATE | MAP_LOCKED,
				     MAP_NORESERVE };

	for (size_t way = 0; way < COUNT(ways); way++)
		for (int protection = PROT_NONE; protection <= 7; protection++)
			for (size_t i = 0; i < COUNT(flags); i++) {
				refused(ways[way], protection, MAP_SHARED | flags[i], fd);
				refused(ways[way], protection, MAP_SHARED_VALIDATE | flags[i], fd);
			}
}

static void stays_readonly(void *at)
{
	promise(mprotect(at, PAGE, RW) && errno == EACCES, "a read-only mapping was made writable");
	promise(remap_file_pages(at, PAGE, RW, 0, 0) != 0, "remap_file_pages made it writable");
	remap_file_pages(at, PAGE, 0, 0, 0);
	void *twin = mremap(at, 0, PAGE, MREMAP_MAYMOVE);
	promise(twin == MAP_FAILED || (mprotect(twin, PAGE, PROT_WRITE) && errno == EACCES),
		"its double was made writable");
	void *moved = mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, make_room());
	promise(moved == MAP_FAILED || (mprotect(moved, PAGE, PROT_WRITE) && errno == EACCES),
		"once moved, it was made writable");
}

typedef int open_device(int flags);

/* Of a descriptor that can write. */
static void nothing_writable(const void *argument)
{
	open_device *const *open_it = argument;
	int fd = (*open_it)(O_RDWR);
	off_t position = 0xf0000;

	promise(lseek(fd, 0, SEEK_CUR) == 0, "the position is not 0 after open");
	must(lseek(fd, position, SEEK_SET) == position || (errno == EINVAL && !(position = 0)));
	every_way(fd);
	promise(lseek(fd, 0, SEEK_CUR) == position, "the position has changed");
}

/* Of one that cannot: what the kernel gives is given, and stays as it is. */
static void readonly_stays_so(const void *argument)
{
	open_device *const *open_it = argument;
	int fd = (*open_it)(O_RDONLY);
	void *at = mmap64(NULL, PAGE, PROT_READ, MAP_SHARED, fd, offset);

	if (at == MAP_FAILED)
		skip("the kernel maps nothing of it: %s", strerror(errno));
	stays_readonly(at);
	promise(mmap64(NULL, PAGE, RW, MAP_SHARED, fd, offset) == MAP_FAILED && errno == EACCES,
		"mapped writable");
}

/* A private one shows no store to anybody. */
static void private_is_given(const void *argument)
{
	open_device *const *open_it = argument;
	int fd = (*open_it)(O_RDWR);

	promise(mmap64(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, offset) != MAP_FAILED,
		"a private mapping: %s", strerror(errno));
}

PROMISE(M5, ports_are_refused)
{
	int fd = open_node(4, O_RDWR);

	promise(lseek(fd, 0, SEEK_CUR) == 0, "the position is not 0 after open");
	refused(by_mmap, RW, MAP_SHARED, fd);
}

/* A path is no descriptor to map: the kernel's own answer. */
CASE(path_is_not_mapped, HOLDS_BARE)
{
	int fd = open_node(1, O_PATH);

	promise(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EBADF,
		"a path: %s", strerror(errno));
}

/* Files of sysfs and procfs that are no memory: the kernel's own answer. */
PROMISE(M5, others_are_as_ever, HOLDS_BARE)
{
	int sysfs = open("/sys/kernel/mm/ksm/run", O_RDWR | O_CLOEXEC);
	int procfs = open("/proc/self/comm", O_RDWR | O_CLOEXEC);

	promise(sysfs < 0 || (mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, sysfs, 0) == MAP_FAILED &&
			      errno == ENODEV),
		"sysfs: %s", strerror(errno));
	must(procfs >= 0);
	promise(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, procfs, 0) == MAP_FAILED &&
			errno == ENODEV,
		"procfs: %s", strerror(errno));
}

CASE_OF("memory_nothing_writable", nothing_writable, AS(open_device *, open_memory))
CASE_OF("memory_readonly_stays_so", readonly_stays_so, AS(open_device *, open_memory), HOLDS_BARE)
CASE_OF("memory_private_is_given", private_is_given, AS(open_device *, open_memory), HOLDS_BARE)
CASE_OF("pci_nothing_writable", nothing_writable, AS(open_device *, open_bar))
CASE_OF("pci_readonly_stays_so", readonly_stays_so, AS(open_device *, open_bar), HOLDS_BARE)
CASE_OF("pci_private_is_given", private_is_given, AS(open_device *, open_bar), HOLDS_BARE)

CASES_MAIN
