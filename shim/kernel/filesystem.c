/* SPDX-License-Identifier: MIT */
/*
 * What is known of file systems by their magic numbers. Tables only; the library and the command
 * share them.
 */
#include <linux/magic.h>
#include <stddef.h>

#include "kernel/file.h"

/* <linux/magic.h> has these only in newer versions, or not at all. */
#define MAGIC_BCACHEFS 0xca451a4e
#define MAGIC_CEPH     0x00c36400
#define MAGIC_CIFS     0xff534d42
#define MAGIC_EROFS    0xe0f5e1e2
#define MAGIC_EXFAT    0x2011bab0
#define MAGIC_FUSE     0x65735546
#define MAGIC_GFS2     0x01161970
#define MAGIC_MQUEUE   0x19800202
#define MAGIC_NTFS3    0x7366746e
#define MAGIC_OCFS2    0x7461636f
#define MAGIC_SMB2     0xfe534d42
#define MAGIC_VBOXSF   0x786f4256
#define MAGIC_ZFS      0x2fc12fc1

enum leases { UNTRUSTED, KEPT };

static const struct {
	uint32_t magic;
	enum leases leases;
	const char *name;
} file_systems[] = {
	{ EXT4_SUPER_MAGIC, KEPT, "ext2/3/4" },
	{ XFS_SUPER_MAGIC, KEPT, "XFS" },
	{ BTRFS_SUPER_MAGIC, KEPT, "btrfs" },
	{ TMPFS_MAGIC, KEPT, "tmpfs" },
	{ RAMFS_MAGIC, KEPT, "ramfs" },
	{ OVERLAYFS_SUPER_MAGIC, KEPT, "overlayfs" },
	{ F2FS_SUPER_MAGIC, KEPT, "F2FS" },
	{ SQUASHFS_MAGIC, KEPT, "squashfs" },
	{ ISOFS_SUPER_MAGIC, KEPT, "ISO 9660" },
	{ MSDOS_SUPER_MAGIC, KEPT, "FAT" },
	{ MAGIC_EROFS, KEPT, "EROFS" },
	{ MAGIC_BCACHEFS, KEPT, "bcachefs" },
	{ MAGIC_ZFS, KEPT, "ZFS" },
	{ MAGIC_EXFAT, KEPT, "exFAT" },
	{ MAGIC_NTFS3, KEPT, "NTFS" },
	{ NFS_SUPER_MAGIC, UNTRUSTED, "NFS" },
	{ MAGIC_CIFS, UNTRUSTED, "CIFS" },
	{ MAGIC_SMB2, UNTRUSTED, "SMB" },
	{ V9FS_MAGIC, UNTRUSTED, "9p" },
	{ MAGIC_CEPH, UNTRUSTED, "Ceph" },
	{ AFS_SUPER_MAGIC, UNTRUSTED, "AFS" },
	{ AFS_FS_MAGIC, UNTRUSTED, "AFS" },
	{ MAGIC_GFS2, UNTRUSTED, "GFS2" },
	{ MAGIC_OCFS2, UNTRUSTED, "OCFS2" },
	{ MAGIC_VBOXSF, UNTRUSTED, "vboxsf" },
	{ MAGIC_FUSE, UNTRUSTED, "FUSE" },
	{ MAGIC_MQUEUE, UNTRUSTED, "mqueue" },
	{ PROC_SUPER_MAGIC, UNTRUSTED, "procfs" },
	{ SYSFS_MAGIC, UNTRUSTED, "sysfs" },
	{ DEBUGFS_MAGIC, UNTRUSTED, "debugfs" },
	{ TRACEFS_MAGIC, UNTRUSTED, "tracefs" },
	{ SECURITYFS_MAGIC, UNTRUSTED, "securityfs" },
	{ CGROUP_SUPER_MAGIC, UNTRUSTED, "cgroup" },
	{ CGROUP2_SUPER_MAGIC, UNTRUSTED, "cgroup2" },
	{ HUGETLBFS_MAGIC, UNTRUSTED, "hugetlbfs" },
	{ DEVPTS_SUPER_MAGIC, UNTRUSTED, "devpts" },
};

#define COUNT (sizeof(file_systems) / sizeof(*file_systems))

static size_t find(uint32_t magic)
{
	size_t i = 0;

	while (i < COUNT && file_systems[i].magic != magic)
		i++;
	return i;
}

bool filesystem_keeps_leases(uint32_t magic)
{
	size_t i = find(magic);

	return i < COUNT && file_systems[i].leases == KEPT;
}

bool filesystem_is_fat(uint32_t magic)
{
	return magic == MSDOS_SUPER_MAGIC || magic == MAGIC_EXFAT;
}

/* tmpfs lets who has read a page store to it, ZFS sets the times when it writes the page out, and
 * what is below overlayfs is unknown. */
bool filesystem_times_stores(uint32_t magic)
{
	return magic == EXT4_SUPER_MAGIC || magic == XFS_SUPER_MAGIC || magic == BTRFS_SUPER_MAGIC;
}

const char *filesystem_name(uint32_t magic)
{
	size_t i = find(magic);

	return i < COUNT ? file_systems[i].name : NULL;
}
