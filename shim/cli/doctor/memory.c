/* SPDX-License-Identifier: MIT */
/*
 * How much memory, and how many descriptors, there are for copies. Counted as the
 * library's budget counts (snapshot/budget.c).
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/doctor/doctor.h"
#include "policy/policy.h"

const char *doctor_size(unsigned long long bytes, char out[DOCTOR_SIZE_BYTES])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	for (; value >= 1023.95 && unit < sizeof(units) / sizeof(*units) - 1; unit++)
		value /= 1024;
	if (bytes < 1024)
		snprintf(out, DOCTOR_SIZE_BYTES, "%llu bytes", bytes);
	else
		snprintf(out, DOCTOR_SIZE_BYTES, "%.1f %s", value, units[unit]);
	return out;
}

/* The number of the line that format describes, or -1. */
static long long number_in(const char *path, const char *format)
{
	char line[256];
	long long number = -1;
	FILE *in = fopen(path, "re");

	while (in && number < 0 && fgets(line, sizeof(line), in))
		if (sscanf(line, format, &number) != 1)
			number = -1;
	if (in)
		fclose(in);
	return number;
}

/* What one group may still take: its limit less what it uses, page cache that can go not counted.
 */
static long long group_room(const char *directory, bool unified)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%.3000s/%s", directory,
		 unified ? "memory.max" : "memory.limit_in_bytes");
	long long limit = doctor_number(file);
	snprintf(file, sizeof(file), "%.3000s/%s", directory,
		 unified ? "memory.current" : "memory.usage_in_bytes");
	long long used = doctor_number(file);
	snprintf(file, sizeof(file), "%.3000s/memory.stat", directory);
	long long cache = number_in(file, "inactive_file %lld");

	if (limit < 0 || used < 0)
		return -1;
	used -= cache > 0 && cache < used ? cache : 0;
	return limit > used ? limit - used : 0;
}

/* The group and all above it: any of them may be the tight one. */
static long long groups_room(const char *path, bool unified)
{
	const char *root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
	char directory[PATH_MAX];
	long long least = -1;

	snprintf(directory, sizeof(directory), "%s%s", root, path);
	for (char *slash; (slash = strrchr(directory, '/')) >= directory + strlen(root);) {
		long long room = group_room(directory, unified);

		if (room >= 0 && (least < 0 || room < least))
			least = room;
		*slash = 0;
	}
	return least;
}

/* By /proc/self/cgroup's lines ("4:memory:/x", "0::/x"). */
static long long least_group_room(void)
{
	char line[1024], path[1024];
	long long least = -1;
	FILE *in = fopen("/proc/self/cgroup", "re");

	while (in && fgets(line, sizeof(line), in)) {
		bool unified = sscanf(line, "0::%1023[^\n]", path) == 1;

		if (!unified && sscanf(line, "%*d:memory:%1023[^\n]", path) != 1)
			continue;
		long long room = groups_room(path, unified);
		if (room >= 0 && (least < 0 || room < least))
			least = room;
	}
	if (in)
		fclose(in);
	return least;
}

long long doctor_available(bool *grouped)
{
	long long kilobytes = number_in("/proc/meminfo", "MemAvailable: %lld kB");
	long long available = kilobytes < 0 ? -1 : kilobytes * 1024;
	long long group = least_group_room();

	*grouped = group >= 0 && group < available;
	return *grouped ? group : available;
}

static void look_at_limit(int resource, const char *name, rlim_t enough, const char *otherwise)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		doctor_say(WORKS, name, "no limit");
	else
		doctor_say(limit.rlim_cur >= enough ? WORKS : ABSENT, name, "%ju%s%s",
			   (uintmax_t)limit.rlim_cur, limit.rlim_cur >= enough ? "" : "; ",
			   limit.rlim_cur >= enough ? "" : otherwise);
}

bool doctor_over_limit(long long bytes)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	       bytes > (long long)limit.rlim_cur;
}

void doctor_memory(void)
{
	char size[DOCTOR_SIZE_BYTES], most[DOCTOR_SIZE_BYTES];
	bool grouped;
	long long available = doctor_available(&grouped);

	if (available < 0)
		available = 0;
	doctor_say(available > 0 ? WORKS : ABSENT, "memory",
		   "%s available%s; copies of a process take at most %s (snapshot.memory)",
		   doctor_size((unsigned long long)available, size),
		   grouped ? " in this control group" : "",
		   doctor_size(the_policy.snapshot_memory ? the_policy.snapshot_memory
							  : (unsigned long long)available / 2,
			       most));
	look_at_limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", 64,
		      "each guarded file needs one, and the log one more");
	look_at_limit(RLIMIT_FSIZE, "RLIMIT_FSIZE", RLIM_INFINITY,
		      "bytes: larger copies and logs cannot be made");
}
