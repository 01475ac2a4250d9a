/* SPDX-License-Identifier: MIT */
/*
 * Telling files apart: see file.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel/file.h"
#include "kernel/raw.h"
#include "support/text.h"

#ifndef BLKGETSIZE64
#define BLKGETSIZE64 _IOR(0x12, 114, size_t)
#endif
#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif
#define HUGETLBFS_SUPER 0x958458f6
#define MEM_MAJOR	1

static int64_t nanoseconds(const struct statx_timestamp *t)
{
	return t->tv_sec * 1000000000 + t->tv_nsec;
}

static bool device_is_memory(uint32_t major, uint32_t minor)
{
	return major == MEM_MAJOR && (minor == 1 || minor == 2 || minor == 4);
}

/* The magic number, or 0; and whether the mount is noexec. */
static int32_t filesystem_magic(int fd, bool *noexec)
{
#ifdef __x86_64__
	struct statfs st;
	long r = raw(SYS_fstatfs, fd, &st);
#else
	struct statfs64 st;
	long r = raw(SYS_fstatfs64, fd, 84, &st);
#endif
	if (noexec)
		*noexec = !r && st.f_flags & ST_NOEXEC;
	return r ? 0 : (int32_t)st.f_type;
}

static bool there_and_back(int fd, int64_t far)
{
	int64_t before = raw_lseek(fd, 0, SEEK_CUR);
	bool yes = raw_lseek(fd, far, SEEK_SET) == far;

	if (yes)
		raw_lseek(fd, before, SEEK_SET);
	return yes;
}

/* /proc/PID/mem and no other file of procfs takes positions that are negative. A fresh
 * description is asked, so that the program's own position stays where it is. */
static bool takes_any_position(int fd)
{
	char path[40];
	struct text text;
	int64_t far = INT64_MIN;

	text_init(&text, path, sizeof(path));
	text_add(&text, "/proc/self/fd/");
	text_add_uint(&text, (unsigned int)fd);
	int fresh = raw_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fresh == -ENOENT) /* no /proc in sight: then the position goes there and back */
		return there_and_back(fd, far);
	if (fresh < 0)
		return false;
	bool yes = raw_lseek(fresh, far, SEEK_SET) == far;
	raw_close(fresh);
	return yes;
}

static bool number(const char *from, const char *to)
{
	if (from == to)
		return false;
	for (; from < to; from++)
		if (*from < '0' || *from > '9')
			return false;
	return true;
}

/* ".../PID/mem" or ".../PID/task/TID/mem": the last number before it; -1 if it is neither. */
static int32_t owner_of(const char *path)
{
	const char *end = path + strlen(path) - 4, *start = end;
	int32_t pid = 0;

	if (end <= path || strcmp(end, "/mem"))
		return -1;
	while (start > path && start[-1] != '/')
		start--;
	if (!number(start, end))
		return -1;
	for (; start < end; start++)
		pid = pid * 10 + (*start - '0');
	return pid;
}

/* The mode is fixed by procfs and no chmod changes it; the name may be hidden by a bind mount,
 * and opening anew may be forbidden: either will do. */
static bool is_process_memory(int fd, const struct statx *st, int32_t *owner)
{
	char path[256];

	*owner = -1;
	if (!S_ISREG(st->stx_mode) || (st->stx_mode & 07777) != 0600 || st->stx_size ||
	    st->stx_dev_major)
		return false;
	if (filesystem_magic(fd, NULL) != PROC_SUPER_MAGIC)
		return false;
	if (raw_fd_path(fd, path, sizeof(path)) > 0)
		*owner = owner_of(path);
	return *owner >= 0 || takes_any_position(fd);
}

static enum file_kind regular_kind(int fd, const struct statx *st, struct file *out)
{
	if (st->stx_attributes & STATX_ATTR_DAX)
		return FILE_OTHER;
	out->filesystem = (uint32_t)filesystem_magic(fd, &out->noexec);
	switch (out->filesystem) {
	case 0:
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case SECURITYFS_MAGIC:
	case HUGETLBFS_SUPER:
	case DEVPTS_SUPER_MAGIC:
	case ANON_INODE_FS_MAGIC:
		return FILE_OTHER;
	default:
		return FILE_ORDINARY;
	}
}

static enum file_kind kind_of(int fd, const struct statx *st, struct file *out)
{
	switch (st->stx_mode & S_IFMT) {
	case S_IFREG:
		return is_process_memory(fd, st, &out->owner) ? FILE_PROCESS_MEMORY
							      : regular_kind(fd, st, out);
	case S_IFBLK:
		return FILE_BLOCK;
	case S_IFCHR:
		return device_is_memory(st->stx_rdev_major, st->stx_rdev_minor) ? FILE_DEVICE_MEMORY
										: FILE_OTHER;
	default:
		return FILE_OTHER;
	}
}

static int64_t block_device_size(int fd)
{
	uint64_t size = 0;

	return raw(SYS_ioctl, fd, BLKGETSIZE64, &size) ? 0 : (int64_t)size;
}

int file_identify(int fd, struct file *out)
{
	struct statx st;
	int r = raw_fstat(fd, &st);

	if (r)
		return r;
	*out = (struct file){
		.owner = -1,
		.deleted = st.stx_nlink == 0,
		.device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
		.inode = st.stx_ino,
		.size = (int64_t)st.stx_size,
		.blocks = (int64_t)st.stx_blocks,
		.mtime_ns = nanoseconds(&st.stx_mtime),
		.ctime_ns = nanoseconds(&st.stx_ctime),
	};
	out->kind = kind_of(fd, &st, out);
	if (out->kind == FILE_BLOCK) {
		out->size = block_device_size(fd);
		out->blocks = out->size / 512;
		out->device = (uint64_t)st.stx_rdev_major << 32 | st.stx_rdev_minor;
	}
	return 0;
}

int file_at(int directory, const char *path, struct file *out)
{
	struct statx st;
	int r = (int)raw(SYS_statx, directory, path, path[0] ? 0 : AT_EMPTY_PATH, STATX_INO, &st);

	*out = (struct file){
		.device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
		.inode = st.stx_ino,
	};
	return r;
}

static bool blocks_tell(uint32_t filesystem)
{
	return filesystem == EXT4_SUPER_MAGIC || filesystem == XFS_SUPER_MAGIC ||
	       filesystem == TMPFS_MAGIC;
}

uint64_t file_bytes_at_most(const struct file *file, int64_t start, int64_t end)
{
	uint64_t allocated = (uint64_t)file->blocks * 512;

	if (end > file->size || end < start)
		end = file->size;
	if (start >= end)
		return 0;
	uint64_t bytes = (uint64_t)(end - start);
	return blocks_tell(file->filesystem) && allocated < bytes ? allocated : bytes;
}

bool file_fresh_is_suspect(int fd)
{
	int64_t far = INT64_MIN;
	int64_t at = raw_lseek(fd, far, SEEK_SET);

	/* Device memory refuses the highest addresses, and so negative positions, in a way of its
	 * own. */
	if (at == -EOVERFLOW)
		return true;
	if (at != far)
		return false;
	raw_lseek(fd, 0, SEEK_SET);
	return true;
}

bool file_is_device_memory(int fd)
{
	struct statx st;

	return !raw_fstat(fd, &st) && S_ISCHR(st.stx_mode) &&
	       device_is_memory(st.stx_rdev_major, st.stx_rdev_minor);
}
