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

#define ON_DISK (KEEPS_LEASES | TELLS_CHANGES | TIMES_STORES)

static const struct {
	uint32_t magic;
	unsigned int traits;
	const char *name;
} file_systems[] = {
	{ EXT4_SUPER_MAGIC, ON_DISK | TELLS_BLOCKS, "ext2/3/4" },
	{ XFS_SUPER_MAGIC, ON_DISK | TELLS_BLOCKS, "XFS" },
	{ BTRFS_SUPER_MAGIC, ON_DISK, "btrfs" },
	{ TMPFS_MAGIC, KEEPS_LEASES | TELLS_CHANGES | TELLS_BLOCKS, "tmpfs" },
	{ RAMFS_MAGIC, KEEPS_LEASES, "ramfs" },
	{ OVERLAYFS_SUPER_MAGIC, KEEPS_LEASES, "overlayfs" },
	{ F2FS_SUPER_MAGIC, KEEPS_LEASES, "F2FS" },
	{ SQUASHFS_MAGIC, KEEPS_LEASES, "squashfs" },
	{ ISOFS_SUPER_MAGIC, KEEPS_LEASES, "ISO 9660" },
	{ MSDOS_SUPER_MAGIC, KEEPS_LEASES | COARSE_TIMES, "FAT" },
	{ MAGIC_EROFS, KEEPS_LEASES, "EROFS" },
	{ MAGIC_BCACHEFS, KEEPS_LEASES, "bcachefs" },
	{ MAGIC_ZFS, KEEPS_LEASES, "ZFS" },
	{ MAGIC_EXFAT, KEEPS_LEASES | COARSE_TIMES, "exFAT" },
	{ MAGIC_NTFS3, KEEPS_LEASES, "NTFS" },
	{ NFS_SUPER_MAGIC, 0, "NFS" },
	{ MAGIC_CIFS, 0, "CIFS" },
	{ MAGIC_SMB2, 0, "SMB" },
	{ V9FS_MAGIC, 0, "9p" },
	{ MAGIC_CEPH, 0, "Ceph" },
	{ AFS_SUPER_MAGIC, 0, "AFS" },
	{ AFS_FS_MAGIC, 0, "AFS" },
	{ MAGIC_GFS2, 0, "GFS2" },
	{ MAGIC_OCFS2, 0, "OCFS2" },
	{ MAGIC_VBOXSF, 0, "vboxsf" },
	{ MAGIC_FUSE, 0, "FUSE" },
	{ MAGIC_MQUEUE, 0, "mqueue" },
	{ PROC_SUPER_MAGIC, NO_FILES, "procfs" },
	{ SYSFS_MAGIC, NO_FILES, "sysfs" },
	{ DEBUGFS_MAGIC, NO_FILES, "debugfs" },
	{ TRACEFS_MAGIC, NO_FILES, "tracefs" },
	{ SECURITYFS_MAGIC, NO_FILES, "securityfs" },
	{ CGROUP_SUPER_MAGIC, NO_FILES, "cgroup" },
	{ CGROUP2_SUPER_MAGIC, NO_FILES, "cgroup2" },
	{ HUGETLBFS_MAGIC, NO_FILES, "hugetlbfs" },
	{ DEVPTS_SUPER_MAGIC, NO_FILES, "devpts" },
	{ ANON_INODE_FS_MAGIC, NO_FILES, "anon_inodefs" },
};

#define COUNT (sizeof(file_systems) / sizeof(*file_systems))

static size_t find(uint32_t magic)
{
	size_t i = 0;

	while (i < COUNT && file_systems[i].magic != magic)
		i++;
	return i;
}

bool filesystem_has(uint32_t magic, unsigned int trait)
{
	size_t i = find(magic);

	return i < COUNT && file_systems[i].traits & trait;
}

const char *filesystem_name(uint32_t magic)
{
	size_t i = find(magic);

	return i < COUNT ? file_systems[i].name : NULL;
}
