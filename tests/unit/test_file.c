/* SPDX-License-Identifier: MIT */
/*
 * M1, S7: a descriptor is judged by what it is.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernel/file.h"
#include "kernel/vma.h"
#include "support/sys.h"

static struct file identify(int fd)
{
	struct file file;

	cr_assert(fd >= 0, "%s", strerror(errno));
	cr_assert_eq(file_identify(fd, &file), 0);
	return file;
}

static enum file_kind kind_of(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	enum file_kind kind = identify(fd).kind;

	close(fd);
	return kind;
}

static int make_file(char *path)
{
	int fd;

	strcpy(path, "/tmp/mmfence-file.XXXXXX");
	fd = mkstemp(path);
	cr_assert(fd >= 0);
	return fd;
}

static bool would_show(enum file_kind kind, uint32_t filesystem, int64_t changed, int64_t now)
{
	struct file file = { .kind = kind, .filesystem = filesystem, .ctime_ns = changed };

	return file_change_would_show(&file, now);
}

Test(file, change_that_the_times_would_show)
{
	const int64_t second = 1000000000, odd = 100 * second + 4, even = 100 * second;
	struct utsname host;

	cr_assert(!uname(&host));
	bool fine = file_release_tells_all_changes(host.release);
	for (int64_t now = odd; now <= odd + 1; now++) {
		cr_expect_eq(would_show(FILE_ORDINARY, EXT4_SUPER_MAGIC, odd, now),
			     fine || now > odd);
		cr_expect_eq(would_show(FILE_ORDINARY, XFS_SUPER_MAGIC, odd, now),
			     fine || now > odd);
		cr_expect_eq(would_show(FILE_ORDINARY, BTRFS_SUPER_MAGIC, odd, now),
			     fine || now > odd);
		cr_expect_eq(would_show(FILE_ORDINARY, TMPFS_MAGIC, odd, now), fine || now > odd);
		cr_expect_eq(would_show(FILE_ORDINARY, F2FS_SUPER_MAGIC, odd, now), now > odd);
		cr_expect(!would_show(FILE_ORDINARY, NFS_SUPER_MAGIC, odd, now));
		cr_expect(!would_show(FILE_OTHER, EXT4_SUPER_MAGIC, odd, now));
	}
	for (int64_t late = 2 * second - 1; late <= 2 * second; late++) {
		cr_expect_eq(would_show(FILE_ORDINARY, EXT4_SUPER_MAGIC, even, even + late),
			     late == 2 * second);
		cr_expect_eq(would_show(FILE_ORDINARY, MSDOS_SUPER_MAGIC, odd, odd + late),
			     late == 2 * second);
	}
}

Test(file, kernels_with_finer_times)
{
	static const char *const with[] = { "6.13", "6.13.0-rc1", "6.20.1", "7.0", "7", "10.1.2" };
	static const char *const without[] = {
		"6.12.99", "6", "5.13", "5.20.1", "4.19", "6.9", ""
	};

	for (size_t i = 0; i < sizeof(with) / sizeof(*with); i++)
		cr_expect(file_release_tells_all_changes(with[i]), "%s", with[i]);
	for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++)
		cr_expect(!file_release_tells_all_changes(without[i]), "%s", without[i]);
}

Test(file, ordinary)
{
	char path[64];
	int fd = make_file(path);
	struct stat st;

	cr_assert_eq(write(fd, path, 10), 10);
	cr_assert_eq(fsync(fd), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	struct file file = identify(fd);
	cr_assert_eq(file.kind, FILE_ORDINARY);
	cr_assert_not(file.deleted);
	cr_assert_eq(file.size, 10);
	cr_assert_eq(file.blocks, st.st_blocks);
	cr_assert_eq(file.inode, st.st_ino);
	cr_assert_eq(file.device, (uint64_t)major(st.st_dev) << 32 | minor(st.st_dev));
	cr_assert_eq(file.mtime_ns, st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec);
	cr_assert_eq(file.ctime_ns, st.st_ctim.tv_sec * 1000000000LL + st.st_ctim.tv_nsec);
	cr_assert_eq(unlink(path), 0);
	cr_assert(identify(fd).deleted);
}

/* One with the mode and the emptiness of a memory file, which it is not. */
Test(file, empty_and_private)
{
	char path[64];
	int fd = make_file(path);

	cr_assert_eq(fchmod(fd, 0600), 0);
	cr_assert_eq(identify(fd).kind, FILE_ORDINARY);
	cr_assert_not(file_is_suspect(fd));
	unlink(path);
	/* nor has its file system a device */
	fd = unnamed_memory("file", 0);
	cr_assert_eq(fchmod(fd, 0600), 0);
	cr_assert_eq(identify(fd).kind, FILE_ORDINARY);
}

Test(file, anonymous)
{
	struct file file = identify(unnamed_memory("file", 0));

	cr_assert_eq(file.kind, FILE_ORDINARY);
	cr_assert(file.deleted);
}

Test(file, process_memory)
{
	char path[64];

	cr_assert_eq(kind_of("/proc/self/mem", O_RDONLY), FILE_PROCESS_MEMORY);
	cr_assert_eq(kind_of("/proc/self/mem", O_RDWR), FILE_PROCESS_MEMORY);
	cr_assert_eq(kind_of("/proc/thread-self/mem", O_WRONLY), FILE_PROCESS_MEMORY);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/mem", getpid(), getpid());
	cr_assert_eq(kind_of(path, O_RDONLY), FILE_PROCESS_MEMORY);
}

Test(file, owner_of_process_memory)
{
	char path[64];

	cr_assert_eq(identify(open("/proc/self/mem", O_RDONLY)).owner, getpid());
	snprintf(path, sizeof(path), "/proc/%d/mem", getppid());
	int fd = open(path, O_RDONLY);
	if (fd >= 0)
		cr_assert_eq(identify(fd).owner, getppid());
	cr_assert_eq(identify(open("/", O_RDONLY)).owner, -1);
}

Test(file, other_files_of_procfs)
{
	static const char *const names[] = { "maps", "status", "environ",   "auxv",   "pagemap",
					     "stat", "smaps",  "mountinfo", "cmdline" };
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", names[i]);
		cr_assert_eq(kind_of(path, O_RDONLY), FILE_OTHER, "%s", path);
	}
	cr_assert_eq(kind_of("/proc/version", O_RDONLY), FILE_OTHER);
	if (!access("/sys/kernel", F_OK))
		cr_assert_eq(kind_of("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY),
			     FILE_OTHER);
}

/* They have the mode and the emptiness of a memory file. */
Test(file, settings_for_root_alone)
{
	int fd = open("/proc/sys/kernel/cad_pid", O_WRONLY);

	if (fd < 0)
		cr_skip_test("only root can write settings");
	cr_assert(file_is_suspect(fd));
	cr_assert_eq(identify(fd).kind, FILE_OTHER);
	cr_assert_eq(identify(open("/proc/sys/kernel/cad_pid", O_RDWR)).kind, FILE_OTHER);
}

Test(file, neither_file_nor_memory)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(identify(ends[0]).kind, FILE_OTHER);
	cr_assert_eq(identify(socket(AF_UNIX, SOCK_STREAM, 0)).kind, FILE_OTHER);
	cr_assert_eq(kind_of("/", O_RDONLY), FILE_OTHER);
	cr_assert_eq(kind_of("/dev/null", O_RDWR), FILE_OTHER);
	cr_assert_eq(kind_of("/dev/zero", O_RDWR), FILE_OTHER);
}

Test(file, bad_descriptor)
{
	struct file file;

	cr_assert_eq(file_identify(-1, &file), -EBADF);
	cr_assert_eq(file_identify(12345, &file), -EBADF);
	cr_assert_not(file_is_suspect(12345));
	cr_assert_eq(file_device(12345), DEVICE_NONE);
}

/* M5: the program's own position stays. */
static void position_stays(const char *path, int flags, bool suspect)
{
	int fd = open(path, flags);

	cr_assert_eq(lseek(fd, 100, SEEK_SET), 100);
	cr_assert_eq(file_is_suspect(fd), suspect, "%s", path);
	identify(fd);
	file_device(fd);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 100);
	close(fd);
}

Test(file, memory_is_suspect)
{
	position_stays("/proc/self/mem", O_RDWR, true);
	position_stays("/proc/self/mem", O_WRONLY, true);
	position_stays("/etc/passwd", O_RDONLY, false);
	position_stays("/proc/self/status", O_RDONLY, false);
}

Test(file, what_may_be_a_device)
{
	char path[64];
	int fd = make_file(path);

	cr_assert_eq(file_device(fd), DEVICE_NONE);
	cr_assert_eq(file_device(unnamed_memory("file", 0)), DEVICE_NONE);
	cr_assert_eq(file_device(open("/dev/zero", O_RDWR)), DEVICE_NONE);
	cr_assert_eq(file_device(open("/", O_RDONLY)), DEVICE_NONE);
	int setting = open("/sys/kernel/mm/ksm/run", O_RDONLY);
	cr_assert(setting < 0 ||
		  file_device(setting) == DEVICE_IF_MAPPED); /* sysfs may not be there */
	cr_assert_eq(file_device(open("/proc/self/mem", O_RDWR)), DEVICE_IF_MAPPED);
	unlink(path);
}

Test(file, devices_by_number)
{
	static const struct {
		unsigned int minor;
		bool memory;
	} devices[] = { { 1, true },  { 2, true },  { 4, true },
			{ 3, false }, { 5, false }, { 8, false } };

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/tmp/mmfence-device.%d", getpid());
		if (mknod(path, S_IFCHR | 0600, makedev(1, devices[i].minor)))
			cr_skip_test("only root can make a device");
		int fd = open(path, O_PATH | O_CLOEXEC);
		unlink(path);
		cr_assert(fd >= 0);
		cr_assert_eq(identify(fd).kind, devices[i].memory ? FILE_DEVICE_MEMORY : FILE_OTHER,
			     "1:%u", devices[i].minor);
		cr_assert_eq(file_device(fd), DEVICE_NONE, "a path");
		cr_assert_not(file_is_suspect(fd), "a path");
		close(fd);
	}
}

/* S1: where a server, or a program, may change a file without this kernel's knowledge, a lease says
 * nothing. Whatever is not known is one of these. */
Test(S1, leases_are_trusted_where_this_kernel_sees_every_change)
{
	static const uint32_t kept[] = { 0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630 };
	static const struct {
		uint32_t magic;
		const char *name;
	} untrusted[] = {
		{ 0x6969, "NFS" },	     { 0x65735546, "FUSE" },	{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB" },	     { 0x01021997, "9p" },	{ 0x00c36400, "Ceph" },
		{ 0x5346414f, "AFS" },	     { 0x01161970, "GFS2" },	{ 0x7461636f, "OCFS2" },
		{ 0x786f4256, "vboxsf" },    { 0x9fa0, "procfs" },	{ 0x62656572, "sysfs" },
		{ 0x958458f6, "hugetlbfs" }, { 0x12345678, "unknown" },
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		cr_assert(filesystem_has(kept[i], KEEPS_LEASES), "%#x", kept[i]);
	for (size_t i = 0; i < sizeof(untrusted) / sizeof(*untrusted); i++)
		cr_assert(!filesystem_has(untrusted[i].magic, KEEPS_LEASES), "%s",
			  untrusted[i].name);
}

/* Whatever another thread of the program starts meanwhile does not inherit it. */
Test(file, what_is_opened_is_closed_on_exec)
{
	int fd = sys_open("/dev/null", O_RDONLY, 0);

	cr_assert_geq(fd, 0);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

Test(file, what_is_read_ends_in_a_nul)
{
	char text[64];

	memset(text, 'x', sizeof(text));
	long length = sys_read_file("/proc/sys/kernel/ostype", text, sizeof(text));
	cr_assert_eq(length, 6);
	cr_expect_str_eq(text, "Linux\n");
}

/* Lines that go over the end of the buffer, at each place. */
Test(file, lines_are_read_whole)
{
	char path[] = "/tmp/mmfence-lines.XXXXXX", buffer[64], wanted[64], *line;
	int file = mkstemp(path), count = 0;
	struct proc_text text;

	unlink(path);
	for (int i = 0; i < 200; i++)
		dprintf(file, "%d%.*s\n", i, i % 23, "abcdefghijklmnopqrstuvwxyz");
	proc_text_begin(&text, file, buffer, sizeof(buffer));
	while ((line = proc_text_next(&text))) {
		snprintf(wanted, sizeof(wanted), "%d%.*s", count, count % 23,
			 "abcdefghijklmnopqrstuvwxyz");
		cr_assert_str_eq(line, wanted);
		count++;
	}
	cr_expect_eq(count, 200);
	proc_text_end(&text);
}

/* Where nothing is told of what is allocated, no more than there is of it. */
Test(file, bytes_end_where_the_file_does)
{
	struct file file = { .size = 5000, .blocks = 1000, .filesystem = TMPFS_MAGIC };

	cr_expect_eq(file_bytes_at_most(&file, 0, 4096), 4096);
	cr_expect_eq(file_bytes_at_most(&file, 4096, 8192), 904);
	cr_expect_eq(file_bytes_at_most(&file, 4096, INT64_MIN), 904);
	cr_expect_eq(file_bytes_at_most(&file, 8192, 12288), 0);
}
