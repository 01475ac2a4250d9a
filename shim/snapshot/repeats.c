/* SPDX-License-Identifier: MIT */
/*
 * audit.snapshots=sites: what the same call makes of the same file again is counted, and told in
 * one record at the end (snapshot.total). What comes when the table is full is recorded each time.
 */

#include "audit/event.h"
#include "policy/policy.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"

#define MOST 8192

struct repeat {
	struct call_site head;
	enum engine engine;
	enum consistency consistency;
	char *path;
	uint64_t calls, mapped, copied, untouched, private, told;
};

CALL_SITES(repeats, .size = sizeof(struct repeat), .most = MOST);

static uint64_t key_of(const struct snapshot *snapshot, const struct trace *trace)
{
	const uint64_t words[] = { snapshot->file.device, snapshot->file.inode,
				   snapshot->file.subvolume,
				   snapshot->engine << 8 | snapshot->consistency };
	uint64_t key = trace->hash;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		key = (key ^ words[i]) * 0x9e3779b97f4a7c15u;
	return key;
}

/* It is the first of its kind, or is counted as one more. */
static void take(struct snapshot *snapshot, const struct trace *trace, uint64_t mapped,
		 uint64_t copied)
{
	bool is_new;
	struct repeat *repeat = call_site_get(&repeats, key_of(snapshot, trace), trace, &is_new);

	if (!repeat)
		return;
	lock_take(&repeats.lock);
	if (is_new) {
		repeat->engine = snapshot->engine;
		repeat->consistency = snapshot->consistency;
		repeat->path = arena_strdup(snapshot->path);
	} else if (repeat->path) {
		snapshot->repeat = repeat;
		repeat->calls++;
		repeat->mapped += mapped;
		repeat->copied += copied;
	}
	lock_drop(&repeats.lock);
}

bool repeats_take(struct snapshot *snapshot, const struct trace *trace, uint64_t mapped,
		  uint64_t copied)
{
	if (the_policy.audit_snapshots == AUDIT_SNAPSHOTS_SITES &&
	    snapshot->consistency != TORN_POSSIBLE)
		take(snapshot, trace, mapped, copied);
	snapshot->quiet = snapshot->repeat || the_policy.audit_snapshots == AUDIT_SNAPSHOTS_OFF;
	return snapshot->quiet;
}

bool repeats_end(const struct snapshot *snapshot)
{
	struct repeat *repeat = snapshot->repeat;
	bool eventful = snapshot->fate != FATE_UNTOUCHED && snapshot->fate != FATE_PRIVATE;

	if (!repeat)
		return snapshot->quiet && !eventful;
	lock_take(&repeats.lock);
	repeat->untouched += snapshot->fate == FATE_UNTOUCHED;
	repeat->private += snapshot->fate == FATE_PRIVATE;
	repeat->told += eventful;
	lock_drop(&repeats.lock);
	return !eventful;
}

static void report(struct repeat *repeat)
{
	struct record *record;

	if (!repeat->calls && !repeat->untouched && !repeat->private)
		return;
	record = record_begin(EVENT_SNAPSHOT_TOTAL, OUTCOME_SUCCESS, NULL);
	record_str(record, "file.path", repeat->path);
	record_site(record, repeat->head.trace.hash);
	record_str(record, "mmfence.snapshot.engine", engine_name(repeat->engine));
	record_str(record, "mmfence.snapshot.consistency", consistency_name(repeat->consistency));
	record_uint(record, "mmfence.snapshot.bytes", repeat->copied);
	record_uint(record, "mmfence.total.calls", repeat->calls);
	record_uint(record, "mmfence.total.bytes", repeat->mapped);
	record_uint(record, "mmfence.total.untouched", repeat->untouched);
	record_uint(record, "mmfence.total.private", repeat->private);
	record_uint(record, "mmfence.total.told", repeat->told);
	record_emit(record);
	repeat->calls = repeat->mapped = repeat->copied = 0;
	repeat->untouched = repeat->private = repeat->told = 0;
}

void snapshot_repeats(void)
{
	lock_take(&repeats.lock);
	EACH_CALL_SITE(repeat, &repeats)
	report((struct repeat *)repeat);
	lock_drop(&repeats.lock);
}

/* The parent tells what it counted. A child's first one is on record in its own name again; what it
 * inherits stays with the entry that it had, which is in no table any more. */
void repeats_after_fork(void)
{
	call_sites_forget(&repeats);
}
