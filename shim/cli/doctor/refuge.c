/* SPDX-License-Identifier: MIT */
/*
 * Where old pages would go: clones are tried, in the library's own order
 * (snapshot/preserve.c); for memory and the spill directory only the room is looked at.
 * What is made has no name, and is gone when it is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor/doctor.h"
#include "cli/doctor/file.h"
#include "policy/policy.h"
#include "snapshot/places.h"

#define ASK_AGAIN_BYTES (8ULL << 20) /* as in snapshot/budget.c */

static int unnamed_file(const char *directory)
{
	return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* 0 or an errno. */
static int try_clone(int source, const char *directory)
{
	int fd = unnamed_file(directory);
	int error = fd < 0 || ioctl(fd, FICLONE, source) ? errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* A file system without reflinks says so at once, and in every directory. */
static bool hopeless(int error)
{
	return error == EOPNOTSUPP || error == ENOTTY || error == EINVAL;
}

static const char *clone_error(int error)
{
	if (error == EXDEV)
		return "on another file system";
	return hopeless(error) ? "no reflinks on this file system" : strerror(error);
}

static char *own_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	return format_text("%.*s", slash && slash > path ? (int)(slash - path) : 1, path);
}

/* The directory that had it; what the others said goes to out. */
static char *find_clone(const struct mapped_file *mapped, FILE *out)
{
	char *own = own_directory(mapped->path);
	const char *places[1 + CLONE_PLACES] = { own };
	const char *separator = "";
	char *found = NULL;
	int error = -1;

	clone_places_settle(getenv("TMPDIR"), getenv("XDG_CACHE_HOME"), getenv("HOME"));
	clone_places(places + 1);
	for (int i = 0; i <= CLONE_PLACES && error && !hopeless(error); i++) {
		if (!places[i] || !*places[i])
			continue;
		error = try_clone(mapped->fd, places[i]);
		if (!error)
			found = format_text("%s", places[i]);
		else
			fprintf(out, "%s%s: %s", separator, places[i], clone_error(error));
		separator = "; ";
	}
	free(own);
	return found;
}

static char *look_for_clone(const struct mapped_file *mapped)
{
	char *refusals = NULL;
	size_t size;
	FILE *out = open_memstream(&refusals, &size);
	char *found = out ? find_clone(mapped, out) : NULL;

	if (out)
		fclose(out);
	if (found)
		doctor_say(WORKS, "old pages by clone", "in %s%s%s", found,
			   refusals && *refusals ? ", not in " : "", refusals ? refusals : "");
	else
		doctor_say(ABSENT, "old pages by clone", "none; %s", refusals ? refusals : "");
	free(refusals);
	return found;
}

static bool look_at_memory(uint64_t bytes)
{
	char need[DOCTOR_SIZE_BYTES], room[DOCTOR_SIZE_BYTES];
	bool grouped;
	long long available = doctor_available(&grouped);
	uint64_t half = available > 0 ? (uint64_t)available / 2 : 0;
	uint64_t limit = the_policy.snapshot_memory ? the_policy.snapshot_memory : half;
	bool fits = bytes <= limit && (bytes < ASK_AGAIN_BYTES || bytes <= half);

	if (bytes > limit)
		half = limit;
	if (fits)
		doctor_say(WORKS, "old pages in memory", "%s of at most %s",
			   doctor_size(bytes, need), doctor_size(limit, room));
	else
		doctor_say(ABSENT, "old pages in memory",
			   "it takes up to %s, and there is room for %s", doctor_size(bytes, need),
			   doctor_size(half, room));
	return fits;
}

static bool look_at_spill(uint64_t bytes)
{
	static const char line[] = "old pages in spill-dir";
	const char *directory = the_policy.snapshot_spill_dir;
	char room[DOCTOR_SIZE_BYTES];
	struct statvfs st;

	if (!*directory) {
		doctor_say(ABSENT, line, "snapshot.spill-dir is not set");
		return false;
	}
	int fd = unnamed_file(directory);
	if (fd < 0 || fstatvfs(fd, &st)) {
		doctor_say(ABSENT, line, "%s: %m", directory);
		return false;
	}
	close(fd);
	uint64_t left = (uint64_t)st.f_bavail * st.f_frsize;
	doctor_say(left >= bytes ? WORKS : ABSENT, line, "%s has %s left", directory,
		   doctor_size(left, room));
	return left >= bytes;
}

static bool wanted(int how)
{
	return the_policy.snapshot_preserve == PRESERVE_AUTO || the_policy.snapshot_preserve == how;
}

void doctor_refuge(const struct mapped_file *mapped, uint64_t bytes, struct refuge *out)
{
	*out = (struct refuge){ .clone = wanted(PRESERVE_CLONE) ? look_for_clone(mapped) : NULL };
	if (doctor_over_limit(mapped->file.size)) {
		doctor_say(ABSENT, "old pages in copies",
			   "none: the file is larger than RLIMIT_FSIZE");
		return;
	}
	out->memory = wanted(PRESERVE_MEMORY) && look_at_memory(bytes);
	out->spill = wanted(PRESERVE_SPILL) && look_at_spill(bytes);
}
