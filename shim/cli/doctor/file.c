/* SPDX-License-Identifier: MIT */
/*
 * A file that programs map: the rung of the ladder that its private mappings stand
 * on for this user, and why. What becomes of a mapping is asked of the library's own
 * decide.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor/doctor.h"
#include "cli/doctor/file.h"
#include "kernel/filesystem.h"
#include "support/sys.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"

struct outlook {
	bool leased;
	struct refuge refuge;
	struct decision reading, storing;
};

/* ---- the file ---- */

static const char *special_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFCHR:
		return "a character device";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "no regular file";
	}
}

static char *file_system_of(int fd)
{
	struct statfs fs;
	uint32_t magic = fstatfs(fd, &fs) ? 0 : (uint32_t)fs.f_type;
	const char *name = filesystem_name(magic);

	return name ? format_text("%s", name) : format_text("a file system of type 0x%x", magic);
}

static void say_file(const struct mapped_file *mapped)
{
	char size[DOCTOR_SIZE_BYTES];
	char *file_system = file_system_of(mapped->fd);

	doctor_size((unsigned long long)mapped->file.size, size);
	if (mapped->file.kind == FILE_BLOCK)
		doctor_say(WORKS, "file", "%s, a block device of %s", mapped->path, size);
	else
		doctor_say(WORKS, "file", "%s, %s, on %s", mapped->path, size, file_system);
	free(file_system);
}

static void say_no_snapshots(const char *why)
{
	doctor_say(ABSENT, "verdict", "its mappings are left alone: %s", why);
}

/* Opening some devices does something: only what can be mapped as a snapshot is opened. */
static bool may_be_opened(int place, const char *name)
{
	struct file file;
	struct stat st;

	if (fstat(place, &st) || file_identify(place, &file)) {
		doctor_say(BROKEN, "file", "%s: %m", name);
		return false;
	}
	if (file.kind == FILE_ORDINARY || file.kind == FILE_BLOCK)
		return true;
	char *kind = S_ISREG(st.st_mode) ? file_system_of(place)
					 : format_text("%s", special_kind(st.st_mode));
	doctor_say(ABSENT, "file", "%s, %s%s", name, S_ISREG(st.st_mode) ? "on " : "", kind);
	say_no_snapshots("it is of a kind that gets no snapshots");
	free(kind);
	return false;
}

static bool open_mapped(const char *name, struct mapped_file *mapped)
{
	char link[64];
	struct stat st;
	int place = open(name, O_PATH | O_CLOEXEC);

	if (place >= 0 && !may_be_opened(place, name)) {
		close(place);
		return false;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
	mapped->fd = place < 0 ? -1 : open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (mapped->fd < 0 || fstat(mapped->fd, &st) || file_identify(mapped->fd, &mapped->file)) {
		doctor_say(BROKEN, "file", "%s: %s", name,
			   errno == EWOULDBLOCK ? "somebody holds a write lease on it"
						: strerror(errno));
		return false;
	}
	close(place);
	sys_fd_path(mapped->fd, mapped->path, sizeof(mapped->path));
	mapped->owner = st.st_uid;
	return true;
}

/* ---- its mappings ---- */

static void decide_whole(const struct mapped_file *mapped, int protection, struct decision *out)
{
	struct map_request request = {
		.length = (size_t)mapped->file.size,
		.protection = protection,
		.flags = MAP_PRIVATE,
		.fd = mapped->fd,
	};

	*out = (struct decision){ .verdict = VERDICT_IGNORE };
	if (snapshot_possible(&request))
		decide(&request, &mapped->file, mapped->path, out);
}

static char *place_of(const struct refuge *refuge)
{
	if (refuge->clone)
		return format_text("cloned in %s", refuge->clone);
	if (refuge->memory)
		return format_text("copied into memory");
	if (refuge->spill)
		return format_text("copied into %s", the_policy.snapshot_spill_dir);
	return NULL;
}

/* Why it cannot be cloned or copied when it is mapped, or NULL. */
static const char *obstacle(const struct outlook *outlook, const struct decision *decision)
{
	const struct refuge *refuge = &outlook->refuge;

	if (refuge->clone)
		return NULL;
	if (decision->no_copy)
		return decision->no_copy;
	if (!refuge->memory && !refuge->spill)
		return "there is no place for a copy";
	if (the_policy.snapshot_require == REQUIRE_PROVEN && !outlook->leased)
		return "a copy without a lease is verified at best, less than snapshot.require";
	return NULL;
}

static const char *copy_limit_text(const struct decision *decision, char out[64])
{
	char limit[DOCTOR_SIZE_BYTES];

	if (decision->bytes > the_policy.snapshot_copy_limit)
		return "named in snapshot.paths";
	snprintf(out, 64, "within snapshot.copy-limit of %s",
		 doctor_size(the_policy.snapshot_copy_limit, limit));
	return out;
}

static void say_at_once(const char *line, const struct outlook *outlook,
			const struct decision *decision)
{
	const char *why = obstacle(outlook, decision);
	char *place = place_of(&outlook->refuge);
	char size[DOCTOR_SIZE_BYTES], limit[64];

	if (why)
		doctor_say(ABSENT, line, "%s: %s",
			   the_policy.snapshot_on_failure == ON_FAILURE_DENY
				   ? "refused with ENOMEM (snapshot.on-failure)"
				   : "left plain",
			   why);
	else if (outlook->refuge.clone)
		doctor_say(WORKS, line, "%s at once, proven", place);
	else
		doctor_say(WORKS, line, "%s at once, %s (%s, %s)", place,
			   outlook->leased ? "proven" : "verified at best",
			   doctor_size(decision->bytes, size), copy_limit_text(decision, limit));
	free(place);
}

/* No limit holds for what is guarded: its pages are preserved whatever they cost. */
static void say_reading(const struct outlook *outlook)
{
	static const char line[] = "read-only private mapping";
	char *place = place_of(&outlook->refuge);

	if (!outlook->leased || !outlook->reading.guard)
		say_at_once(line, outlook, &outlook->reading);
	else if (place)
		doctor_say(WORKS, line, "guarded; %s when somebody is about to write", place);
	else
		doctor_say(ABSENT, line, "guarded, but lost when somebody writes");
	free(place);
}

static void say_verdict(const struct outlook *outlook)
{
	bool guarded = outlook->leased && outlook->reading.guard;
	char *place = place_of(&outlook->refuge);
	const char *why = guarded ? NULL : obstacle(outlook, &outlook->reading);

	if (guarded && place)
		doctor_say(WORKS, "verdict",
			   "snapshots cost nothing until somebody writes; "
			   "then the old pages are %s",
			   place);
	else if (guarded)
		doctor_say(ABSENT, "verdict",
			   "snapshots hold until somebody writes, and no longer, "
			   "as the old pages have nowhere to go");
	else if (!why)
		doctor_say(WORKS, "verdict", "no guard for this user: every mapping is %s at once",
			   place);
	else
		doctor_say(ABSENT, "verdict", "no snapshots for this user: %s", why);
	free(place);
}

static void look_at_mappings(const struct mapped_file *mapped)
{
	struct outlook outlook;

	decide_whole(mapped, PROT_READ, &outlook.reading);
	decide_whole(mapped, PROT_READ | PROT_WRITE, &outlook.storing);
	if (outlook.reading.verdict != VERDICT_TAKE) {
		say_no_snapshots(outlook.reading.live			    ? outlook.reading.live
				 : the_policy.snapshot_mode == SNAPSHOT_OFF ? "snapshot.mode is off"
									    : "snapshot.exclude");
		return;
	}
	outlook.leased = doctor_lease(mapped);
	if (!outlook.reading.guard)
		doctor_say(ABSENT, "guard by lease", "not used, as snapshot.guard is none");
	doctor_refuge(mapped, outlook.reading.bytes, &outlook.refuge);
	say_reading(&outlook);
	say_at_once("writable private mapping", &outlook, &outlook.storing);
	say_verdict(&outlook);
	free(outlook.refuge.clone);
}

void doctor_file(const char *name)
{
	struct mapped_file mapped;

	if (!open_mapped(name, &mapped))
		return;
	say_file(&mapped);
	look_at_mappings(&mapped);
	close(mapped.fd);
}
