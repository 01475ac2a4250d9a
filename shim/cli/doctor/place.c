/* SPDX-License-Identifier: MIT */
/*
 * What works on a file system: tried with a small file that has no name for longer
 * than the trial takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor/doctor.h"
#include "kernel/filesystem.h"
#include "kernel/lease.h"

static void say_file_system(const char *directory)
{
	struct statfs fs;

	if (statfs(directory, &fs)) {
		doctor_say(BROKEN, "directory", "%s: %m", directory);
		return;
	}
	const char *name = filesystem_name((uint32_t)fs.f_type);

	if (name)
		doctor_say(WORKS, "directory", "%s, on %s", directory, name);
	else
		doctor_say(WORKS, "directory", "%s, on a file system of type 0x%x", directory,
			   (uint32_t)fs.f_type);
}

static bool keeps_leases(const char *directory)
{
	struct statfs fs;

	return !statfs(directory, &fs) && filesystem_keeps_leases((uint32_t)fs.f_type);
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
	int error = reader < 0 ? errno : -lease_try(reader);
	unlink(name);
	close(reader);
	free(name);
	if (error)
		doctor_say(ABSENT, "leases here", "%s; every snapshot is copied at once",
			   strerror(error));
	else if (!keeps_leases(directory))
		doctor_say(ABSENT, "leases here", "granted, but not to be trusted here");
	else
		doctor_say(WORKS, "leases here", "granted; snapshots can be guarded and proven");
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
