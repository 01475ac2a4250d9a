/* SPDX-License-Identifier: MIT */
/*
 * What is behind a descriptor. Judged by what was opened, never by the path that
 * was asked for: a link may have been switched in between.
 */
#ifndef MMFENCE_KERNEL_FILE_H
#define MMFENCE_KERNEL_FILE_H

#include <stdbool.h>
#include <stdint.h>

enum file_kind {
	FILE_ORDINARY,	     /* a regular file that mappings can be captured from */
	FILE_BLOCK,	     /* a block device */
	FILE_PROCESS_MEMORY, /* /proc/PID/mem, /proc/PID/task/TID/mem */
	FILE_DEVICE_MEMORY,  /* /dev/mem, /dev/kmem, /dev/port */
	FILE_OTHER /* anything else: hugetlbfs, DAX, procfs, sysfs, character devices, … */
};

/* Which file. */
struct file_id {
	uint64_t device; /* major << 32 | minor */
	uint64_t inode;
	uint64_t
		subvolume; /* where files of several share a device and their inode numbers, or 0 */
};

/* Which content, as far as is told from outside. */
struct file_version {
	int64_t size;		    /* of a block device too */
	int64_t mtime_ns, ctime_ns; /* since the epoch */
};

struct file {
	enum file_kind kind;
	bool deleted; /* no name left at the time of asking */
	union {
		struct file_id id;
		struct {
			uint64_t device, inode, subvolume;
		};
	};
	union {
		struct file_version version;
		struct {
			int64_t size, mtime_ns, ctime_ns;
		};
	};
	int64_t blocks;	     /* of 512 bytes, allocated */
	bool noexec;	     /* an ordinary file on a mount without execution */
	uint32_t filesystem; /* magic, of an ordinary file */
	int32_t owner;	     /* of process memory: its pid as this procfs has it, or -1 */
};

/* 0, or -errno. Two system calls for an ordinary file. */
int file_identify(int fd, struct file *out);

/* The same but for the kind and the file system, which take more: of what has that name ("": the
 * descriptor itself). 0, or -errno. */
int file_at(int directory, const char *path, struct file *out);

/* The same, if it is that one: 0; -ESTALE if it is another, or -errno. */
int file_is(int directory, const char *path, const struct file_id *id, struct file *now);

/* By its name, if that is still its own: nothing else is opened, least of all a device or a pipe. A
 * descriptor for reading; -ESTALE when another one has the name, or -errno. */
int file_open_same(const char *path, const struct file_id *id);

bool file_id_equals(const struct file_id *a, const struct file_id *b);
bool file_is_unchanged(const struct file_version *before, const struct file_version *after);

/* Whether a change after this look, which was made when the kernel's coarse clock showed now, is
 * sure to show in the file's times. */
bool file_change_would_show(const struct file *file, int64_t now);

/* Linux 6.13 gives a file whose times were looked at finer ones at its next change. */
bool file_release_tells_all_changes(const char *release);

/* How much of [start, end) a copy takes at the most: holes are left out where the file system tells
 * them apart from data that it keeps compressed, or somewhere else. */
uint64_t file_bytes_at_most(const struct file *file, int64_t start, int64_t end);

/* Neither of these opens anything or moves a position, and one cheap system call is enough for
 * nearly every file. */

/* Whether fd may show memory of a process or of the machine: a yes is to be confirmed with
 * file_identify. */
bool file_is_suspect(int fd);

enum file_device {
	DEVICE_NONE,
	DEVICE_MEMORY,	  /* /dev/mem, /dev/kmem, /dev/port */
	DEVICE_IF_MAPPED, /* of sysfs or procfs: what can be mapped writable there is a device's
			   * (resource0, /proc/bus/pci) */
};

/* What a mapping of fd would show. */
enum file_device file_device(int fd);

/* ---- filesystem.c ---- */

enum {
	/* Every change goes through this kernel. Elsewhere (network, FUSE) a lease may be granted
	 * and a server change the file all the same. */
	KEEPS_LEASES = 1,
	/* The first store to a page through a new mapping changes the file's times. tmpfs lets who
	 * has read a page store to it, ZFS sets the times when it writes the page out, and what is
	 * below overlayfs is unknown. */
	TIMES_STORES = 2,
	/* Since Linux 6.13 a file whose times were looked at is given finer ones at its next
	 * change. */
	TELLS_CHANGES = 4,
	TELLS_BLOCKS = 8,  /* what is allocated is all that a file has */
	COARSE_TIMES = 16, /* coarser than they look */
	NO_FILES = 32,	   /* mappings of what is in it cannot be captured */
};

/* Whether that is known of it. */
bool filesystem_has(uint32_t magic, unsigned int trait);

/* As people call it, or NULL. */
const char *filesystem_name(uint32_t magic);

/* ---- transfer.c ---- */

struct copy {
	int source, target;
	bool seekable;	/* the source's description is ours: asking it for holes moves its position
			 */
	uint64_t bytes; /* copied so far */
};

/* Bytes [start, end), which the source has: 0, -ENODATA when it ended early, or -errno. */
int copy_range(struct copy *copy, int64_t start, int64_t end);
/* The same, but only the source's data. */
int copy_data(struct copy *copy, int64_t start, int64_t end);

/* ---- unnamed.c ---- */

/* Where memory is without memfd_create (before Linux 3.17). */
#define UNNAMED_SHM "/dev/shm"

/* A memfd of that name, with these flags beside MFD_CLOEXEC, or as one that never runs; or a file
 * in UNNAMED_SHM, whose name begins with it and a dot and is gone again. A descriptor, or -errno.
 */
int unnamed_memory(const char *name, unsigned int flags);

/* O_TMPFILE; where there is none (before 3.11, or on this file system), a file whose name begins
 * with `name` and a dot and is gone again. */
int unnamed_file(const char *directory, const char *name);

/* The memory that `mmfence run' holds for snapshot/family.c: sealed, so that what is mapped of it
 * stays. */
#define FAMILY_BYTES (1 << 20)
#define FAMILY_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

#endif
