/* SPDX-License-Identifier: MIT */
/*
 * Whether the file can be guarded: a lease is taken on a fresh descriptor and given
 * back at once. Never tried where the answer would not be worth anything.
 */
#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor/doctor.h"
#include "cli/doctor/file.h"
#include "kernel/filesystem.h"
#include "kernel/lease.h"

static const char line[] = "guard by lease";

static bool has_capability(int number)
{
	unsigned long long effective = 0;
	char text[256];
	FILE *in = fopen("/proc/self/status", "re");

	while (in && fgets(text, sizeof(text), in))
		if (sscanf(text, "CapEff: %llx", &effective) == 1)
			break;
	if (in)
		fclose(in);
	return effective >> number & 1;
}

/* File capabilities are no way: with them the dynamic linker ignores LD_PRELOAD. */
static void advise(const char *owner)
{
	doctor_say(ABSENT, "advice",
		   "run as %s, or with CAP_LEASE as an ambient capability "
		   "(`AmbientCapabilities=CAP_LEASE' in the systemd unit, or as root `setpriv "
		   "--inh-caps=+lease --ambient-caps=+lease'); with setcap the library would not "
		   "be loaded",
		   owner);
}

static void say_owner(const struct mapped_file *mapped)
{
	struct passwd *entry = getpwuid(mapped->owner);
	char *owner = entry ? format_text("%s (uid %u)", entry->pw_name, mapped->owner)
			    : format_text("uid %u", mapped->owner);

	if (mapped->owner == geteuid()) {
		doctor_say(ABSENT, line, "refused, although the file is this user's: %s",
			   strerror(EACCES));
	} else if (has_capability(CAP_LEASE)) {
		doctor_say(ABSENT, line,
			   "refused: the file belongs to %s, and CAP_LEASE counts only in the "
			   "first user namespace",
			   owner);
	} else {
		doctor_say(ABSENT, line,
			   "refused: the file belongs to %s, and there is no CAP_LEASE", owner);
		advise(owner);
	}
	free(owner);
}

static void say_writers(int fd)
{
	char *writers = doctor_writers(fd);

	if (writers)
		doctor_say(ABSENT, line, "refused: open for writing by %s", writers);
	else
		doctor_say(ABSENT, line,
			   "refused: somebody has the file open for writing, but no process that "
			   "this user can look into");
	free(writers);
}

static void say_refusal(const struct mapped_file *mapped, int error)
{
	switch (error) {
	case -EAGAIN:
		say_writers(mapped->fd);
		break;
	case -EACCES:
		say_owner(mapped);
		break;
	default:
		doctor_say(ABSENT, line, "refused on this file system: %s", strerror(-error));
	}
}

static void say_untrusted(uint32_t magic)
{
	const char *name = filesystem_name(magic);
	static const char why[] = "the file may change without the kernel seeing it";

	if (name)
		doctor_say(ABSENT, line, "not tried: not to be trusted on %s, where %s", name, why);
	else
		doctor_say(ABSENT, line,
			   "not tried: not to be trusted on a file system of type 0x%x, where %s",
			   magic, why);
}

bool doctor_lease(const struct mapped_file *mapped)
{
	if (mapped->file.kind == FILE_BLOCK) {
		doctor_say(ABSENT, line, "a block device has none");
		return false;
	}
	if (!filesystem_keeps_leases(mapped->file.filesystem)) {
		say_untrusted(mapped->file.filesystem);
		return false;
	}
	if (doctor_number("/proc/sys/fs/leases-enable") == 0) {
		doctor_say(ABSENT, line, "refused: fs.leases-enable is 0");
		return false;
	}
	if (doctor_over_limit(mapped->file.size)) {
		doctor_say(ABSENT, line, "not taken: the file is larger than RLIMIT_FSIZE");
		return false;
	}
	int r = lease_try(mapped->fd);
	if (r) {
		say_refusal(mapped, r);
		return false;
	}
	doctor_say(WORKS, line, "granted (and given back)");
	return true;
}
