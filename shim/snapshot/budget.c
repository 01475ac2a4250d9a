/* SPDX-License-Identifier: MIT */
/*
 * How much memory all copies may take: snapshot.memory, or half of what was
 * available when the first copy was made, in the system or in the cgroup, whichever
 * is less. A large copy also asks what is available now. mmfence must never be the
 * reason that the OOM killer comes.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "support/sys.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"
#include "support/text.h"

#define ASK_AGAIN_BYTES (1ULL << 20)
#define TEXT_BYTES	16384

static atomic_ullong limit, charged;
static atomic_ullong under_way; /* of it, what no store has yet */

static uint64_t number_after(const char *text, const char *key, uint64_t otherwise)
{
	const char *at = key ? strstr(text, key) : text;
	uint64_t value = 0;

	if (!at)
		return otherwise;
	at += key ? strlen(key) : 0;
	while (*at == ' ' || *at == '\t')
		at++;
	if (*at < '0' || *at > '9') /* "max" */
		return otherwise;
	for (; *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

/* A number in directory/name; or after key in it. */
static uint64_t cgroup_number(const char *directory, size_t length, const char *name,
			      const char *key, uint64_t otherwise)
{
	char *buffer = arena_alloc(TEXT_BYTES);
	struct text path;
	uint64_t value = otherwise;

	if (!buffer)
		return otherwise;
	text_init(&path, buffer, 4096);
	text_add_bytes(&path, directory, length);
	text_add_char(&path, '/');
	text_add(&path, name);
	if (!path.overflow && sys_read_file(buffer, buffer + 4096, TEXT_BYTES - 4096) > 0)
		value = number_after(buffer + 4096, key, otherwise);
	arena_free(buffer, TEXT_BYTES);
	return value;
}

/* What one cgroup leaves: its limit less what it uses, page cache that can go not counted. */
static uint64_t cgroup_room(const char *directory, size_t length, bool unified)
{
	uint64_t max =
		cgroup_number(directory, length, unified ? "memory.max" : "memory.limit_in_bytes",
			      NULL, UINT64_MAX);
	if (max == UINT64_MAX)
		return max;
	uint64_t used = cgroup_number(
		directory, length, unified ? "memory.current" : "memory.usage_in_bytes", NULL, 0);
	uint64_t cache = cgroup_number(directory, length, "memory.stat", "\ninactive_file ", 0);
	used = used > cache ? used - cache : 0;
	return max > used ? max - used : 0;
}

/* The cgroup of this process and all above it: any of them may be the tight one. */
static uint64_t cgroups_room(const char *line, bool unified)
{
	static const char unified_root[] = "/sys/fs/cgroup", split_root[] = "/sys/fs/cgroup/memory";
	const char *root = unified ? unified_root : split_root;
	char *directory = arena_alloc(TEXT_BYTES);
	struct text path;
	uint64_t room = UINT64_MAX;

	if (!directory)
		return 0;
	text_init(&path, directory, TEXT_BYTES);
	text_add(&path, root);
	text_add_bytes(&path, line, strcspn(line, "\n"));
	size_t length = path.length;
	while (length > strlen(root)) {
		uint64_t here = cgroup_room(directory, length, unified);
		if (here < room)
			room = here;
		while (length > strlen(root) && directory[--length] != '/')
			;
	}
	arena_free(directory, TEXT_BYTES);
	return room;
}

static uint64_t available_in_cgroup(void)
{
	char *buffer = arena_alloc(TEXT_BYTES);
	uint64_t room = UINT64_MAX;

	if (buffer && sys_read_file("/proc/self/cgroup", buffer, TEXT_BYTES) > 0) {
		const char *split = strstr(buffer, ":memory:");
		const char *unified = strstr(buffer, "0::");
		if (split)
			room = cgroups_room(split + strlen(":memory:"), false);
		else if (unified)
			room = cgroups_room(unified + strlen("0::"), true);
	}
	arena_free(buffer, TEXT_BYTES);
	return room;
}

/* Free memory without what page cache could give back: where there is no /proc. */
static uint64_t free_memory(void)
{
	struct sysinfo info;

	if (sys_sysinfo(&info))
		return 0;
	return ((uint64_t)info.freeram + info.bufferram) * info.mem_unit;
}

static uint64_t available(void)
{
	char *buffer = arena_alloc(TEXT_BYTES);
	uint64_t room = free_memory();

	if (buffer && sys_read_file("/proc/meminfo", buffer, TEXT_BYTES) > 0)
		room = number_after(buffer, "MemAvailable:", room / 1024) * 1024;
	arena_free(buffer, TEXT_BYTES);
	uint64_t group = available_in_cgroup();
	return group < room ? group : room;
}

static uint64_t limit_get(void)
{
	uint64_t now = atomic_load(&limit);

	if (now)
		return now;
	now = the_policy.snapshot_memory ? the_policy.snapshot_memory : available() / 2;
	atomic_store(&limit, now ? now : 1);
	return now;
}

int budget_charge(uint64_t bytes, const char **reason)
{
	uint64_t most = limit_get();

	atomic_fetch_add(&under_way, bytes);
	if (atomic_fetch_add(&charged, bytes) + bytes > most) {
		budget_return(bytes);
		*reason = "snapshot.memory is used up";
		return -ENOMEM;
	}
	if (bytes >= ASK_AGAIN_BYTES && bytes > available() / 2) {
		budget_return(bytes);
		*reason = "not enough memory is available";
		return -ENOMEM;
	}
	return 0;
}

void budget_return(uint64_t bytes)
{
	atomic_fetch_sub(&charged, bytes);
	atomic_fetch_sub(&under_way, bytes);
}

void budget_keep(uint64_t bytes)
{
	atomic_fetch_sub(&under_way, bytes);
}

void budget_release(uint64_t bytes)
{
	atomic_fetch_sub(&charged, bytes);
}

/* Threads that were making copies are the parent's. */
void budget_after_fork(void)
{
	atomic_fetch_sub(&charged, atomic_exchange(&under_way, 0));
}
