/* SPDX-License-Identifier: MIT */
/*
 * The file behind a shared area, if it is memory: see lookup.c. It is opened for reading, and never
 * waited for. What a name leads to is looked at by O_PATH, which opens nothing, and opened only
 * when it is memory and the area's inode.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "support/sys.h"
#include "pages/census.h"
#include "support/text.h"

#define FILE_SYSTEM_TMPFS 0x01021994
#define STEPS_MOST	  65536 /* descriptors that are looked at for one census */
#define PATH_BYTES	  (PATH_MAX + 64)

static long file_system(int fd)
{
	struct statfs64 fs;

	return sys_fstatfs(fd, &fs) ? -1 : (long)fs.f_type;
}

static bool is_area(const struct statx *st, const struct pages_area *area)
{
	return st->stx_ino == area->vma.inode &&
	       ((uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor) == area->vma.device;
}

/* Opens what path leads to: 0, -ENODATA when that is no memory, -ESTALE when it is another file. A
 * device on devtmpfs, which has the number of tmpfs, is none: /dev/zero, opened for reading. */
static int try_path(struct lookup *lookup, const struct pages_area *area, const char *path)
{
	int directory = lookup->source->process, seen = sys_open_in(directory, path, O_PATH), r = 0;
	struct statx st;

	if (seen < 0)
		return seen;
	if (sys_fstat(seen, &st) || !is_area(&st, area))
		r = -ESTALE;
	else if (!S_ISREG(st.stx_mode) || file_system(seen) != FILE_SYSTEM_TMPFS)
		r = -ENODATA;
	sys_close(seen);
	if (r)
		return r;
	int fd = sys_open_in(directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	if (sys_fstat(fd, &st) || !is_area(&st, area)) {
		sys_close(fd);
		return -ESTALE;
	}
	lookup->fd = fd;
	return 0;
}

/* ---- the three roads ---- */

static int by_area(struct lookup *lookup, const struct pages_area *area)
{
	char path[64];

	if (lookup->no_map_files)
		return -EPERM;
	text_make(path, sizeof(path), "map_files/%lx-%lx", (unsigned long)area->vma.start,
		  (unsigned long)area->vma.end);
	int r = try_path(lookup, area, path);
	lookup->no_map_files = r == -EPERM;
	return r;
}

static int try_descriptor(struct lookup *lookup, const struct pages_area *area, int directory,
			  const char *name)
{
	struct statx st;
	char path[64];

	if (sys_statx(directory, name, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) ||
	    !is_area(&st, area))
		return -ESTALE;
	text_make(path, sizeof(path), "fd/%s", name);
	return try_path(lookup, area, path);
}

static int by_descriptor(struct lookup *lookup, const struct pages_area *area)
{
	int directory = sys_open_in(lookup->source->process, "fd", O_RDONLY | O_DIRECTORY);
	int r = directory < 0 ? directory : -ESTALE;
	long got;

	while (r == -ESTALE && (got = sys_getdents64(directory, lookup->list, LOOKUP_LIST)) > 0) {
		for (long at = 0; at < got && r == -ESTALE;) {
			const struct directory_entry *entry = (const void *)(lookup->list + at);

			at += entry->length;
			if (entry->name[0] != '.' && lookup->steps++ < STEPS_MOST)
				r = try_descriptor(lookup, area, directory, entry->name);
		}
	}
	sys_close_if_open(directory);
	return r;
}

static int by_name(struct lookup *lookup, const struct pages_area *area)
{
	char path[PATH_BYTES];

	if (area->name[0] != '/')
		return -ESTALE;
	return text_make(path, sizeof(path), "root%s", area->name) ? try_path(lookup, area, path)
								   : -ENAMETOOLONG;
}

/* ---- where there is no road ---- */

/* Names that only memory has. */
static bool named_as_memory(const char *name)
{
	static const char *const names[] = { "/memfd:", "/dev/zero", "/SYSV", "/dev/shm/",
					     "[anon_shmem:" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

static int look_for(struct lookup *lookup, const struct pages_area *area)
{
	int r = by_area(lookup, area);

	if (!r || r == -ENODATA)
		return r;
	/* File systems on a disk have its number, those without one have major number 0. */
	if (area->vma.device >> 32 && !named_as_memory(area->name))
		return -ENODATA;
	if (lookup->source->process < 0)
		return -ENOENT;
	int other = by_descriptor(lookup, area);
	if (other && other != -ENODATA)
		other = by_name(lookup, area);
	return other && other != -ENODATA ? r : other;
}

int find_file(struct lookup *lookup, const struct pages_area *area, bool *owner)
{
	struct statx st;

	if (!lookup->known || lookup->device != area->vma.device ||
	    lookup->inode != area->vma.inode) {
		lookup_end(lookup);
		lookup->error = look_for(lookup, area);
		lookup->known = true;
		lookup->device = area->vma.device;
		lookup->inode = area->vma.inode;
	}
	if (lookup->error)
		return lookup->error;
	*owner = !sys_fstat(lookup->fd, &st) && st.stx_uid == sys_geteuid();
	return 0;
}
