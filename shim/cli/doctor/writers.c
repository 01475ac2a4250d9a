/* SPDX-License-Identifier: MIT */
/*
 * Who stands in the way of a lease: processes with a descriptor for writing of the
 * file, or with a mapping made from one. Reads /proc only, and follows no link that
 * is not for writing: what others have open may be on a server that does not answer.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor/file.h"

#define MOST_NAMED 5

/* As stat has it; and as /proc/PID/maps does, which may differ (overlayfs, btrfs). */
struct identity {
	dev_t device;
	ino_t inode;
	unsigned int maps_major, maps_minor;
	unsigned long maps_inode;
	bool in_maps;
};

struct area {
	unsigned long start, end, inode;
	unsigned int major, minor;
	char protection[8];
};

static bool read_area(FILE *in, struct area *area)
{
	char line[PATH_MAX + 256];

	while (fgets(line, sizeof(line), in))
		if (sscanf(line, "%lx-%lx %7s %*x %x:%x %lu", &area->start, &area->end,
			   area->protection, &area->major, &area->minor, &area->inode) == 6)
			return true;
	return false;
}

/* A mapping of our own shows what others' look like. */
static void learn_maps_identity(int fd, struct identity *identity)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *map = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	FILE *in = map == MAP_FAILED ? NULL : fopen("/proc/self/maps", "re");
	struct area area;

	while (in && !identity->in_maps && read_area(in, &area)) {
		if (area.start > (unsigned long)map || area.end <= (unsigned long)map)
			continue;
		identity->maps_major = area.major;
		identity->maps_minor = area.minor;
		identity->maps_inode = area.inode;
		identity->in_maps = true;
	}
	if (in)
		fclose(in);
	if (map != MAP_FAILED)
		munmap(map, page);
}

/* The link itself tells how the description was opened. */
static bool link_is_for_writing(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && (st.st_mode & S_IWUSR);
}

static bool has_descriptor(const char *process, const struct identity *identity)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%s/fd", process);
	DIR *directory = opendir(path);
	while (directory && !found && (entry = readdir(directory))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", process, entry->d_name);
		found = isdigit((unsigned char)*entry->d_name) && link_is_for_writing(path) &&
			!stat(path, &st) && st.st_dev == identity->device &&
			st.st_ino == identity->inode;
	}
	if (directory)
		closedir(directory);
	return found;
}

/* The descriptor may be closed long since: the mapping keeps what it was made from. */
static bool has_mapping(const char *process, const struct identity *identity)
{
	char path[PATH_MAX];
	struct area area;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%s/maps", process);
	FILE *in = identity->in_maps ? fopen(path, "re") : NULL;
	while (in && !found && read_area(in, &area)) {
		if (area.inode != identity->maps_inode || area.major != identity->maps_major ||
		    area.minor != identity->maps_minor)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/map_files/%lx-%lx", process, area.start,
			 area.end);
		found = link_is_for_writing(path) ||
			(area.protection[1] == 'w' && area.protection[3] == 's');
	}
	if (in)
		fclose(in);
	return found;
}

static void name_process(FILE *out, const char *process)
{
	char path[PATH_MAX], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%s/comm", process);
	FILE *in = fopen(path, "re");
	if (in && !fgets(name, sizeof(name), in))
		*name = 0;
	if (in)
		fclose(in);
	name[strcspn(name, "\n")] = 0;
	for (char *at = name; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = '?';
	fprintf(out, "%s (%s)", process, *name ? name : "?");
}

static unsigned int name_writers(FILE *out, const struct identity *identity)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	unsigned int count = 0;

	while (processes && (entry = readdir(processes))) {
		if (!isdigit((unsigned char)*entry->d_name) ||
		    (!has_descriptor(entry->d_name, identity) &&
		     !has_mapping(entry->d_name, identity)))
			continue;
		if (count++ >= MOST_NAMED)
			continue;
		fputs(count > 1 ? ", " : "", out);
		name_process(out, entry->d_name);
	}
	if (processes)
		closedir(processes);
	return count;
}

char *doctor_writers(int fd)
{
	struct identity identity = { .in_maps = false };
	char *list = NULL;
	struct stat st;
	size_t size;

	FILE *out = fstat(fd, &st) ? NULL : open_memstream(&list, &size);
	if (!out)
		return NULL;
	identity.device = st.st_dev;
	identity.inode = st.st_ino;
	learn_maps_identity(fd, &identity);
	unsigned int count = name_writers(out, &identity);
	if (count > MOST_NAMED)
		fprintf(out, " and %u more", count - MOST_NAMED);
	fclose(out);
	if (count)
		return list;
	free(list);
	return NULL;
}
