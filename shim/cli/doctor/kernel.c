/* SPDX-License-Identifier: MIT */
/*
 * What the kernel offers.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/doctor/doctor.h"

/* From <linux/fs.h> of Linux 6.11 and 6.7: newer than the headers this may be built with. */
struct query_areas {
	__u64 size, flags, address;
	__u64 start, end, area_flags, page_size, offset, inode;
	__u32 dev_major, dev_minor, name_size, build_id_size;
	__u64 name, build_id;
};
#define QUERY_AREAS _IOWR('f', 17, struct query_areas)

struct scan_pages {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_PAGES _IOWR('f', 16, struct scan_pages)

static void try_areas(void)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	struct query_areas query = { .size = sizeof(query), .address = (uintptr_t)&query };

	if (fd < 0) {
		doctor_say(BROKEN, "/proc", "not mounted or not readable: %m");
		return;
	}
	if (!ioctl(fd, QUERY_AREAS, &query))
		doctor_say(WORKS, "PROCMAP_QUERY", "one mapping is found without reading them all");
	else
		doctor_say(ABSENT, "PROCMAP_QUERY", "%m; /proc/PID/maps is read instead");
	close(fd);
}

static void try_pages(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	long page = sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)&fd & ~((uintptr_t)page - 1);
	struct scan_pages scan = { .size = sizeof(scan),
				   .start = start,
				   .end = start + (uintptr_t)page };

	if (fd >= 0 && ioctl(fd, SCAN_PAGES, &scan) >= 0)
		doctor_say(WORKS, "PAGEMAP_SCAN", "for the page census");
	else
		doctor_say(ABSENT, "PAGEMAP_SCAN", "%m; /proc/PID/pagemap is read instead");
	close(fd);
}

/* Two pages change places, as a program with nonlinear mappings would have it. */
static void try_remap(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return;
	map[page] = 'x';
	if (!remap_file_pages(map, page, 0, 1, 0) && map[0] == 'x')
		doctor_say(WORKS, "remap_file_pages", "the kernel has it");
	else
		doctor_say(ABSENT, "remap_file_pages",
			   "%m; programs that need it fail, with mmfence as without");
	munmap(map, 2 * page);
}

static void try_memfd(void)
{
	int fd = memfd_create("mmfence-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	long long noexec = doctor_number("/proc/sys/vm/memfd_noexec");

	if (fd < 0 && errno == ENOSYS && !access("/dev/shm", W_OK)) {
		doctor_say(ABSENT, "memfd_create", "%s; copies in memory are files in /dev/shm",
			   strerror(ENOSYS));
		return;
	}
	if (fd < 0) {
		doctor_say(BROKEN, "memfd_create", "%m; copies have nowhere to go");
		return;
	}
	doctor_say(WORKS, "memfd_create", "copies in memory");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		doctor_say(ABSENT, "memfd seals", "%m");
	close(fd);
	if (noexec > 0)
		doctor_say(ABSENT, "vm.memfd_noexec",
			   "%lld: executable mappings cannot be copied into memory", noexec);
}

static void look_at_leases(void)
{
	long long enabled = doctor_number("/proc/sys/fs/leases-enable");
	long long seconds = doctor_number("/proc/sys/fs/lease-break-time");

	if (enabled == 1)
		doctor_say(WORKS, "fs.leases-enable", "1; a writer waits up to %lld s", seconds);
	else
		doctor_say(ABSENT, "fs.leases-enable",
			   "0: no snapshot can be guarded or proven, all are copied at once");
}

void doctor_kernel(void)
{
	struct utsname names;
	long page = sysconf(_SC_PAGESIZE);

	if (!uname(&names))
		doctor_say(WORKS, "kernel", "%s %s %s", names.sysname, names.release,
			   names.machine);
	doctor_say(page == 4096 ? WORKS : BROKEN, "page size", "%ld bytes", page);
	doctor_say(WORKS, "vm.max_map_count", "%lld areas",
		   doctor_number("/proc/sys/vm/max_map_count"));
	look_at_leases();
	try_memfd();
	try_areas();
	try_pages();
	try_remap();
}
