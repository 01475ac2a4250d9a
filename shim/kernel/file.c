/* SPDX-License-Identifier: MIT */
/*
 * Telling files apart: see file.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel/file.h"
#include "support/sys.h"
#include "support/text.h"

#define MEM_MAJOR 1

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
	struct statfs64 st;
	int r = sys_fstatfs(fd, &st);

	if (noexec)
		*noexec = !r && st.f_flags & ST_NOEXEC;
	return r ? 0 : (int32_t)st.f_type;
}

/* /proc/PID/mem and no other file of procfs takes positions that are negative. sendfile looks at
 * the position that it reads from, EINVAL, before the descriptor that it writes to, EBADF: nothing
 * is read and no position moves. A descriptor that cannot read is EBADF too; there it helps that
 * memory does not look for data, and settings (ENXIO) do. */
static bool takes_any_position(int fd)
{
	int64_t far = INT64_MIN;

	return sys_sendfile(-1, fd, &far, 1) == -EBADF && sys_lseek(fd, 0, SEEK_DATA) == -EINVAL;
}

/* ".../PID/mem" or ".../PID/task/TID/mem": the last number before it; -1 if it is neither. */
static int32_t owner_of(const char *path)
{
	const char *end = path + strlen(path) - 4, *start = end;
	uint64_t pid;

	if (end <= path || strcmp(end, "/mem"))
		return -1;
	while (start > path && start[-1] != '/')
		start--;
	return start < end && text_read_number(start, 10, &pid) == end ? (int32_t)pid : -1;
}

/* The mode is fixed by procfs, and no chmod changes it. */
static bool looks_like_process_memory(const struct statx *st)
{
	return st->stx_mode == (S_IFREG | 0600) && !st->stx_size && !st->stx_dev_major;
}

/* The name may be hidden by a bind mount. */
static bool is_process_memory(int fd, const struct statx *st, int32_t *owner)
{
	char path[256];

	*owner = -1;
	if (!looks_like_process_memory(st))
		return false;
	if (filesystem_magic(fd, NULL) != PROC_SUPER_MAGIC)
		return false;
	if (sys_fd_path(fd, path, sizeof(path)) > 0)
		*owner = owner_of(path);
	return *owner >= 0 || takes_any_position(fd);
}

static enum file_kind regular_kind(int fd, const struct statx *st, struct file *out)
{
	if (st->stx_attributes & STATX_ATTR_DAX)
		return FILE_OTHER;
	out->filesystem = (uint32_t)filesystem_magic(fd, &out->noexec);
	return !out->filesystem || filesystem_has(out->filesystem, NO_FILES) ? FILE_OTHER
									     : FILE_ORDINARY;
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

	return sys_ioctl(fd, BLKGETSIZE64, &size) ? 0 : (int64_t)size;
}

#define SUBVOLUME_AT 0xa0 /* linux/stat.h has it as stx_subvol since 6.10 */

static uint64_t subvolume(const struct statx *st)
{
	uint64_t id = 0;

	if (st->stx_mask & STATX_SUBVOL)
		memcpy(&id, (const char *)st + SUBVOLUME_AT, sizeof(id));
	return id;
}

static struct file described(const struct statx *st)
{
	bool device = S_ISBLK(st->stx_mode);

	return (struct file){
		.owner = -1,
		.deleted = st->stx_nlink == 0,
		.device = (uint64_t)(device ? st->stx_rdev_major : st->stx_dev_major) << 32 |
			  (device ? st->stx_rdev_minor : st->stx_dev_minor),
		.inode = st->stx_ino,
		.subvolume = subvolume(st),
		.size = (int64_t)st->stx_size,
		.blocks = (int64_t)st->stx_blocks,
		.mtime_ns = nanoseconds(&st->stx_mtime),
		.ctime_ns = nanoseconds(&st->stx_ctime),
	};
}

int file_identify(int fd, struct file *out)
{
	struct statx st;
	int r = sys_fstat(fd, &st);

	if (r)
		return r;
	*out = described(&st);
	out->kind = kind_of(fd, &st, out);
	if (out->kind == FILE_BLOCK) {
		out->size = block_device_size(fd);
		out->blocks = out->size / 512;
	}
	return 0;
}

int file_at(int directory, const char *path, struct file *out)
{
	struct statx st;
	int r = sys_statx(directory, path, path[0] ? 0 : AT_EMPTY_PATH,
			  STATX_BASIC_STATS | STATX_SUBVOL, &st);

	*out = r ? (struct file){ .owner = -1 } : described(&st);
	return r;
}

int file_is(int directory, const char *path, const struct file_id *id, struct file *now)
{
	int r = file_at(directory, path, now);

	return r || file_id_equals(&now->id, id) ? r : -ESTALE;
}

int file_open_same(const char *path, const struct file_id *id)
{
	struct file now;
	int r = file_is(AT_FDCWD, path, id, &now);
	int fd = r ? r : sys_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0 || !(r = file_is(fd, "", id, &now)))
		return fd;
	sys_close(fd);
	return r;
}

bool file_release_tells_all_changes(const char *release)
{
	uint64_t major, minor = 0;
	const char *at = text_read_number(release, 10, &major);

	if (*at == '.')
		text_read_number(at + 1, 10, &minor);
	return major > 6 || (major == 6 && minor >= 13);
}

static bool kernel_tells_all_changes(void)
{
	struct utsname name;

	return !sys_uname(&name) && file_release_tells_all_changes(name.release);
}

#define SECOND 1000000000LL

/* No program can set ctime. Where it is in whole seconds the file system has nothing finer (ext4
 * with inodes of 128 bytes), or it is FAT, which has every other second. Else it is a tick of the
 * coarse clock. A server has a clock of its own. */
bool file_change_would_show(const struct file *file, int64_t now)
{
	if (file->kind != FILE_ORDINARY || !filesystem_has(file->filesystem, KEEPS_LEASES))
		return false;
	if (file->ctime_ns % SECOND == 0 || filesystem_has(file->filesystem, COARSE_TIMES))
		return now - file->ctime_ns >= 2 * SECOND;
	return file->ctime_ns < now ||
	       (filesystem_has(file->filesystem, TELLS_CHANGES) && kernel_tells_all_changes());
}

bool file_is_unchanged(const struct file_version *before, const struct file_version *after)
{
	return before->size == after->size && before->mtime_ns == after->mtime_ns &&
	       before->ctime_ns == after->ctime_ns;
}

bool file_id_equals(const struct file_id *a, const struct file_id *b)
{
	return a->device == b->device && a->inode == b->inode && a->subvolume == b->subvolume;
}

uint64_t file_bytes_at_most(const struct file *file, int64_t start, int64_t end)
{
	uint64_t allocated = (uint64_t)file->blocks * 512;

	if (end > file->size || end < start)
		end = file->size;
	if (start >= end)
		return 0;
	uint64_t bytes = (uint64_t)(end - start);
	return filesystem_has(file->filesystem, TELLS_BLOCKS) && allocated < bytes ? allocated
										   : bytes;
}

/* A file that has bytes allocated shows no memory, nor does what is no more than a path (O_PATH).
 * One call that changes nothing, and that the kernel answers itself for whatever is no file. */
static bool shows_no_memory(int fd)
{
	int64_t bytes = 0;
	long r = sys_ioctl(fd, FIOQSIZE, &bytes);

	return r ? r == -EBADF : bytes;
}

/* Not the times: a file whose times were looked at pays for finer ones at its next write. */
#define LOOK_MASK (STATX_TYPE | STATX_MODE | STATX_SIZE | STATX_BLOCKS)

/* The others, as far as is known without asking those that keep them (network, FUSE). */
static bool may_show_memory(int fd, struct statx *st)
{
	return !shows_no_memory(fd) &&
	       !sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, LOOK_MASK, st);
}

bool file_is_suspect(int fd)
{
	struct statx st;

	if (!may_show_memory(fd, &st))
		return false;
	return S_ISCHR(st.stx_mode) ? device_is_memory(st.stx_rdev_major, st.stx_rdev_minor)
				    : looks_like_process_memory(&st);
}

enum file_device file_device(int fd)
{
	struct statx st;

	if (!may_show_memory(fd, &st))
		return DEVICE_NONE;
	if (S_ISCHR(st.stx_mode))
		return device_is_memory(st.stx_rdev_major, st.stx_rdev_minor) ? DEVICE_MEMORY
									      : DEVICE_NONE;
	if (!S_ISREG(st.stx_mode) || st.stx_dev_major || st.stx_blocks)
		return DEVICE_NONE;
	int32_t magic = filesystem_magic(fd, NULL);
	return magic == SYSFS_MAGIC || magic == PROC_SUPER_MAGIC ? DEVICE_IF_MAPPED : DEVICE_NONE;
}
