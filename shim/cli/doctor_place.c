/* SPDX-License-Identifier: MIT */
/*
 * What works on a file system: tried with a small file that has no name for longer
 * than the trial takes. A file that somebody else owns is opened for reading only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

static const struct {
	long magic;
	const char *name;
} file_systems[] = {
	{ EXT4_SUPER_MAGIC, "ext2/3/4" },	{ XFS_SUPER_MAGIC, "XFS" },
	{ BTRFS_SUPER_MAGIC, "btrfs" },		{ TMPFS_MAGIC, "tmpfs" },
	{ OVERLAYFS_SUPER_MAGIC, "overlayfs" }, { NFS_SUPER_MAGIC, "NFS" },
	{ FUSE_SUPER_MAGIC, "FUSE" },		{ F2FS_SUPER_MAGIC, "F2FS" },
	{ PROC_SUPER_MAGIC, "procfs" },		{ SYSFS_MAGIC, "sysfs" },
};

static void say_file_system(const char *directory)
{
	struct statfs fs;

	if (statfs(directory, &fs)) {
		doctor_say(BROKEN, "directory", "%s: %m", directory);
		return;
	}
	for (size_t i = 0; i < sizeof(file_systems) / sizeof(*file_systems); i++) {
		if ((unsigned long)file_systems[i].magic != (unsigned long)fs.f_type)
			continue;
		doctor_say(WORKS, "directory", "%s, on %s", directory, file_systems[i].name);
		return;
	}
	doctor_say(WORKS, "directory", "%s, on a file system of type 0x%lx", directory,
		   (unsigned long)fs.f_type);
}

/* 0 when a read lease was granted (and given back), or an errno. */
static int try_lease(int fd)
{
	int error = fcntl(fd, F_SETLEASE, F_RDLCK) ? errno : 0;

	if (!error)
		fcntl(fd, F_SETLEASE, F_UNLCK);
	return error;
}

static void lease_in(const char *directory)
{
	char *name = format_text("%s/.mmfence-doctor.XXXXXX", directory);
	int writer = mkostemp(name, O_CLOEXEC);

	if (writer < 0) {
		doctor_say(ABSENT, "leases here", "cannot be tried, as no file can be made: %m");
		free(name);
		return;
	}
	int reader = open(name, O_RDONLY | O_CLOEXEC);
	close(writer);
	int error = reader < 0 ? errno : try_lease(reader);
	unlink(name);
	close(reader);
	free(name);
	if (error)
		doctor_say(ABSENT, "leases here", "%s; every snapshot is copied at once",
			   strerror(error));
	else
		doctor_say(WORKS, "leases here", "granted; snapshots can be proven");
}

static void clones_in(const char *directory)
{
	int from = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int to = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char block[4096] = "mmfence";

	if (from < 0 || to < 0)
		doctor_say(ABSENT, "files without a name", "%m (O_TMPFILE)");
	else
		doctor_say(WORKS, "files without a name", "O_TMPFILE");
	if (from >= 0 && to >= 0 && write(from, block, sizeof(block)) == sizeof(block)) {
		if (ioctl(to, FICLONE, from))
			doctor_say(ABSENT, "reflink clones", "%m; copies are made in memory");
		else
			doctor_say(WORKS, "reflink clones", "FICLONE");
	}
	close(from);
	close(to);
}

void doctor_directory(const char *directory)
{
	say_file_system(directory);
	lease_in(directory);
	clones_in(directory);
}

static void say_lease(int error)
{
	switch (error) {
	case 0:
		doctor_say(WORKS, "lease on it", "granted; its snapshots can be proven");
		break;
	case EAGAIN:
		doctor_say(ABSENT, "lease on it",
			   "somebody has it open for writing; its snapshots can be verified only");
		break;
	case EACCES:
		doctor_say(ABSENT, "lease on it",
			   "it is somebody else's; its snapshots can be verified only");
		break;
	default:
		doctor_say(ABSENT, "lease on it", "%s; its snapshots can be verified only",
			   strerror(error));
	}
}

void doctor_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st)) {
		doctor_say(BROKEN, "file", "%s: %m", path);
		return;
	}
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		doctor_say(WORKS, "file", "%s, %lld bytes", path, (long long)st.st_size);
	else
		doctor_say(ABSENT, "file", "%s is no regular file, and gets no snapshots", path);
	if (S_ISREG(st.st_mode))
		say_lease(try_lease(fd));
	close(fd);
}
