/* SPDX-License-Identifier: MIT */
/*
 * How much memory all copies of a family may take: snapshot.memory, or half of what was
 * available when the first copy was made, in the system or in the cgroup, whichever
 * is less. A large copy, and the small ones together once for as much, also ask what is available
 * now. mmfence must never be the reason that the OOM killer comes.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "kernel/thread.h"
#include "support/sys.h"
#include "policy/policy.h"
#include "snapshot/family.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"
#include "support/lock.h"
#include "support/text.h"

#define ASK_AGAIN_BYTES (1ULL << 20)
#define TEXT_BYTES	16384

static uint64_t number_after(const char *text, const char *key, uint64_t otherwise)
{
	uint64_t value;

	return text_find_number(text, key, &value) ? value : otherwise; /* "max" */
}

/* The number after key in directory/name. */
static uint64_t cgroup_number(const char *directory, size_t length, const char *name,
			      const char *key, uint64_t otherwise)
{
	char *buffer = arena_alloc(TEXT_BYTES);
	uint64_t value = otherwise;

	if (buffer && text_make(buffer, 4096, "%.*s/%s", (int)length, directory, name) &&
	    sys_read_file(buffer, buffer + 4096, TEXT_BYTES - 4096) > 0)
		value = number_after(buffer + 4096, key, otherwise);
	arena_free(buffer, TEXT_BYTES);
	return value;
}

/* What one cgroup leaves: its limit less what it uses, page cache that can go not counted. */
static uint64_t cgroup_room(const char *directory, size_t length, bool unified)
{
	uint64_t max =
		cgroup_number(directory, length, unified ? "memory.max" : "memory.limit_in_bytes",
			      "", UINT64_MAX);
	if (max == UINT64_MAX)
		return max;
	uint64_t used = cgroup_number(directory, length,
				      unified ? "memory.current" : "memory.usage_in_bytes", "", 0);
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
	uint64_t room = UINT64_MAX;

	if (!directory)
		return 0;
	text_make(directory, TEXT_BYTES, "%s%.*s", root, (int)strcspn(line, "\n"), line);
	size_t length = strlen(directory);
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

static uint64_t limit_get(struct family *family)
{
	uint64_t now = atomic_load(&family->limit);

	if (now)
		return now;
	now = the_policy.snapshot_memory ? the_policy.snapshot_memory : available() / 2;
	atomic_store(&family->limit, now ? now : 1);
	return now;
}

/* ---- who has how much ---- */

static struct family_member *_Atomic self; /* this process's, once it has made a copy */

static bool take_place(struct family_member *member, int who)
{
	if (!atomic_compare_exchange_strong(&member->process, &who, home_process()))
		return false;
	atomic_store(&member->charged, 0);
	return true;
}

/* NULL: there are too many. */
static struct family_member *place_find(struct family *family)
{
	size_t first = (size_t)home_process() % FAMILY_MEMBERS;

	for (int turn = 0; turn < 2; turn++)
		for (size_t i = 0; i < FAMILY_MEMBERS; i++) {
			struct family_member *one = &family->members[(first + i) % FAMILY_MEMBERS];
			int who = atomic_load(&one->process);
			if ((!who || (turn && family_has_left(who))) && take_place(one, who))
				return one;
		}
	return NULL;
}

/* One thread at a time looks for this process. */
static struct lock places;

static struct family_member *self_get(struct family *family)
{
	struct family_member *here = atomic_load(&self);

	if (here)
		return here;
	lock_take(&places);
	here = atomic_load(&self);
	if (!here)
		atomic_store(&self, here = place_find(family));
	lock_drop(&places);
	return here;
}

void budget_drop_what_was(struct family *family)
{
	lock_take(&places);
	for (size_t i = 0; !atomic_load(&self) && i < FAMILY_MEMBERS; i++) {
		struct family_member *member = &family->members[i];
		if (atomic_load(&member->process) != home_process())
			continue;
		atomic_store(&member->charged, 0);
		atomic_store(&member->process, 0);
	}
	lock_drop(&places);
}

static uint64_t charged_by_all(struct family *family)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < FAMILY_MEMBERS; i++)
		sum += atomic_load_explicit(&family->members[i].charged, memory_order_relaxed);
	return sum;
}

/* What others show of their copies is theirs to bear. */
static void drop_who_left(struct family *family)
{
	for (size_t i = 0; i < FAMILY_MEMBERS; i++) {
		struct family_member *member = &family->members[i];
		int who = atomic_load(&member->process);
		if (who && who != home_process() && family_has_left(who) && take_place(member, who))
			atomic_store(&member->process, 0);
	}
}

static bool is_too_much(struct family *family)
{
	uint64_t most = limit_get(family);

	if (charged_by_all(family) <= most)
		return false;
	drop_who_left(family);
	return charged_by_all(family) > most;
}

static bool is_available(struct family *family, uint64_t bytes)
{
	uint64_t unasked = atomic_fetch_add(&family->unasked, bytes) + bytes;

	if (unasked < ASK_AGAIN_BYTES)
		return true;
	bool is_there = unasked <= available() / 2;
	atomic_store(&family->unasked, is_there ? 0 : ASK_AGAIN_BYTES - 1);
	return is_there;
}

int budget_charge(uint64_t bytes, const char **reason)
{
	struct family *family = family_get();

	*reason = "no memory for the family's table, or no place in it";
	struct family_member *here = family ? self_get(family) : NULL;
	if (!here)
		return -ENOMEM;
	atomic_fetch_add(&here->charged, bytes);
	if (is_too_much(family))
		*reason = "snapshot.memory is used up";
	else if (!is_available(family, bytes))
		*reason = "not enough memory is available";
	else
		return 0;
	budget_return(bytes);
	return -ENOMEM;
}

void budget_return(uint64_t bytes)
{
	if (bytes)
		atomic_fetch_sub(&atomic_load(&self)->charged, bytes);
}

uint64_t budget_charged(void)
{
	struct family_member *here = atomic_load(&self);

	return here ? atomic_load(&here->charged) : 0;
}

/* Copies that were made before, and threads that were making some, are the parent's. */
void budget_after_fork(void)
{
	lock_reset(&places);
	atomic_store(&self, NULL);
}
